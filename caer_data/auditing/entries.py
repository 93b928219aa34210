"""Entries of an audited dataset: one row per clip or picture, in our words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

SPLIT_OF: Final = {
    "train": "train", "training": "train", "trn": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "development": "validation",
    "test": "test", "testing": "test", "tst": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
"""Our name of a split by names that others use."""

EMOTION_OF: Final = {
    "anger": "anger", "angry": "anger", "disgust": "disgust", "disgusted": "disgust",
    "fear": "fear", "fearful": "fear", "afraid": "fear",
    "happy": "happy", "happiness": "happy", "joy": "happy", "neutral": "neutral",
    "sad": "sad", "sadness": "sad", "surprise": "surprise", "surprised": "surprise",
}  # fmt: skip
"""Our name of an emotion by names that others use."""

COLUMNS: Final = (
    "clip_id", "path", "member", "kind", "split", "label", "show", "video_id", "person_id",
    "shot_id", "start_s", "end_s", "y1", "y2",
)  # fmt: skip
"""Columns of an entry: its name; its file, and the row or picture in it; its kind (`picture`,
`video`, `frames` for a folder of pictures, or `none`); our split; the class as given; facts from
tables; its box in px."""


@dataclass
class Recognised:
    """A dataset whose layout was recognised.

    Attributes:
        layout: description of the layout.
        entries: frame of `COLUMNS`; `split` is empty if there is none.
        notes: remarks for the user on how it was read.
    """

    layout: str
    entries: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return entries from rows; missing cells are empty."""
    made = pd.DataFrame(list(rows), dtype=object)
    made = made.reindex(columns=list(COLUMNS)).astype(object)
    made = made.where(made.notna(), None)
    for name in ("start_s", "end_s", "y1", "y2"):
        made[name] = pd.to_numeric(made[name], errors="coerce").astype(float)
    return made


def split_of(word: str) -> str | None:
    """Return our name of a split called `val` or `train-00000-of-00002`, for example."""
    plain = word.lower()
    for end in ("_splits", "_split", "_set", "_data"):
        plain = plain.removesuffix(end)
    return SPLIT_OF.get(plain) or SPLIT_OF.get(plain.replace("_", "-").split("-")[0])


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun, such as `1 entry` or `2,000 entries`."""
    return f"{number:,} {one if number == 1 else many}"


def emotion_of(word: Any) -> str | None:
    """Return our emotion for another dataset's word; None if it is not one of the seven."""
    return EMOTION_OF.get(str(word).strip().lower())
