"""What a build keeps of earlier builds: keys of clips, absent videos, and rated clips.

An unchanged clip keeps its key even if its `clip_id` changes. Videos that the current build does
not find stay in the tables, with status `absent`, and so do their clips and files. For example, a
disk may not be mounted, footage may have been archived after rating, or another folder of shows may
be added to the same dataset. If the recipe or an edited video would drop or change rated clips, the
build stops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from caer_data.curate.sightings import share
from caer_data.curate.target_boxes import boxes_of_targets
from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.identity import Anchor
from caer_data.engine.ledger import Ledger

_PLACE: Final = ["clip_id", "start_frame", "end_frame", "start_pts", "end_pts"]

LOST: Final = ("clip_changed", "dropped_clip")
"""Reasons of answers that were refused because their clip was changed or dropped."""


class RatedClipsError(CaerError):
    """A build would drop or change rated clips, and `drop_rated` was not given."""


@dataclass(frozen=True)
class Absent:
    """Tables of the videos that the current build does not find, as the last build wrote them."""

    videos: pd.DataFrame
    shots: pd.DataFrame
    tracks: pd.DataFrame
    people: pd.DataFrame
    clips: pd.DataFrame
    faces: pa.Table


def middle_anchors(
    clips: pd.DataFrame, video: dict[str, Any], tracks: pd.DataFrame, faces: pd.DataFrame
) -> list[Anchor]:
    """Return the anchor of each clip of one video, in order.

    The box is the target's in the frame nearest to the clip's middle, as shares of the frame.

    Args:
        clips: rows of `clips`.
        video: the row of `videos`, with `sha256, width, height`.
        tracks: its rows of `tracks`, with `person_id`.
        faces: its rows of `faces`.
    """
    return anchored(clips, video, middle_boxes(clips, tracks, faces))


def middle_boxes(
    clips: pd.DataFrame, tracks: pd.DataFrame, faces: pd.DataFrame
) -> dict[str, list[float]]:
    """Return the target's box nearest to each clip's middle, px; clips may be of several videos."""
    seen = boxes_of_targets(clips, tracks, faces).merge(
        clips[["clip_id", "start_frame", "end_frame"]], on="clip_id"
    )
    away = (seen["frame"] - (seen["start_frame"] + seen["end_frame"]) // 2).abs()
    nearest = seen.assign(away=away).sort_values(["away", "frame"]).drop_duplicates("clip_id")
    sides = nearest[["x1", "y1", "x2", "y2"]].astype(float).to_numpy()
    return dict(zip(nearest["clip_id"], sides.tolist(), strict=True))


def anchored(
    clips: pd.DataFrame, video: dict[str, Any], boxes: Mapping[str, list[float]]
) -> list[Anchor]:
    """Return the anchor of each clip of one video, in order, from the result of `middle_boxes`."""
    return [
        Anchor(
            video["sha256"],
            int(clip.start_pts),
            int(clip.end_pts),
            int(clip.end_frame - clip.start_frame),
            share(boxes[clip.clip_id], video) if clip.clip_id in boxes else None,
        )
        for clip in tables.rows(clips[_PLACE])
    ]


def mint(clips: pd.DataFrame, found: Sequence[Anchor], ledger: Ledger) -> pd.DataFrame:
    """Return the key and anchor columns of clips, with their index, for the table `clips`."""
    keys = ledger.assign(list(clips["clip_id"]), found)
    sides = [column.name for column in tables.BOX]
    columns = anchors.columns_of(found, clips.index)[["video_key", *sides]]
    return columns.assign(clip_key=pd.Series(keys, index=clips.index, dtype=object))


def mint_all(dataset: Dataset, clips: pd.DataFrame, ledger: Ledger) -> pd.DataFrame:
    """Return the table `clips` with the keys of all kept clips, from the dataset's other tables."""
    clips, kept, tracks = clips.copy(), anchors.present(clips), dataset.tracks
    faces = tables.read_arrow(tables.FACES, dataset.path_of(tables.FACES)) if len(kept) else None
    for video in tables.records(dataset.videos):
        own = kept[kept["video_id"] == video["video_id"]]
        if own.empty or faces is None:
            continue
        seen = tracks[tracks["video_id"] == video["video_id"]]
        ids = pa.array(seen["track_id"], pa.string())
        boxes = faces.filter(pc.field("track_id").isin(ids)).to_pandas()
        columns = mint(own, middle_anchors(own, video, seen, boxes), ledger)
        for name in columns:
            clips.loc[own.index, name] = columns[name]
    return clips


