"""Is this still the clip that was rated? One key tells a clip by what is seen in it.

The key is made of the video's content, the clip's first and last instant, and the target's box in
the frame in its middle: `<16 digits of a hash>-<box>`, the box as x1, y1, x2, y2 in 64ths of the
frame, two digits each, or `none`. `clip_id` numbers shots and clips and may name another clip after
the next build. Labels, answers and deals carry the key of the clip they speak of; `same` decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import pandas as pd

from caer_data.engine import tables
from caer_data.engine.dataset import Dataset

COLUMN: Final = "clip_key"

_SIDES: Final = ["x1", "y1", "x2", "y2"]
_STEPS: Final = 64
_SLACK: Final = 1  # steps by which the last digits of another processor may move a rounded side
_CARRIERS: Final = (tables.ASSIGNMENTS, tables.RATINGS, tables.LABELS)


def keys(clips: pd.DataFrame, videos: pd.DataFrame, faces: pd.DataFrame) -> list[str | None]:
    """Key of each clip, in order; None where the hash of its video is not known.

    Args:
        clips: `clip_id, video_id, track_id, start_frame, end_frame, start_pts, end_pts`.
        videos: `video_id, sha256, width, height` of their videos.
        faces: `tables.FACES` of their targets' tracks, or of more.
    """
    by_video = videos.set_index("video_id")[["sha256", "width", "height"]].to_dict("index")
    boxes = _middle_boxes(clips, faces)
    found: list[str | None] = []
    for clip in clips.itertuples():
        video = by_video.get(clip.video_id, {})
        if pd.isna(video.get("sha256")):
            found.append(None)
            continue
        text = f"{video['sha256']} {clip.start_pts} {clip.end_pts}"
        head = hashlib.sha256(text.encode()).hexdigest()[:16]
        found.append(f"{head}-{_spell(boxes.get(clip.clip_id), video)}")
    return found


def same(one: str, other: str) -> bool:
    """Whether two keys are of the same clip: the same frames, and boxes that differ by rounding."""
    if one == other:
        return True
    (head, box), (other_head, other_box) = one.split("-"), other.split("-")
    if head != other_head or "none" in (box, other_box):
        return False
    pairs = zip(_unspell(box), _unspell(other_box), strict=True)
    return all(abs(a - b) <= _SLACK for a, b in pairs)


def known(clips: pd.DataFrame) -> dict[str, str]:
    """Key by `clip_id`, of rows of any table that have one; the first, where a clip has several."""
    rows = clips.loc[clips[COLUMN].notna(), ["clip_id", COLUMN]].drop_duplicates("clip_id")
    return dict(zip(rows["clip_id"], rows[COLUMN], strict=True))


def changed(rows: pd.DataFrame, now: dict[str, str]) -> pd.Series:
    """Which rows speak of another clip than the one that has their `clip_id` now.

    Rows without a key, and clips without one, come from an earlier version: they do not count.

    Args:
        rows: of any table, with `clip_id` and `clip_key`.
        now: key by `clip_id`, as `known` returns it.
    """
    pairs = zip(rows["clip_id"], rows[COLUMN], strict=True)
    answers = [
        pd.notna(key) and clip_id in now and not same(key, now[clip_id]) for clip_id, key in pairs
    ]
    return pd.Series(answers, index=rows.index, dtype=bool)


def stamp(dataset: Dataset) -> dict[str, str]:
    """Give keys to what was dealt, rated and labelled before there were keys, and to the clips.

    A build calls it before it replaces the tables, while ratings stand on the clips they are of.

    Returns:
        Key of each kept clip of the tables as they are, by `clip_id`.
    """
    if not (dataset.has(tables.CLIPS) and dataset.has(tables.VIDEOS)):
        return {}
    clips = dataset.clips
    clips = clips[clips["status"] == "kept"].copy()
    lacking = clips[COLUMN].isna()
    if lacking.any() and dataset.has(tables.FACES):
        path = dataset.path_of(tables.FACES)
        wanted = clips.loc[lacking, "track_id"].dropna()
        faces = tables.read_some(
            tables.FACES, path, ["track_id", "frame", *_SIDES], track_id=wanted
        )
        clips.loc[lacking, COLUMN] = keys(clips[lacking], dataset.videos, faces)
    now = known(clips)
    for table in _CARRIERS:
        if dataset.has(table):
            rows = dataset.read(table)
            if fill(rows, now):
                dataset.write(table, rows)
    return now


def fill(rows: pd.DataFrame, now: dict[str, str]) -> bool:
    """Give rows without a key that of their clip, in place; returns whether any got one."""
    lacking = rows[COLUMN].isna()
    pairs = zip(rows["clip_id"], rows[COLUMN], lacking, strict=True)
    filled = [now.get(clip_id) if none else key for clip_id, key, none in pairs]
    rows[COLUMN] = pd.Series(filled, index=rows.index, dtype=rows[COLUMN].dtype)
    return bool((lacking & rows[COLUMN].notna()).any())


def moved(clips: pd.DataFrame, assignments: pd.DataFrame) -> pd.Series:
    """Which clips are others than those that were first dealt under their `clip_id`."""
    dealt = known(assignments)
    now = clips[["clip_id", COLUMN]]
    return changed(now, dealt)


def fates(dataset: Dataset, clips: pd.DataFrame) -> dict[str, int]:
    """How many rated clips are there as they were (`same`), `changed`, or `gone`.

    Args:
        dataset: whose accepted ratings, or else labels, count.
        clips: its clips as they are now.
    """
    counts = {"same": 0, "changed": 0, "gone": 0}
    now = known(clips[clips["status"] == "kept"])
    for clip_id, key in _rated(dataset):
        if clip_id not in now:
            counts["gone"] += 1
        else:
            counts["same" if same(key, now[clip_id]) else "changed"] += 1
    return counts


def _rated(dataset: Dataset) -> Iterable[tuple[str, str]]:
    if dataset.has(tables.RATINGS):
        rows = dataset.ratings
        rows = rows[rows["status"] == "accepted"]
    elif dataset.has(tables.LABELS):
        rows = dataset.labels
    else:
        return []
    return known(rows).items()


def _middle_boxes(clips: pd.DataFrame, faces: pd.DataFrame) -> dict[str, list[float]]:
    """Box of each clip's target in the frame nearest to its middle, by `clip_id`."""
    spans = clips[["clip_id", "track_id", "start_frame", "end_frame"]].dropna()
    pairs = spans.merge(faces[["track_id", "frame", *_SIDES]], on="track_id")
    pairs = pairs[(pairs["frame"] >= pairs["start_frame"]) & (pairs["frame"] < pairs["end_frame"])]
    middle = (pairs["start_frame"] + pairs["end_frame"]) // 2
    pairs = pairs.assign(away=(pairs["frame"] - middle).abs())
    nearest = pairs.sort_values(["away", "frame"]).drop_duplicates("clip_id")
    boxes = nearest[_SIDES].astype(float).to_numpy().tolist()
    return dict(zip(nearest["clip_id"], boxes, strict=True))


def _spell(box: list[float] | None, video: dict[str, int]) -> str:
    if box is None:
        return "none"
    sizes = (video["width"], video["height"]) * 2
    shares = (min(max(side / size, 0.0), 1.0) for side, size in zip(box, sizes, strict=True))
    return "".join(f"{round(share * _STEPS):02d}" for share in shares)


def _unspell(box: str) -> list[int]:
    return [int(box[i : i + 2]) for i in range(0, 8, 2)]
