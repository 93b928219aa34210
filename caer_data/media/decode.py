"""Exact frames of a video in presentation order; one decode serves all stages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from caer_data.engine.errors import CaerError
from caer_data.media.frame import DecodedFrame, Picture
from caer_data.media.packets import (
    Damage,
    Given,
    Steps,
    Tears,
    decoded,
    packets_of,
    promised,
)
from caer_data.media.probe import VideoInfo, open_container, pixel_aspect
from caer_data.media.retime import TURN_S, Retimer

THREADS: Final = 6
"""Threads of one decoder; six of them keep two cores busy."""
_MOST_THREADS: Final = 16
"""Maximum number of threads of one decoder, as FFmpeg recommends."""


def threads_for(cores: int) -> int:
    """Return the number of decoder threads for a video that may use this many cores.

    The frames of undamaged files are the same for any number.
    """
    return max(THREADS, min(_MOST_THREADS, cores))


@dataclass(frozen=True)
class Received:
    """A frame as decoded, with its pixel aspect ratio if that differs from the first frame's."""

    frame: Any
    pts: int | None
    dts: int | None
    aspect: Fraction | None = None
    duration: int | None = None


@dataclass
class VideoReader:
    """Iterates over the frames of a video, each exactly once, from the first to the last.

    Damaged packets are skipped and counted in `damage`. Frames whose timestamps are missing or do
    not rise are retimed, never dropped (see `retime`).

    Args:
        path: the file.
        info: its properties.
        threads: number of decoder threads.
        for_analysis: whether to skip the loop filter of frames that no other frame is predicted
            from (FFmpeg's `skip_loop_filter`). This saves a tenth of the work, and scaled-down
            pictures are almost equal.

    Attributes:
        damage: damage found so far; complete after the iteration.
        interlaced: number of frames that are flagged as two fields.
        reshaped: whether the size or aspect ratio of the pictures changed within the file.

    Raises:
        CaerError: the file can no longer be opened.
    """

    path: Path
    info: VideoInfo
    threads: int = THREADS
    for_analysis: bool = False
    damage: Damage = field(default_factory=Damage)
    interlaced: int = 0
    reshaped: bool = False
    _torn: set[int | None] = field(default_factory=set, repr=False)

    def __iter__(self) -> Iterator[DecodedFrame]:
        self.damage, self.interlaced, self.reshaped = Damage(), 0, False
        self._torn = set()
        spoilt, last = False, None
        nominal = max(1, round(1 / (self.info.fps * self.info.time_base)))
        steps = Steps(nominal)
        retimer = Retimer(nominal, int(TURN_S / self.info.time_base), self.info.start_pts)
        for index, timed in enumerate(retimer.times(self._raw_frames())):
            raw, aspect = timed.raw.frame, timed.raw.aspect
            self._note(raw, aspect)
            # frames predicted from a repaired one inherit its faults, up to the next key frame
            before = spoilt
            spoilt = (spoilt and not raw.key_frame) or raw.is_corrupt or timed.stamp in self._torn
            self.damage.corrupt_frames += spoilt
            if last is not None:  # whole frames may be missing, too
                steps.add(timed.pts - last, beside_damage=before or spoilt)
            last = timed.pts
            step = raw.duration or nominal
            yield DecodedFrame(index, timed.pts, step, raw, self.info, timed.stamp, aspect)
            self.damage.restarts, self.damage.retimed = retimer.restarts, retimer.retimed
        if missing := steps.missing(torn=bool(self._torn)):
            self.damage.miss(missing, steps.frames)

    def _note(self, raw: Any, aspect: Fraction | None) -> None:
        self.interlaced += bool(raw.interlaced_frame)
        stored = self.info.stored_width, self.info.stored_height
        self.reshaped = self.reshaped or aspect is not None or (raw.width, raw.height) != stored

    def _raw_frames(self) -> Iterator[Received]:
        with open_container(self.path, self.info.max_pixels) as container:
            stream = container.streams[self.info.stream_index]
            context = stream.codec_context
            context.thread_type = "AUTO"
            context.thread_count = self.threads
            quick = {"skip_loop_filter": "noref"} if self.for_analysis else {}
            context.options = {"max_pixels": str(self.info.max_pixels), **quick}
            given = Given(self.info.codec, promised(container, stream))
            received, first, aspect, tears = 0, None, Fraction(1), Tears(self._torn)
            for packet in packets_of(container, stream, self.damage):
                given.count(packet)
                tears.look_at(packet)
                for raw in decoded(context, packet, self.damage):
                    received += 1
                    # the decoder reports a change before the key frame at which it takes effect
                    if first is None or raw.key_frame:
                        aspect = pixel_aspect(context.sample_aspect_ratio)
                    first = first or aspect
                    changed = None if aspect == first else aspect
                    yield Received(raw, raw.pts, raw.dts, changed, raw.duration)
            self.damage.frames_given = given.frames
            self.damage.frames_lost = given.lost(received)
            self.damage.headless = given.headless(received)


def frames(
    path: Path, info: VideoInfo, threads: int = THREADS, *, for_analysis: bool = False
) -> VideoReader:
    """Return a reader of a video's frames; see `VideoReader` for the arguments.

    What can be recovered from a damaged file depends slightly on the number of threads. Where equal
    input must give equal output, it must not depend on the number of cores.
    """
    return VideoReader(path, info, threads, for_analysis)


def read_frames(path: Path, info: VideoInfo, wanted: Sequence[int]) -> dict[int, Picture]:
    """Return the full displayed pictures (BGR, upright) of some frames, by frame index.

    Decodes from the start to the last requested frame, so that an index means the same frame as in
    `frames`, regardless of the file's own index.

    Raises:
        CaerError: the video has fewer frames.
    """
    missing = set(wanted)
    found: dict[int, Picture] = {}
    if missing:
        for frame in frames(path, info):
            if frame.index in missing:
                found[frame.index] = frame.picture()
                missing.discard(frame.index)
                if not missing:
                    break
    if missing:
        raise CaerError(f"{path}: has no frame {min(missing)}")
    return found
