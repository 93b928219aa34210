"""Make all files and hashes of one clip for a release, reading and decoding its file once."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.bitstream import BitStreamFilterContext

from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path, explain_os_error
from caer_data.export import png
from caer_data.export.frames import pixels, sharpness

HASHED_AT: Final = (1 / 8, 3 / 8, 5 / 8, 7 / 8)
"""Positions in a clip, as shares of its length, whose frames get a perceptual hash."""

_BEATS: Final = (60, 120, 240, 1000)
"""Maximum clock rates, in beats per second, of an AVI with uneven frame durations."""

_NEAR_S: Final = 0.01
"""Maximum timing error of a picture in such an AVI, in seconds."""

_FLAT: Final = 6.0
"""Minimum standard deviation of brightness (of 255) for a picture to be compared."""


class Picture(NamedTuple):
    """A PNG to be made from the sharpest frame of a stretch of the clip."""

    path: str
    from_frame: int
    to_frame: int


@dataclass(frozen=True)
class Work:
    """Task for one clip.

    Attributes:
        clip_id: the clip.
        source: its media file.
        sha256: expected hash of the file; None if any file is accepted.
        frames: expected number of frames.
        root: the unfinished release; paths are relative to it.
        copies: files to write with the clip's streams unchanged, in the container given by the
            suffix.
        pictures: pictures to choose and write.
        boxes: `frame, x1, y1, x2, y2` of the target in pixels of the clip; shape (n, 5).
        hash_frames: whether to hash all decoded pictures, and some of them perceptually.
        write: whether to write the files; otherwise they are only hashed and chosen.
    """

    clip_id: str
    source: Path
    sha256: str | None
    frames: int
    root: Path
    copies: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    boxes: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 5), np.float32))
    hash_frames: bool = True
    write: bool = True


@dataclass
class _Best:
    score: float
    index: int
    frame: Any


def make(work: Work) -> dict[str, Any]:
    """Process one clip.

    Returns:
        `clip_id`, `sha256` and `bytes` of its file, `framehash` (SHA-256 over the planes of all
        pictures), `perceptual_hash`, and `files`: for each path its `sha256, bytes` if written
        and, for a picture, `frame, x1, y1, x2, y2, framehash, perceptual_hash`. All values are
        JSON-serialisable.

    Raises:
        CaerError: the clip's file is missing, changed or damaged, or the disk is full.
    """
    data, sha256 = _read(work)
    files: dict[str, dict[str, Any]] = {}
    if work.write:
        for relative in work.copies:
            files[relative] = _save(work.root / relative, _contained(data, relative))
    faces = {int(row[0]): row[1:] for row in work.boxes}
    wanted = _candidates(work.pictures, faces)
    indices = {int(share * work.frames) for share in HASHED_AT if work.hash_frames}
    best: dict[int, _Best] = {}
    hashes: list[str] = []
    digest = hashlib.sha256()
    count = 0
    for index, frame in enumerate(_decoded(work, data)):
        count += 1
        luma = plane(frame, 0)
        for number in range(3 if work.hash_frames else 0):
            digest.update(plane(frame, number).tobytes())
        if index in indices:
            hashes.append(perceptual_hash(luma))
        if index in wanted:
            score = sharpness(luma, faces[index])
            for position in wanted[index]:
                if position not in best or score > best[position].score:
                    best[position] = _Best(score, index, frame)
    if count != work.frames:
        raise CaerError(
            f"{work.source}: has {count} frames instead of {work.frames}; "
            "run 'caer-data build' again"
        )
    for position, found in sorted(best.items()):
        relative = work.pictures[position].path
        files[relative] = _picture(work, relative, found, faces[found.index])
    return {
        "clip_id": work.clip_id,
        "sha256": sha256,
        "bytes": len(data),
        "framehash": digest.hexdigest() if work.hash_frames else None,
        "perceptual_hash": " ".join(filter(None, hashes)) or None,
        "files": files,
    }


def _candidates(pictures: tuple[Picture, ...], faces: dict[int, Any]) -> dict[int, list[int]]:
    """Return for each frame with a box the indices of pictures that may be made from it."""
    wanted: dict[int, list[int]] = {}
    for position, picture in enumerate(pictures):
        for index in range(picture.from_frame, picture.to_frame):
            if index in faces:
                wanted.setdefault(index, []).append(position)
    return wanted


def plane(frame: Any, number: int) -> npt.NDArray[np.uint8]:
    """Return a view of one plane of a decoded 8-bit frame, without padding."""
    stored = frame.planes[number]
    rows = np.frombuffer(stored, np.uint8).reshape(stored.height, stored.line_size)
    return rows[:, : stored.width]


def perceptual_hash(luma: npt.NDArray[np.uint8]) -> str:
    """Return the 64-bit pHash in hexadecimal; empty if the picture has almost no contrast."""
    import imagehash
    from PIL import Image

    # pHash uses 32x32 pixels; averaging whole blocks is the fastest way to shrink the picture
    block = max(1, min(luma.shape) // 64)
    height, width = (side // block for side in luma.shape)
    whole = luma[: height * block, : width * block]
    small = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    if small.std() < _FLAT:
        return ""
    return str(imagehash.phash(Image.fromarray(small)))


def _read(work: Work) -> tuple[bytes, str]:
    try:
        data = work.source.read_bytes()
    except FileNotFoundError as error:
        raise CaerError(f"{work.source}: missing; run 'caer-data build' again") from error
    except OSError as error:
        raise CaerError(explain_os_error(error, work.source)) from error
    sha256 = hashlib.sha256(data).hexdigest()
    if work.sha256 not in (None, sha256):
        raise CaerError(
            f"{work.source}: changed since it was built; run 'caer-data build' to recreate it"
        )
    return data, sha256


def _decoded(work: Work, data: bytes) -> Iterator[Any]:
    try:
        with av.open(io.BytesIO(data), "r", format="mp4") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # clips are decoded in parallel
            for frame in container.decode(stream):
                yield frame if frame.format.name == "yuv420p" else frame.reformat(format="yuv420p")
    except (av.FFmpegError, IndexError) as error:
        raise CaerError(
            f"{work.source}: cannot be decoded ({error}); run 'caer-data build' again"
        ) from error


def _picture(work: Work, relative: str, best: _Best, box: npt.NDArray[Any]) -> dict[str, Any]:
    rgb = best.frame.to_ndarray(format="rgb24")
    x1, y1, x2, y2 = pixels(box, rgb.shape[1], rgb.shape[0])
    result: dict[str, Any] = {
        "frame": best.index,
        "framehash": hashlib.sha256(rgb.tobytes()).hexdigest(),
        "perceptual_hash": perceptual_hash(plane(best.frame, 0)) or None,
        "x1": x1, "y1": y1, "x2": x2, "y2": y2,
    }  # fmt: skip
    if work.write:
        result |= _save(work.root / relative, png.encode(rgb))
    return result


def _save(path: Path, data: bytes) -> dict[str, Any]:
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _contained(data: bytes, name: str) -> bytes:
    """Return the clip in the container of a file name; streams are copied, not re-encoded."""
    suffix = Path(name).suffix
    if suffix == ".mp4":
        return data
    target = io.BytesIO()
    # sound in mp4 begins before 0; moved to 0, all pictures but the first would be a beat late
    options = {"fflags": "+bitexact", "avoid_negative_ts": "disabled"}
    with (
        av.open(io.BytesIO(data), "r", format="mp4") as source,
        av.open(target, "w", format=suffix[1:], options=options) as output,
    ):
        streams = {s.index: output.add_stream_from_template(s) for s in source.streams}
        # H.264 has start codes in AVI but lengths in mp4; the coded pictures are unchanged
        video = source.streams.video[0]
        start_codes = BitStreamFilterContext("h264_mp4toannexb", video)
        header = streams[video.index].codec_context
        header.extradata = with_start_codes(header.extradata or b"")
        if video.average_rate is None:
            raise CaerError(f"{name}: the clip has no frame rate; run 'caer-data build' again")
        beat = Beat.of([packet.pts for packet in _packets(data)], video)
        streams[video.index].time_base = beat.length  # AVI times are multiples of its own clock
        taken = iter(beat.positions)
        for packet in source.demux():
            is_video, target_stream = packet.stream is video, streams[packet.stream.index]
            if packet.dts is None:
                continue
            for part in start_codes.filter(packet) if is_video else [packet]:
                part.stream = target_stream
                if is_video:
                    part.pts = part.dts = next(taken)
                    part.duration, part.time_base = 1, beat.length
                output.mux(part)
    return target.getvalue()


def _packets(data: bytes) -> list[Any]:
    """Return the packets of a clip."""
    with av.open(io.BytesIO(data), "r", format="mp4") as source:
        return [packet for packet in source.demux(video=0) if packet.size]


@dataclass(frozen=True)
class Beat:
    """Presentation times of a clip's pictures on the regular clock of an AVI.

    AVI has no presentation timestamps. Pictures are shown one per beat as they leave the decoder.
    If one stays for several beats, the other beats are empty.

    Attributes:
        length: length of a beat, in s.
        positions: beat of each picture in presentation order; strictly increasing.
    """

    length: Fraction
    positions: tuple[int, ...]

    @classmethod
    def of(cls, pts: list[int], video: Any) -> Beat:
        """Return the slowest clock on which every picture has its own beat close to its time.

        Args:
            pts: timestamps of the pictures, in the time base of `video`.
            video: the stream.
        """
        times = [(n - min(pts)) * video.time_base for n in sorted(pts)]
        finest = [Fraction(1, rate) for rate in _BEATS]
        for length in [1 / Fraction(video.average_rate), *finest]:
            indices = tuple(round(time / length) for time in times)
            near = all(
                abs(at * length - time) <= _NEAR_S for at, time in zip(indices, times, strict=True)
            )
            if near and all(a < b for a, b in itertools.pairwise(indices)):
                return cls(length, indices)
        return cls(video.time_base, tuple(int(time / video.time_base) for time in times))


def with_start_codes(avcc: bytes) -> bytes:
    """Return the parameter sets of an H.264 decoder configuration record with start codes.

    According to ISO/IEC 14496-15, section 5.3.3.1, the record has six bytes, the last with the
    number of sequence parameter sets, then each set after its length in two bytes, then the same
    for picture parameter sets.
    """
    found, index = b"", 5
    for mask in (0x1F, 0xFF):
        if index >= len(avcc):
            return b""
        count, index = avcc[index] & mask, index + 1
        for _ in range(count):
            length = int.from_bytes(avcc[index : index + 2], "big")
            found += b"\0\0\0\1" + avcc[index + 2 : index + 2 + length]
            index += 2 + length
    return found
