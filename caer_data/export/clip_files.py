"""The media files of the clips of a release that is being made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
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
        self._paths, self._sha256s = (pa.array(clips[name]) for name in ("path", "sha256"))
        self._frames = clips["frames"].to_numpy(np.int64)

    def __getitem__(self, clip_id: str) -> ClipFile:
        place = self._place[clip_id]
        path = inside(self._folder, self._paths[place].as_py())
        return ClipFile(path, int(self._frames[place]), self._sha256s[place].as_py())

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)
