"""What is audited: one row per clip or picture, and how words of others are ours."""

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
"""Our name of a split, by what others call it."""

EMOTION_OF: Final = {
    "anger": "anger", "angry": "anger", "disgust": "disgust", "disgusted": "disgust",
    "fear": "fear", "fearful": "fear", "afraid": "fear",
    "happy": "happy", "happiness": "happy", "joy": "happy", "neutral": "neutral",
    "sad": "sad", "sadness": "sad", "surprise": "surprise", "surprised": "surprise",
}  # fmt: skip
"""Our name of an emotion, by what others call it."""

COLUMNS: Final = (
    "clip_id", "path", "member", "kind", "split", "label", "show", "video_id", "person_id",
    "shot_id", "start_s", "end_s", "y1", "y2",
)  # fmt: skip
"""Of an entry: its name; the file, and row or picture in it; `picture`, `video`, `frames` (a folder
of pictures) or `none`; our split; the class as given; what tables say of it; its box, px."""


@dataclass
class Recognised:
    """A dataset as it was read.

    Attributes:
        layout: what it was recognised as, for people.
        entries: frame of `COLUMNS`; `split` is empty if there is none.
        notes: what people should know about how it was read.
    """

    layout: str
    entries: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Entries from rows; what a row does not give is empty."""
    made = pd.DataFrame(list(rows), dtype=object)
    made = made.reindex(columns=list(COLUMNS)).astype(object)
    made = made.where(made.notna(), None)
    for name in ("start_s", "end_s", "y1", "y2"):
        made[name] = pd.to_numeric(made[name], errors="coerce").astype(float)
    return made


def split_of(word: str) -> str | None:
    """Our name of a split that others call `val` or `train-00000-of-00002`, for example."""
    plain = word.lower()
    for end in ("_splits", "_split", "_set", "_data"):
        plain = plain.removesuffix(end)
    return SPLIT_OF.get(plain) or SPLIT_OF.get(plain.replace("_", "-").split("-")[0])


def emotion_of(word: Any) -> str | None:
    """Our emotion of a word of others; None if it is none of the seven."""
    return EMOTION_OF.get(str(word).strip().lower())
