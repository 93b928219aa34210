"""Contact sheets of the kept clips: the clearest face of each, by show and person."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from markupsafe import Markup

from caer_data.curate.funnel import duration_text
from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.report import pages
from caer_data.report.pictures import Pictures, short_name

SHOWS: Final = 12
PERSONS: Final = 5
"""Maximum number of persons per show, those with the most clips."""
FIRST: Final = 4
"""Number of clips per person that are visible at once, those with the clearest faces."""
MORE: Final = 8
"""Number of clips per person behind "more", spread evenly over the others."""


def kept(dataset: Dataset, pictures: Pictures) -> pages.Section:
    """Return a section with kept clips by show and person, and the number not shown."""
    clips = anchors.present(dataset.clips)
    if clips.empty:
        return pages.Section("Kept clips", pages.paragraph("No clip was kept."))
    clips = clips.assign(emotion=_emotions(dataset, clips))
    shows = list(dict.fromkeys(clips["show"]))
    html = pages.paragraph(
        "Each picture is the target's clearest face. Persons are numbered within each show; "
        "'caer-data view' shows every clip.",
        "note",
    )
    if len(shows) > SHOWS:
        html += pages.paragraph(f"The first {SHOWS} of {len(shows)} shows.", "note")
    for show in shows[:SHOWS]:
        html += _show(show, clips[clips["show"] == show], pictures)
    return pages.Section("Kept clips", html)


def _emotions(dataset: Dataset, clips: pd.DataFrame) -> pd.Series[Any]:
    if not dataset.has(tables.LABELS):
        return pd.Series(None, clips.index, dtype=object)
    labels = dataset.labels.drop_duplicates("clip_key").set_index("clip_key")
    return clips["clip_key"].map(labels["emotion"]).astype(object)


def _show(show: str, clips: pd.DataFrame, pictures: Pictures) -> Markup:
    seconds = float((clips["end_s"] - clips["start_s"]).sum())
    counts = clips["person_id"].value_counts()
    shown = list(counts.index[:PERSONS])
    html = Markup("<h3>{}: {:,} clips, {}, {} people</h3>").format(
        show, len(clips), duration_text(seconds), len(counts)
    )
    for person in shown:
        html += _person(clips[clips["person_id"] == person], str(person), pictures)
    rest = int(counts.iloc[PERSONS:].sum())
    if rest:
        html += pages.paragraph(f"{rest:,} more clips of {len(counts) - PERSONS} others.", "note")
    return html


def _person(clips: pd.DataFrame, person: str, pictures: Pictures) -> Markup:
    clear = (clips["sharpness"] * clips["face_height"]).astype(float).fillna(0.0)
    ordered = clips.loc[clear.sort_values(ascending=False, kind="stable").index]
    first, others = ordered.head(FIRST), ordered.iloc[FIRST:].sort_values("clip_id")
    html = Markup("<h4>{}, {:,} {}</h4>{}").format(
        short_name(person),
        len(clips),
        "clip" if len(clips) == 1 else "clips",
        _faces(first, pictures),
    )
    if len(others):
        indices = np.linspace(0, len(others) - 1, min(MORE, len(others))).round().astype(int)
        more = others.iloc[indices]
        title = f"{len(more)} more" + (f" of {len(others):,}" if len(more) < len(others) else "")
        html += Markup("<details><summary>{}</summary>{}</details>").format(
            f"{title} of {short_name(person)}", _faces(more, pictures)
        )
    return html


def _faces(clips: pd.DataFrame, pictures: Pictures) -> Markup:
    return Markup('<ul class="faces">{}</ul>').format(
        Markup("").join(_tile(clip, pictures) for clip in tables.records(clips))
    )


def _tile(clip: dict[str, Any], pictures: Pictures) -> Markup:
    emotion = clip["emotion"] if isinstance(clip["emotion"], str) else None
    face = pictures.portrait(clip["video_id"], clip["track_id"])
    blank = Markup('<div class="blank">no picture kept</div>')
    return Markup(
        '<li>{}<div class="what">{}</div><div class="note">{}, {:.1f} s</div></li>'
    ).format(
        face or blank,
        emotion or "no label",
        clip["clip_id"].split(".", 1)[-1],
        clip["end_s"] - clip["start_s"],
    )
