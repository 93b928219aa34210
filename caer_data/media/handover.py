"""Piping decoded frames to ffmpeg, for clips that cannot be cut by timestamp."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from fractions import Fraction

import av
import numpy as np

from caer_data.media.clip_command import Source
from caer_data.media.decode import frames
from caer_data.media.frame import DecodedFrame
from caer_data.media.frame_rate import Clock, Span

_TOLD_EVERY = 500  # frames


class Feed:
    """Provides the frames of clips, one clip at a time, in as few decodes as their order allows.

    It decodes with one thread, as the analysis of damaged videos does, so that frame numbers mean
    the same frames.

    Args:
        source: the video.
        on_try: called as a sign of life.
    """

    def __init__(self, source: Source, on_try: Callable[[], None]) -> None:
        self._source = source
        self._on_try = on_try
        self._reader: Iterator[DecodedFrame] = iter(())
        self._next = 0
        self._begun = False

    def pictures(self, span: Span) -> Iterator[bytes]:
        """Yield the bytes of a clip for ffmpeg: raw pictures, or NUT if unevenly spaced."""
        if span.even:
            return (np.ascontiguousarray(f.picture()).tobytes() for f in self._frames(span))
        return self._with_times(span)

    def _frames(self, span: Span) -> Iterator[DecodedFrame]:
        if not self._begun or span.start_frame < self._next:
            self._reader = iter(frames(self._source.path, self._source.info, threads=1))
            self._begun, self._next = True, 0
        while self._next < span.end_frame:
            frame = next(self._reader, None)
            if frame is None:
                return
            self._next = frame.index + 1
            if frame.index % _TOLD_EVERY == 0:
                self._on_try()
            if frame.index >= span.start_frame:
                yield frame

    def _with_times(self, span: Span) -> Iterator[bytes]:
        info, clock = self._source.info, Clock(span, self._source.info.time_base)
        pipe = _Pipe()
        with av.open(pipe, "w", format="nut", options={"fflags": "+bitexact"}) as container:
            stream = container.add_stream("rawvideo", rate=Fraction(span.rate))
            stream.width, stream.height, stream.pix_fmt = info.width, info.height, "bgr24"
            stream.time_base = stream.codec_context.time_base = Clock.unit
            for frame in self._frames(span):
                picture = av.VideoFrame.from_ndarray(frame.picture(), format="bgr24")
                picture.pts, picture.time_base = clock.time(frame.pts), Clock.unit
                container.mux(stream.encode(picture))
                yield pipe.taken()
            container.mux(stream.encode())
        yield pipe.taken()


class _Pipe(io.RawIOBase):
    """File object that collects the bytes that a container writes."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self._parts.append(bytes(data))  # type: ignore[call-overload]
        return len(self._parts[-1])

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data
