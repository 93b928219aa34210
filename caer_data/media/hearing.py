"""One pass over a file's sound and subtitles: finds speech and reads embedded subtitles.

Sound is positioned by the container's timestamps. Where a track starts late or has a gap, speech is
unknown. Times are in microseconds of the container's clock. If the clock restarts, as in recordings
joined end to end, times continue, as those of the pictures do (see `retime`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from caer_data.media.packets import Damage, decoded, readable_packets
from caer_data.media.probe import VideoInfo, open_container
from caer_data.media.resampling import Resampler
from caer_data.media.sound_clock import SoundClock
from caer_data.media.subtitle_tracks import SubtitleTrack, cue_of, subtitle_tracks
from caer_data.media.subtitles import Subtitles
from caer_data.media.voice import RATE, WINDOW, Samples, Voice

UNKNOWN: Final = 255
"""Value for digital silence, in which speech is unknown."""
_SCALE: Final = 200  # scales a probability to one byte
_MICROS: Final = 1_000_000
_BREAK: Final = 500_000  # a gap of this size is a break; microseconds
_SILENCE: Final = 1e-4  # of full scale: below the noise of any microphone
_AT_ONCE: Final = 256  # windows, 8 s


@dataclass
class Block:
    """A block of sound without a break.

    Attributes:
        start: start of the block, microseconds.
        windows: probability of speech in each window times 200, or `UNKNOWN`; uint8.
    """

    start: int
    windows: npt.NDArray[np.uint8]


@dataclass
class Heard:
    """The result of one pass.

    Attributes:
        blocks: the sound in order; empty without sound or without a voice model.
        origin: start of the file's clock, microseconds.
        tracks: the subtitle streams.
        lines: cues of the text streams, by stream index.
        lost: number of sound packets that could not be decoded.
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
    """Find speech in a video's chosen sound track and read its embedded subtitles.

    Args:
        path: the file.
        info: its properties.
        voice: the voice model; None skips the sound.
        subtitles: whether to read subtitles.
        on_second: called at intervals as a sign of life.

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
        for packet in readable_packets(container, wanted):
            stream = packet.stream.index
            if stream == sound:
                heard.lost += ear.listen(packet)
                on_second()
            elif stream in readable and (cue := cue_of(packet, readable[stream])):
                heard.lines[stream].add(cue)
        ear.end()
        heard.blocks = ear.blocks
    return heard


class _Ear:
    """Decodes sound, positions it by timestamp, and runs the voice model on it."""

    def __init__(self, voice: Voice | None) -> None:
        self.blocks: list[Block] = []
        self._voice = voice
        self._resampler = Resampler("flt", RATE)
        self._start: int | None = None
        self._samples = 0  # in the current block
        self._rest: list[Samples] = []
        self._found: list[npt.NDArray[np.uint8]] = []
        self._clock = SoundClock(_MICROS)

    def listen(self, packet: Any) -> int:
        """Process a packet; return 1 if it could not be decoded, otherwise 0."""
        damage = Damage()
        for frame in decoded(packet.stream.codec_context, packet, damage):
            self._place(frame)
        return damage.packets

    def end(self) -> None:
        """Process the end of the sound."""
        self._take(self._resampler.finish())
        self._close()

    def _place(self, frame: Any) -> None:
        now = self._time_of(frame)
        here = self._here()
        if self._start is None:
            self._start = now or 0
        elif now is not None and here is not None:
            ahead = self._clock.ahead(now, here)
            if ahead > _BREAK:
                self._break(here + ahead)
        frame.pts = None
        self._take(self._resampler.convert(frame))

    def _time_of(self, frame: Any) -> int | None:
        if frame.pts is None or frame.time_base is None:
            return None
        return int(frame.pts * frame.time_base * _MICROS)

    def _here(self) -> int | None:
        return None if self._start is None else self._start + self._samples * _MICROS // RATE

    def _break(self, start: int) -> None:
        self._take(self._resampler.finish())
        self._close()
        self._start = start

    def _take(self, frames: Iterable[Any]) -> None:
        for frame in frames:
            part = frame.to_ndarray()[0]
            self._rest.append(np.nan_to_num(part, nan=0.0, posinf=1.0, neginf=-1.0))
            self._samples += len(part)
        if sum(map(len, self._rest)) >= _AT_ONCE * WINDOW:
            self._ask()

    def _ask(self) -> None:
        """Run the model on the complete windows."""
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