def absent(dataset: Dataset, rows: Iterable[dict[str, Any]]) -> Absent:
    """Return the dataset's tables of videos that the current build does not find.

    A video is present if a readable file has its content. If a readable file of its name has
    different content, it was edited and is not kept. A video that now fails keeps its clips.

    Args:
        dataset: the dataset as the last build left it.
        rows: rows of `videos` of the current build.
    """
    nothing = Absent(
        tables.empty(tables.VIDEOS),
        tables.empty(tables.SHOTS),
        tables.empty(tables.TRACKS),
        tables.empty(tables.PEOPLE),
        tables.empty(tables.CLIPS),
        tables.FACES.schema.empty_table(),
    )
    if not (dataset.has(tables.CLIPS) and dataset.has(tables.VIDEOS)):
        return nothing
    videos, clips = dataset.videos, anchors.present(dataset.clips)
    good = [row for row in rows if row["status"] in (*tables.USED, "duplicate")]
    present = {row["sha256"] for row in good}
    names = {row["video_id"] for row in good}
    gone = videos["video_id"].isin(clips["video_id"]) & ~(
        videos["sha256"].isin(present) | videos["video_id"].isin(names)
    )
    if not gone.any():
        return nothing
    ids = videos.loc[gone, "video_id"]
    clips = clips[clips["video_id"].isin(ids)].assign(status="absent", reason=None)
    tracks, shots, people = dataset.tracks, dataset.shots, dataset.people
    tracks = tracks[tracks["video_id"].isin(ids)]
    shots = shots[shots["video_id"].isin(ids)]
    people = people[people["person_id"].isin(tracks["person_id"])]
    faces = tables.read_arrow(tables.FACES, dataset.path_of(tables.FACES))
    faces = faces.filter(pc.field("track_id").isin(pa.array(tracks["track_id"], pa.string())))
    return Absent(
        videos[gone].assign(status="absent", reason=None), shots, tracks, people, clips, faces
    )


def contents(dataset: Dataset) -> set[str]:
    """Return the hashes of the videos of the last build."""
    return set(dataset.videos["sha256"].dropna()) if dataset.has(tables.VIDEOS) else set()


def files_of_videos(dataset: Dataset) -> set[tuple[str, str]]:
    """Return the path and hash of each file that the last build cut clips from."""
    if not dataset.has(tables.VIDEOS):
        return set()
    videos = dataset.videos
    used = videos[videos["status"].isin(tables.USED)]
    return set(zip(used["path"], used["sha256"], strict=True))


def first_come(dataset: Dataset, clips: pd.DataFrame) -> tuple[set[str], set[str]]:
    """Return the keys of clips with answers, and of clips that the last build kept.

    Of clips that repeat each other, these take precedence.

    Args:
        dataset: the dataset as the last build left it.
        clips: the new table `clips`, with keys.
    """
    found = anchors.verdicts(_rated(dataset), clips)
    rated = {match.key for match in found if match is not None and match.verdict == "same"}
    earlier = dataset.clips if dataset.has(tables.CLIPS) else tables.empty(tables.CLIPS)
    return {key for key in rated if key}, set(anchors.present(earlier)["clip_key"])


def with_absent(rows: Sequence[dict[str, Any]], absent: Absent) -> pd.DataFrame:
    """Return the table `videos`: current rows, then absent ones; failed ones keep old values."""
    known = {row["video_id"]: row for row in tables.records(absent.videos)}
    merged = []
    for row in rows:
        earlier = known.pop(row["video_id"], None)
        values = {"status": row["status"], "reason": row.get("reason")}
        merged.append(row if earlier is None else earlier | values)
    merged += known.values()
    return tables.frame(tables.VIDEOS, [without_na(row) for row in merged])


def without_na(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row with None in its empty cells, as `tables.frame` expects."""
    return {str(name): None if pd.isna(value) else value for name, value in row.items()}


def fates(dataset: Dataset, clips: pd.DataFrame) -> dict[str, int]:
    """Return how many rated clips are the `same`, `changed` or `gone` in a new table `clips`.

    Args:
        dataset: the dataset, whose accepted ratings (or if there are none, labels) are used.
        clips: the new table `clips`.
    """
    counts = {"same": 0, "changed": 0, "gone": 0}
    rated = _rated(dataset)
    counts |= Counter(found.verdict for found in anchors.verdicts(rated, clips) if found)
    return counts


def check(counts: dict[str, int]) -> None:
    """Check that a build does not invalidate ratings.

    Raises:
        RatedClipsError: it would; the message gives the counts.
    """
    if counts["changed"] + counts["gone"]:
        raise RatedClipsError(
            f"of {sum(counts.values()):,} rated clips, {counts['changed']:,} would change and "
            f"{counts['gone']:,} would be removed, because of the recipe or an edited video; "
            "nothing was changed. Build with the earlier recipe and videos, or allow it with "
            "drop_rated, on the command line --drop-rated (the answers stay in the table "
            "'ratings', but no longer count)"
        )


def _rated(dataset: Dataset) -> pd.DataFrame:
    for table in (tables.RATINGS, tables.LABELS):
        if dataset.has(table):
            rows = dataset.read(table)
            rows = rows[rows["status"] == "accepted"] if table is tables.RATINGS else rows
            return rows.drop_duplicates("clip_key")
    return tables.empty(tables.LABELS)
