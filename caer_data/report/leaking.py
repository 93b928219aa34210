"""Show pairs of clips that leak between splits side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pandas as pd
from markupsafe import Markup

from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.export.pairs import NAME
from caer_data.report import pages
from caer_data.report.pictures import Pictures

EACH: Final = 3
"""Maximum number of pairs shown of each kind, the most similar ones."""


def shown(dataset: Dataset, release: Path, manifest: pd.DataFrame, pictures: Pictures) -> Markup:
    """Return some pairs of every kind with pictures; empty if there are no leaking pairs.

    Clips are matched with the dataset by the keys in the manifest.

    Raises:
        CaerError: the list of pairs cannot be read.
    """
    path = release / NAME
    if not path.is_file():
        return Markup()
    try:
        pairs = pd.read_csv(path)
        leaking = pairs[pairs["leaks"].astype(bool)].sort_values(
            ["kind", "score"], ascending=[True, False], kind="stable"
        )
        sides = leaking[["kind", "clip_id", "split", "of_clip_id", "of_split"]]
    except (OSError, ValueError, KeyError) as error:
        raise CaerError(f"{path}: cannot be read ({error}); export the release again") from error
    keys = manifest.dropna(subset=["clip_key"]).drop_duplicates("clip_id")
    today = dataset.clips.dropna(subset=["clip_key"]).set_index("clip_key", drop=False)
    known = dict(zip(keys["clip_id"], keys["clip_key"], strict=True))
    html = Markup()
    for kind, own in sides.groupby("kind", sort=False, observed=True):
        tiles = [_pair(row, known, today, pictures) for row in tables.records(own.head(EACH))]
        html += Markup('<h3>{}: {:,} {}</h3><ul class="pairs">{}</ul>').format(
            kind, len(own), "pair" if len(own) == 1 else "pairs", Markup("").join(tiles)
        )
    if not html:
        return html
    note = f"At most {EACH} of each kind; all are in {NAME} of the release."
    return Markup("<h3>What leaks</h3>") + pages.paragraph(note, "note") + html


def _pair(
    row: dict[str, Any], known: dict[str, str], today: pd.DataFrame, pictures: Pictures
) -> Markup:
    tiles = []
    for name, split in ((row["clip_id"], row["split"]), (row["of_clip_id"], row["of_split"])):
        key = known.get(name)
        image = Markup()
        if key in today.index:
            image = pictures.thumbnails(today.loc[[key]])[0].image
        tiles.append(
            Markup('<div>{}<div class="what">{}</div><div class="note">{}</div></div>').format(
                image or Markup('<div class="blank">no picture kept</div>'), name, split
            )
        )
    return Markup("<li>{}{}</li>").format(*tiles)
