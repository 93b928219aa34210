"""Samples: a few upright frames per second, stored as JPEG by the decode pass for the face stage.

A single decode serves both shot detection, which needs a small picture of every frame, and the face
stage, which needs a few large pictures but only after shots are known. They are stored in a file,
so that memory does not depend on the length of the video; the file is deleted after the face stage.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from caer_data.faces.models.interface import Picture

MAX_SIDE = 1280
"""Maximum long side of samples, px: the input size of the detector `mmod`."""

_QUALITY = 92
_KEPT = 32  # number of pictures kept in memory, each of up to 5 MB


class SampleWriter:
    """Writes samples to a file: call `due` with every frame's time, and `add` if it is True.

    The two may be called from different threads.
    """

    def __init__(self, folder: Path, per_second: float) -> None:
        self._folder = folder
        self._stream: BinaryIO = (folder / "samples.bin").open("wb")
        self._step = Fraction(1) / Fraction(per_second).limit_denominator(1000)
        self._next: Fraction | None = None
        self._index: list[tuple[int, int, int]] = []

    def due(self, time_s: Fraction) -> bool:
        """Whether to sample the frame at this time: the first at or after each step."""
        if self._next is None or time_s >= self._next:
            start = self._next if self._next is not None else time_s
            steps = int((time_s - start) / self._step) + 1
            self._next = start + steps * self._step
            return True
        return False

    def add(self, frame: int, data: bytes) -> None:
        """Write the `encoded` picture of a frame."""
        self._index.append((frame, self._stream.tell(), len(data)))
        self._stream.write(data)

    def close(self) -> None:
        """Close the file and write its index."""
        self._stream.close()
        np.save(self._folder / "samples.npy", np.array(self._index, np.int64).reshape(-1, 3))


def encoded(picture: Picture) -> bytes:
    """Return a picture as JPEG."""
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise ValueError(f"a picture of shape {picture.shape} cannot be written as JPEG")
    return bytes(data)


class Samples:
    """Reads samples: which frames there are, and their pictures.

    The last pictures are cached, because each is used to detect, judge and embed faces. Pictures
    must not be modified.

    Args:
        folder: folder of a `SampleWriter`.
        on_read: called for every picture read, as a sign of life in long shots.
    """

    def __init__(self, folder: Path, on_read: Callable[[], None] = lambda: None) -> None:
        self._on_read = on_read
        self._path = folder / "samples.bin"
        self._index = np.load(folder / "samples.npy", allow_pickle=False)
        self._place = {int(frame): (int(at), int(size)) for frame, at, size in self._index}
        self.frames = self._index[:, 0]
        self.picture = lru_cache(_KEPT)(self._picture)
        """The upright picture of a sampled frame, BGR."""

    def between(self, start: int, end: int) -> list[int]:
        """Return the sampled frames from `start` up to, but not including, `end`."""
        a, b = np.searchsorted(self.frames, (start, end))
        return [int(frame) for frame in self.frames[a:b]]

    def _picture(self, frame: int) -> Picture:
        self._on_read()
        at, size = self._place[frame]
        with self._path.open("rb") as stream:
            stream.seek(at)
            data = np.frombuffer(stream.read(size), np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert picture is not None  # noqa: S101 - we wrote it
        picture.flags.writeable = False
        return np.asarray(picture, np.uint8)
