"""Pictures or videos in folders: by split and class, by class only, or in any structure.

CAER and CAER-S as released are `{train,validation,test}/{Anger,...}/file`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import Any

from caer_data.auditing.entries import Recognised, counted, emotion_of, frame, split_of
from caer_data.auditing.walk import PICTURES, VIDEOS, Files
from caer_data.engine.emotions import EMOTIONS

_HIGH = 3  # depth of folders that are searched for split names


def read(files: Files) -> Recognised | None:
    """Return media with splits and classes from their folders; None if there are no media."""
    rows = [row for path in files.sizes if (row := _row(path))]
    if not rows:
        return None
    beside = [row for row in rows if row["split"] is None]
    notes = []
    if 0 < len(beside) < len(rows):
        rows = [row for row in rows if row["split"] is not None]
        notes.append(
            counted(len(beside), "media file was", "media files were")
            + " outside the splits and ignored"
        )
    return Recognised(_layout(rows), frame(rows), notes)


def _row(path: str) -> dict[str, Any] | None:
    suffix = PurePosixPath(path).suffix.lower()
    if suffix not in (*PICTURES, *VIDEOS):
        return None
    above = path.split("/")[:-1]
    split, at = next(
        ((s, n) for n, part in enumerate(above[:_HIGH]) if (s := split_of(part))), (None, -1)
    )
    below = above[at + 1 :]
    return {
        "clip_id": path,
        "path": path,
        "kind": "picture" if suffix in PICTURES else "video",
        "split": split,
        "label": below[-1] if below else None,
    }


def _layout(rows: list[dict[str, Any]]) -> str:
    kinds = Counter(row["kind"] for row in rows)
    what = "pictures" if kinds["picture"] >= kinds["video"] else "videos"
    labels = {emotion_of(row["label"]) for row in rows if row["label"] is not None}
    if rows[0]["split"] is None:
        return f"folders of {what}, without splits"
    if labels == set(EMOTIONS):
        return "CAER-S as released" if what == "pictures" else "CAER as released"
    return f"{what} in folders by split" + (" and class" if labels else "")
