"""Report sections on persons found in several shows, and on footage that repeats."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
from markupsafe import Markup

from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.report import pages
from caer_data.report.pages import Section
from caer_data.report.pictures import Pictures

PERSONS: Final = 12
"""Maximum number of persons shown, those in the most shows."""
EPISODES: Final = 12
"""Maximum number of pairs of videos shown, those with the most in common."""

_NOT_COMPARED: Final = (
    "Persons were not compared across shows; to compare them, run 'caer-data build' again."
)


def persons(dataset: Dataset, pictures: Pictures) -> Section | None:
    """Return a section on persons found in several shows; None if there is only one show."""
    people = dataset.people
    if people["show"].nunique() < 2:
        return None
    title = "Persons in several shows"
    if people["identity"].isna().all():
        return Section(title, pages.paragraph(_NOT_COMPARED))
    known = people.dropna(subset=["identity"])
    shows = (
        known.groupby("identity", observed=True)["show"]
        .nunique()
        .sort_values(ascending=False, kind="stable")
    )
    several = shows[shows > 1]
    unknown = len(people) - len(known)
    text = f"{len(several):,} of {len(shows):,} persons were found in more than one show"
    text += f"; {unknown:,} have no face that could be compared." if unknown else "."
    note = (
        "Comparing faces makes mistakes; correct them with 'caer-data people merge' and 'people "
        "apart'. 'caer-data export --by person' keeps each in one split."
    )
    html = pages.paragraph(text) + pages.paragraph(note, "note")
    videos = dataset.tracks.set_index("track_id")["video_id"]
    for name in several.index[:PERSONS]:
        own = known[known["identity"] == name].drop_duplicates("show")
        html += Markup('<ul class="faces">{}</ul>').format(
            Markup("").join(_face(row, videos, pictures) for row in tables.records(own))
        )
    if len(several) > PERSONS:
        html += pages.paragraph(f"{PERSONS} of {len(several):,} are shown.", "note")
    return Section(title, html)


def _face(person: dict[str, Any], videos: pd.Series, pictures: Pictures) -> Markup:
    track = person["best_track_id"]
    face = pictures.portrait(str(videos[track]), str(track)) if track in videos.index else Markup()
    return Markup('<li>{}<div class="what">{}</div></li>').format(
        face or Markup('<div class="blank">no picture kept</div>'), person["person_id"]
    )


def repeats(dataset: Dataset, pictures: Pictures) -> Section | None:
    """Return a section on repeated footage, with pictures of each pair; None if not searched."""
    if not dataset.has(tables.REPEATS):
        return None
    found = dataset.repeats
    dropped = int((dataset.clips["reason"] == "repeated").sum())
    if found.empty:
        return Section(
            "Repeated footage", pages.paragraph("No shot repeats a shot of another video.")
        )
    text = (
        f"{found['shot_id'].nunique():,} shots repeat a shot of another video; {dropped:,} clips "
        "were dropped because another clip shows the same footage."
    )
    lengths = (found["end_s"] - found["start_s"]).groupby(
        [found["video_id"], found["of_video_id"]], sort=True, observed=True
    )
    most = lengths.sum().sort_values(ascending=False, kind="stable")
    tiles = []
    for video, other in most.index[:EPISODES].tolist():
        own = found[(found["video_id"] == video) & (found["of_video_id"] == other)]
        best = tables.records(own.sort_values("score", ascending=False, kind="stable").head(1))[0]
        tiles.append(_pair(best, float(most[video, other]), len(own), pictures))
    html = pages.paragraph(text) + Markup('<ul class="pairs">{}</ul>').format(
        Markup("").join(tiles)
    )
    shown = f" {EPISODES} of {len(most):,} pairs are shown." if len(most) > EPISODES else ""
    html += pages.paragraph(
        "Each pair of videos with its two shots that are most alike, the repeating one on the "
        f"left; pairs with most in common come first.{shown} The table 'repeats' lists all shots.",
        "note",
    )
    return Section("Repeated footage", html)


def _pair(row: dict[str, Any], seconds: float, count: int, pictures: Pictures) -> Markup:
    html = Markup()
    for video, shot, start in (
        (row["video_id"], row["shot_id"], row["start_s"]),
        (row["of_video_id"], row["of_shot_id"], row["of_start_s"]),
    ):
        image = pictures.thumbnail_of(str(video), str(shot))
        html += Markup('<div>{}<div class="what">{}</div><div class="note">{}</div></div>').format(
            image or Markup('<div class="blank">no picture kept</div>'), shot, _clock(start)
        )
    turned = ", mirrored" if row["mirrored"] else ""
    shots = "1 shot" if count == 1 else f"{count:,} shots"
    return Markup('<li>{}<div class="note">{}, {:.0f} s in all, score {:.2f}{}</div></li>').format(
        html, shots, seconds, row["score"], turned
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"at {minutes}:{rest:02d}"
