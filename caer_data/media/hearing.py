"""One pass over a file for what is heard and read in it: speech, and the subtitles inside.

Sound is placed by the container's times: a track that starts late, or breaks off and goes on, is
unknown in between. Times are microseconds on the container's own clock; where it begins again, as
in recordings joined end to end, it continues from where it was, as the pictures do (see `retime`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

from caer_data.media.probe import VideoInfo, open_container
from caer_data.media.subtitle_tracks import SubtitleTrack, cue_of, subtitle_tracks
from caer_data.media.subtitles import Subtitles
from caer_data.media.voice import RATE, WINDOW, Samples, Voice

UNKNOWN: Final = 255
"""Instead of a probability: digital silence, in which nothing can be heard."""
_SCALE: Final = 200  # a probability in one byte
_MICROS: Final = 1_000_000
_BREAK: Final = 500_000  # a gap or a step back by so much is a break, in microseconds
_SILENCE: Final = 1e-4  # of full scale: below the noise of any microphone
_ERRORS_IN_A_ROW: Final = 100
_AT_ONCE: Final = 256  # windows, 8 s


@dataclass
class Block:
    """Sound without a break.

    Attributes:
        start: where it begins, microseconds.
        windows: of each window the probability of speech, times 200, or `UNKNOWN`; uint8.
    """

    start: int
    windows: npt.NDArray[np.uint8]


@dataclass
class Heard:
    """What one pass found.

    Attributes:
        blocks: the sound, in order; none where it was not listened to, or there is none.
        origin: where the file's clock begins, microseconds.
        tracks: the streams of subtitles.
        lines: cues of those that are text, by stream.
        lost: packets of sound that could not be decoded.
    """

    blocks: list[Block] = field(default_factory=list)
    origin: int = 0
    tracks: tuple[SubtitleTrack, ...] = ()
    lines: dict[int, Subtitles] = field(default_factory=dict)
    lost: int = 0


def hear(
    path: Path,
    info: VideoInfo,
    voice: Voice | None,
    subtitles: bool,
    on_second: Any = lambda: None,
) -> Heard:
    """Listen to the chosen sound of a video, and read the subtitles inside it.

    Args:
        path: the file.
        info: what it is.
        voice: the model; None: do not listen.
        subtitles: read them, too.
        on_second: called now and then as a sign of life.

    Raises:
        CaerError: the file can no longer be opened.
    """
    heard = Heard()
    with open_container(path, info.max_pixels) as container:
        heard.origin = int(container.start_time or 0)  # av.time_base is a microsecond
        heard.tracks = subtitle_tracks(container) if subtitles else ()
        readable = {t.stream: t.codec or "" for t in heard.tracks if t.readable}
        heard.lines = {stream: Subtitles() for stream in readable}
        sound = info.audio_index if voice is not None else None
        wanted = [container.streams[n] for n in (*readable, *([] if sound is None else [sound]))]
        if not wanted:
            return heard
        ear = _Ear(voice)
        for packet in _packets(container, wanted):
            stream = packet.stream.index
            if stream == sound:
                heard.lost += ear.listen(packet)
                on_second()
            elif stream in readable and (cue := cue_of(packet, readable[stream])):
                heard.lines[stream].add(cue)
        ear.end()
        heard.blocks = ear.blocks
    return heard


def _packets(container: Any, streams: list[Any]) -> Iterator[Any]:
    """Packets of some streams, behind damage as well; last the empty ones that flush decoders."""
    errors = 0
    while errors < _ERRORS_IN_A_ROW:
        try:
            for packet in container.demux(streams):
                errors = 0
                yield packet
            return
        except (av.FFmpegError, IndexError, KeyError, ValueError, AttributeError):
            errors += 1


class _Ear:
    """Decodes sound, puts it into its place, and asks the model about it."""

    def __init__(self, voice: Voice | None) -> None:
        self.blocks: list[Block] = []
        self._voice = voice
        self._resampler: Any = None
        self._form: Any = None
        self._start: int | None = None
        self._samples = 0  # of the block so far
        self._rest: list[Samples] = []
        self._found: list[npt.NDArray[np.uint8]] = []
        self._shift = 0

    def listen(self, packet: Any) -> int:
        """Take a packet; how many could not be decoded."""
        try:
            frames = packet.stream.codec_context.decode(packet)
        except (av.FFmpegError, ValueError, EOFError):
            return 1
        for frame in frames:
            self._place(frame)
        return 0

    def end(self) -> None:
        """The sound is over."""
        self._take(self._resampled(None))
        self._close()

    def _place(self, frame: Any) -> None:
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._form:  # sound may change its layout on the way
            self._take(self._resampled(None))
            self._form = form
            self._resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        now = self._time_of(frame)
        here = self._here()
        if self._start is None:
            self._start = now or 0
        elif now is not None and here is not None:
            gap = now + self._shift - here
            if gap < -_BREAK:  # the clock begins again
                self._shift -= gap
            elif gap > _BREAK:
                self._break(now + self._shift)
        frame.pts = None
        self._take(self._resampled(frame))

    def _time_of(self, frame: Any) -> int | None:
        if frame.pts is None or frame.time_base is None:
            return None
        return int(frame.pts * frame.time_base * _MICROS)

    def _here(self) -> int | None:
        return None if self._start is None else self._start + self._samples * _MICROS // RATE

    def _break(self, start: int) -> None:
        self._take(self._resampled(None))
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        self._close()
        self._start = start

    def _resampled(self, frame: Any) -> Iterable[Any]:
        if self._resampler is None:
            return ()
        try:
            return [part.to_ndarray()[0] for part in self._resampler.resample(frame)]
        except (av.FFmpegError, ValueError):
            return ()

    def _take(self, parts: Iterable[Samples]) -> None:
        for part in parts:
            self._rest.append(np.nan_to_num(part, nan=0.0, posinf=1.0, neginf=-1.0))
            self._samples += len(part)
        if sum(map(len, self._rest)) >= _AT_ONCE * WINDOW:
            self._ask()

    def _ask(self) -> None:
        """Give whole windows to the model."""
        samples = np.concatenate([np.zeros(0, np.float32), *self._rest])
        whole = len(samples) - len(samples) % WINDOW
        self._rest = [samples[whole:]]
        if whole and self._voice is not None:
            heard = samples[:whole]
            likely = np.rint(self._voice.hear(heard) * _SCALE).astype(np.uint8)
            quiet = np.abs(heard.reshape(-1, WINDOW)).max(axis=1) < _SILENCE
            self._found.append(np.where(quiet, UNKNOWN, likely).astype(np.uint8))

    def _close(self) -> None:
        """End the block."""
        left = sum(map(len, self._rest)) % WINDOW
        if left:
            self._rest.append(np.zeros(WINDOW - left, np.float32))
        self._ask()
        if self._start is not None and self._found:
            self.blocks.append(Block(self._start, np.concatenate(self._found)))
        if self._voice is not None:
            self._voice.forget()
        self._start, self._samples, self._rest, self._found = None, 0, [], []
