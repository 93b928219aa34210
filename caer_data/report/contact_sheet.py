"""The contact sheet: a page with every person of a dataset and the faces of their tracks."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import pandas as pd
from markupsafe import Markup

from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.files import write_text
from caer_data.report import pages
from caer_data.report.pages import Section
from caer_data.report.pictures import Pictures

NAME: Final = "people.html"
"""Default file name in a dataset's folder."""

_TITLE: Final = "Contact sheet"
_FACES_A_PERSON: Final = 60


def write_sheet(dataset: Dataset, path: Path, persons: Collection[str] = ()) -> Path:
    """Write the page: one section per person, one picture per track, with its name below.

    Args:
        dataset: a built dataset.
        path: the file.
        persons: identifiers of persons to show with all their tracks; if empty, all persons are
            shown with their longest tracks.

    Raises:
        CaerError: another file has this name.
    """
    if path.exists() and not is_sheet(path):
        raise CaerError(f"{path}: is not a contact sheet; give another name with -o")
    people, tracks, pictures = dataset.people, dataset.tracks, Pictures(dataset)
    shown = people[people["person_id"].isin(persons)] if persons else people
    most = None if persons else _FACES_A_PERSON
    sections = [
        _section(person, tracks[tracks["person_id"] == person["person_id"]], pictures, most)
        for person in tables.records(shown)
    ]
    if not sections:
        sections = [Section("People", pages.paragraph("No face was followed."))]
    subtitle = f"{len(people):,} people in {people['show'].nunique():,} shows"
    write_text(path, pages.page(_TITLE, sections, subtitle))
    return path


def is_sheet(path: Path) -> bool:
    """Return whether a file is a contact sheet."""
    head = path.read_bytes()[:2000] if path.is_file() else b""
    return f"<title>{_TITLE}</title>".encode() in head


def refresh(dataset: Dataset) -> None:
    """Update the contact sheet in the dataset's folder, if there is one."""
    path = dataset.folder / NAME
    if is_sheet(path):
        write_sheet(dataset, path)


def _section(
    person: dict[str, Any], tracks: pd.DataFrame, pictures: Pictures, most: int | None
) -> Section:
    order = (tracks["start_s"] - tracks["end_s"]).sort_values(kind="stable").index
    shown = tracks.loc[order].head(most) if most else tracks.loc[order]
    faces = Markup("").join(_face(track, pictures) for track in tables.records(shown))
    name = person["name"] if isinstance(person["name"], str) else None
    title = f"{person['person_id']}: {name}" if name else str(person["person_id"])
    text = f"{person['seconds']:.0f} s on screen, {len(tracks):,} tracks"
    more = f", the {len(shown):,} longest are shown" if len(shown) < len(tracks) else ""
    html = pages.paragraph(f"{person['show']}. {text}{more}.", "note") + faces
    return Section(title, html, str(person["person_id"]))


def _face(track: dict[str, Any], pictures: Pictures) -> Markup:
    picture = pictures.portrait(track["video_id"], track["track_id"])
    missing = Markup("<span>no picture kept</span>")
    minutes, seconds = divmod(int(track["start_s"]), 60)
    return Markup(
        "<figure style='display:inline-block;margin:4px'>{}<figcaption><code>{}</code><br>"
        "{}:{:02d}</figcaption></figure>"
    ).format(picture or missing, track["track_id"], minutes, seconds)
