"""Fingerprint the picture and sound of one entry of an audited dataset, in a separate process."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.auditing.walk import PICTURES
from caer_data.engine.errors import CaerError
from caer_data.engine.files import sha256_of
from caer_data.export.media import HASHED_AT, perceptual_hash
from caer_data.media import fingerprints, sound_prints
from caer_data.media.decode import frames
from caer_data.media.frame import Picture
from caer_data.media.matching import Strip
from caer_data.media.probe import probe

if TYPE_CHECKING:
    from caer_data.engine.worker import Progress

MAX_BYTES: Final = 256 << 20
"""Maximum size in bytes of a picture, or of media inside a table."""

_MAX_PIXELS: Final = 64_000_000
_FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP")
_SMALL: Final = 512  # px; a JPEG may be decoded at a smaller size, but not below this
_REPORT: Final = 64  # progress is reported after this many pictures


@dataclass(frozen=True)
class Item:
    """One entry to inspect.

    Attributes:
        kind: `picture`, `video` or `frames`.
        path: the file, or the folder of frames.
        data: the file's content, if it is inside a table.
        most: maximum number of pictures kept from it.
    """

    kind: str
    path: Path
    data: bytes | None = None
    most: int = 4800


@dataclass(frozen=True)
class Look:
    """Measurements of an entry's picture and sound.

    Attributes:
        sha256: hash of the file; empty for folders of frames.
        height: height of the picture, px.
        seconds: length; 0 for a picture.
        strip: its fingerprints.
        hashes: perceptual hashes of some pictures, joined by spaces; None if all lack contrast.
    """

    sha256: str
    height: int
    seconds: float
    strip: Strip
    hashes: str | None


def look(item: Item, progress: Progress) -> Look:
    """Return the measurements of one entry.

    Raises:
        CaerError: it cannot be read.
    """
    if item.kind == "picture":
        return _picture(item)
    if item.kind == "frames":
        return _frames(item, progress)
    if item.data is None:
        return _video(item.path, sha256_of(item.path), item.most, progress)
    with tempfile.TemporaryDirectory(prefix="caer-data-") as folder:
        path = Path(folder) / "clip"
        path.write_bytes(item.data)
        return _video(path, hashlib.sha256(item.data).hexdigest(), item.most, progress)


def open_picture(path: Path, data: bytes | None = None, smallest: int = _SMALL) -> Any:
    """Return a Pillow image of at most `_MAX_PIXELS`; a JPEG may be decoded at a smaller size.

    Raises:
        CaerError: it is not a picture, or too large.
    """
    from PIL import Image

    try:
        picture = Image.open(
            io.BytesIO(data if data is not None else content(path)), formats=_FORMATS
        )
        if picture.width * picture.height > _MAX_PIXELS:
            raise CaerError(f"{path}: has more than {_MAX_PIXELS:,} pixels")
        picture.draft("RGB", (smallest, smallest))
        picture.load()
    except (
        OSError,
        ValueError,
        SyntaxError,
        ArithmeticError,
        Image.DecompressionBombError,
    ) as error:
        raise CaerError(f"{path}: not a readable picture ({error})") from error
    return picture


def content(path: Path) -> bytes:
    """Return the content of a picture's file; links are not followed.

    Raises:
        CaerError: it is too large.
        OSError: it cannot be read.
    """
    opened = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(opened, "rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise CaerError(f"{path}: larger than {MAX_BYTES >> 20} MB")
    return data


def _picture(item: Item) -> Look:
    try:
        data = item.data if item.data is not None else content(item.path)
    except OSError as error:
        raise CaerError(f"{item.path}: cannot be read ({error.strerror})") from error
    shown = open_picture(item.path, data)
    grey = np.asarray(shown.convert("L"), np.uint8)
    strip = of_picture(grey)
    height = _full_height(data)
    return Look(hashlib.sha256(data).hexdigest(), height, 0.0, strip, perceptual_hash(grey) or None)


def of_picture(grey: Picture) -> Strip:
    """Return the fingerprints of a single grey picture."""
    pictures, detailed = fingerprints.of_pictures([grey])
    return Strip(np.zeros(1), pictures, np.zeros(0, np.uint32), np.zeros(1), detailed)


def _full_height(data: bytes) -> int:
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
        return int(picture.height)


def _frames(item: Item, progress: Progress) -> Look:
    names = sorted(
        (name for name in _names(item.path) if Path(name).suffix.lower() in PICTURES),
        key=lambda name: [
            int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", name)
        ],
    )
    chosen = names[:: max(1, -(-len(names) // item.most))]
    greys, height = list[Picture](), 0
    for number, name in enumerate(chosen):
        shown = open_picture(item.path / name)
        height = height or shown.height
        greys.append(
            cv2.resize(
                np.asarray(shown.convert("L")), fingerprints.GRID, interpolation=cv2.INTER_AREA
            )
        )
        if number % _REPORT == 0:
            progress("look", 0.0)
    if not greys:
        raise CaerError(f"{item.path}: contains no pictures")
    times = np.arange(len(greys)) / fingerprints.RATE
    strip = Strip(times, fingerprints.of_pictures(greys)[0], np.zeros(0, np.uint32))
    return Look("", height, len(greys) / fingerprints.RATE, strip, _hashes(greys))


def _video(path: Path, sha256: str, most: int, progress: Progress) -> Look:
    info = probe(path)
    writer = fingerprints.Writer(info.time_base)
    greys: list[Picture] = []
    first = last = None
    due = 0.0
    for frame in frames(path, info, for_analysis=True):
        first = frame.pts if first is None else first
        last = frame.pts
        writer.push(frame)
        if (frame.pts - first) * float(info.time_base) >= due:
            greys.append(frame.luma(*fingerprints.GRID))
            due += 1 / fingerprints.RATE
            if len(greys) % _REPORT == 0:
                progress("look", 0.0)
        if len(greys) >= most:
            break
    pts, pictures, _ = writer.finish()
    if first is None or last is None or not len(pts):
        raise CaerError(f"{path}: shows no picture")
    times = ((pts - first) * float(info.time_base)).astype(np.float64)
    sound = sound_prints.sound_prints(path, info)
    heard = sound[: int((times[-1] + 1) * sound_prints.RATE) + 1]
    seconds = (last - first) * float(info.time_base) + 1 / fingerprints.RATE
    stills, detailed = writer.details()
    strip = Strip(times, pictures, heard, times[stills], detailed)
    return Look(sha256, info.height, seconds, strip, _hashes(greys))


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_file() and not path.is_symlink()]


def _hashes(greys: list[Picture]) -> str | None:
    indices = dict.fromkeys(int(share * len(greys)) for share in HASHED_AT)
    return " ".join(filter(None, (perceptual_hash(greys[at]) for at in indices))) or None


def shown(item: Item, second: float, box: tuple[int, int], progress: Progress) -> bytes:
    """Return a picture of an entry as a JPEG that fits into a box of pixels.

    Raises:
        CaerError: it cannot be read.
    """
    picture = bgr(item, second)
    scale = min(box[0] / picture.shape[1], box[1] / picture.shape[0], 1.0)
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 78])
    if not done:
        raise CaerError(f"{item.path}: cannot be shown")
    return bytes(data.tobytes())


def bgr(item: Item, second: float, largest: int = 1280) -> npt.NDArray[np.uint8]:
    """Return the picture of an entry at a time, BGR.

    Raises:
        CaerError: it cannot be read.
    """
    if item.kind == "picture":
        rgb = np.asarray(open_picture(item.path, item.data, largest).convert("RGB"), np.uint8)
        return np.ascontiguousarray(rgb[:, :, ::-1])
    if item.kind == "frames":
        names = sorted(n for n in _names(item.path) if Path(n).suffix.lower() in PICTURES)
        at = min(len(names) - 1, int(second * fingerprints.RATE))
        return bgr(Item("picture", item.path / names[at]), 0.0, largest)
    if item.data is not None:
        with tempfile.TemporaryDirectory(prefix="caer-data-") as folder:
            path = Path(folder) / "clip"
            path.write_bytes(item.data)
            return _frame(path, second, largest)
    return _frame(item.path, second, largest)


def _frame(path: Path, second: float, largest: int) -> npt.NDArray[np.uint8]:
    info = probe(path)
    found = None
    first = None
    for frame in frames(path, info):
        first = frame.pts if first is None else first
        found = frame
        if (frame.pts - first) * float(info.time_base) >= second:
            break
    if found is None:
        raise CaerError(f"{path}: shows no picture")
    return np.asarray(found.picture(largest), np.uint8)
