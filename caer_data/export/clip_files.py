"""The media files of the clips of a release that is being made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from caer_data.engine.files import inside


@dataclass(frozen=True)
class ClipFile:
    """Media of one clip: the file, its number of frames, and its hash if known."""

    path: Path
    frames: int
    sha256: str | None = None


class ClipFiles(Mapping[str, ClipFile]):
    """The media of a dataset's clips, by `clip_id`; made when asked for, because there are many.

    Args:
        folder: the dataset.
        clips: `clip_id, path, frames, sha256`.
    """

    def __init__(self, folder: Path, clips: pd.DataFrame) -> None:
        self._folder = folder
        self._place = {clip_id: place for place, clip_id in enumerate(clips["clip_id"])}
        self._columns = [pa.array(clips[name]) for name in ("path", "frames", "sha256")]

    def __getitem__(self, clip_id: str) -> ClipFile:
        place = self._place[clip_id]
        path, frames, sha256 = (column[place].as_py() for column in self._columns)
        return ClipFile(inside(self._folder, path), frames, sha256)

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)
