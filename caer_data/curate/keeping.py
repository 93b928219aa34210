"""What a build keeps of earlier ones: keys of clips, absent videos, and clips that were rated.

An unchanged clip keeps its key even if its `clip_id` changes. Videos that are absent
today stay in the tables as they were, with status `absent`, and so do their clips and files: a disk
may not be mounted, footage archived after rating, or another folder of shows may go into the same
dataset. Rated clips that the recipe or an edited video would drop or change stop the build.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from caer_data.curate.sightings import share
from caer_data.curate.target_boxes import boxes_of_targets
from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.identity import Anchor
from caer_data.engine.ledger import Ledger

LOST: Final = ("clip_changed", "dropped_clip")
"""Reasons of answers that were refused because of what became of their clip."""


class RatedClipsError(CaerError):
    """A build would drop or change clips that were rated, and nobody agreed to that."""


@dataclass(frozen=True)
class Absent:
    """Tables of the videos that are absent today, as the last build left them."""

    videos: pd.DataFrame
    shots: pd.DataFrame
    tracks: pd.DataFrame
    people: pd.DataFrame
    clips: pd.DataFrame
    faces: pa.Table


def middle_anchors(
    clips: pd.DataFrame, video: dict[str, Any], tracks: pd.DataFrame, faces: pd.DataFrame
) -> list[Anchor]:
    """Anchor of each clip of one video, in order.

    The box is the target's in the frame nearest to the clip's middle, as shares of the frame.

    Args:
        clips: rows of `clips`.
        video: row of `videos`, with `sha256, width, height`.
        tracks: its rows of `tracks`, with `person_id`.
        faces: its rows of `faces`.
    """
    return anchored(clips, video, middle_boxes(clips, tracks, faces))


def middle_boxes(
    clips: pd.DataFrame, tracks: pd.DataFrame, faces: pd.DataFrame
) -> dict[str, list[float]]:
    """The target's box nearest to each clip's middle, in pixels; clips may be of many videos."""
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
    """Anchor of each clip of one video, in order, with what `middle_boxes` found."""
    return [
        Anchor(
            video["sha256"],
            int(clip.start_pts),
            int(clip.end_pts),
            int(clip.end_frame - clip.start_frame),
            share(boxes[clip.clip_id], video) if clip.clip_id in boxes else None,
        )
        for clip in tables.rows(clips)
    ]


def mint(clips: pd.DataFrame, found: Sequence[Anchor], ledger: Ledger) -> pd.DataFrame:
    """Some clips with key, video and box: what is written into table `clips`, by its index."""
    keys = ledger.assign(list(clips["clip_id"]), found)
    sides = [column.name for column in tables.BOX]
    columns = anchors.columns_of(found, clips.index)[["video_key", *sides]]
    return columns.assign(clip_key=pd.Series(keys, index=clips.index, dtype=object))


def mint_all(dataset: Dataset, clips: pd.DataFrame, ledger: Ledger) -> pd.DataFrame:
    """Table `clips` with the keys of all kept clips, by the dataset's other tables."""
    clips, kept, tracks = clips.copy(), anchors.present(clips), dataset.tracks
    faces = pq.read_table(dataset.path_of(tables.FACES)) if len(kept) else None
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
    """What the dataset holds of videos that are absent today.

    A video is there if a good file of its content is; it was edited if a good file of its name has
    other content, and is then no more. One that fails today has its clips still.

    Args:
        dataset: as the last build left it.
        rows: of `videos`, as found today.
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
    faces = pq.read_table(dataset.path_of(tables.FACES))
    faces = faces.filter(pc.field("track_id").isin(pa.array(tracks["track_id"], pa.string())))
    return Absent(
        videos[gone].assign(status="absent", reason=None), shots, tracks, people, clips, faces
    )


def contents(dataset: Dataset) -> set[str]:
    """Hashes of the videos that the last build knew."""
    return set(dataset.videos["sha256"].dropna()) if dataset.has(tables.VIDEOS) else set()


def files_of_videos(dataset: Dataset) -> set[tuple[str, str]]:
    """Path and content of the files that the last build took clips from."""
    if not dataset.has(tables.VIDEOS):
        return set()
    videos = dataset.videos
    used = videos[videos["status"].isin(tables.USED)]
    return set(zip(used["path"], used["sha256"], strict=True))


def first_come(dataset: Dataset, clips: pd.DataFrame) -> tuple[set[str], set[str]]:
    """Keys of clips that others give way to: those with answers, and those the last build kept.

    Args:
        dataset: as the last build left it.
        clips: table `clips` as it will be, with keys.
    """
    found = anchors.verdicts(_rated(dataset), clips)
    rated = {match.key for match in found if match is not None and match.verdict == "same"}
    earlier = dataset.clips if dataset.has(tables.CLIPS) else tables.empty(tables.CLIPS)
    return {key for key in rated if key}, set(anchors.present(earlier)["clip_key"])


def with_absent(rows: Sequence[dict[str, Any]], absent: Absent) -> pd.DataFrame:
    """Table `videos`: today's rows, then absent ones; what failed keeps what was known of it."""
    known = {row["video_id"]: row for row in tables.records(absent.videos)}
    merged = []
    for row in rows:
        earlier = known.pop(row["video_id"], None)
        values = {"status": row["status"], "reason": row.get("reason")}
        merged.append(row if earlier is None else earlier | values)
    merged += known.values()
    return tables.frame(tables.VIDEOS, [without_na(row) for row in merged])


def without_na(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row with None in its empty cells, as `tables.frame` takes it."""
    return {str(name): None if pd.isna(value) else value for name, value in row.items()}


def fates(dataset: Dataset, clips: pd.DataFrame) -> dict[str, int]:
    """How many clips with answers that count are the `same` in other tables, `changed` or `gone`.

    Args:
        dataset: whose accepted ratings, or else labels, count.
        clips: table `clips` as it will be.
    """
    counts = {"same": 0, "changed": 0, "gone": 0}
    rated = _rated(dataset)
    counts |= Counter(found.verdict for found in anchors.verdicts(rated, clips) if found)
    return counts


def check(counts: dict[str, int]) -> None:
    """Stop a build that would take ratings away.

    Raises:
        RatedClipsError: it would, with the counts.
    """
    if counts["changed"] + counts["gone"]:
        raise RatedClipsError(
            f"of {sum(counts.values()):,} rated clips {counts['changed']:,} would change and "
            f"{counts['gone']:,} would go, because of the recipe or an edited video; nothing was "
            "changed: build with the earlier recipe and videos, or allow it by drop_rated, on the "
            "command line --drop-rated (the answers stay in the table 'ratings', but do not count)"
        )


def _rated(dataset: Dataset) -> pd.DataFrame:
    for table in (tables.RATINGS, tables.LABELS):
        if dataset.has(table):
            rows = dataset.read(table)
            rows = rows[rows["status"] == "accepted"] if table is tables.RATINGS else rows
            return rows.drop_duplicates("clip_key")
    return tables.empty(tables.LABELS)
