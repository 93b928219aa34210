"""Sections of the results page on the self-test: statements, accuracies and clips."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from caer_data.benchmark.selftest.statements import SelfTest, statements
from caer_data.benchmark.selftest.synthetic import KINDS, SyntheticClips
from caer_data.engine.emotions import EMOTIONS
from caer_data.report import pages

SHOWN: Final = 6
LARGER: Final = 2


def sections(found: SelfTest) -> list[pages.Section]:
    """Return sections with the statements, their accuracies, and some of the clips."""
    verdict = "All statements hold." if found.passed else "Some statements do NOT hold."
    tables = [
        pages.paragraph(verdict),
        pages.table(statements(found)),
        Markup("<h3>Accuracy by source of the label (best: the maximum possible)</h3>"),
        pages.table(found.accuracy),
    ]
    clips = [_strip(found.clips, kind) for kind in KINDS]
    rule = pages.paragraph(
        "The label is the colour that all coloured parts have in common: the halves of the face, "
        "those of one disc, or all of them.",
        "note",
    )
    return [
        pages.Section("Statements", Markup("").join(tables)),
        pages.Section("Made-up clips", rule + Markup("").join(clips)),
    ]


def _strip(clips: SyntheticClips, kind: str) -> Markup:
    """Return some clips of a kind side by side, with a caption."""
    chosen = np.flatnonzero(clips.kinds == KINDS.index(kind))[:SHOWN]
    pictures = [
        pages.picture(_large(clips.frames[i, 0]), EMOTIONS[clips.labels[i]], quality=92)
        for i in chosen
    ]
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(
        Markup(" ").join(pictures), f"{kind} clips"
    )


def _large(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(picture[:, :, ::-1].repeat(LARGER, 0).repeat(LARGER, 1))
