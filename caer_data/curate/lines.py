"""Converts the subtitles of a video to rows of `lines`, in the video's time.

Embedded subtitles have the file's timestamps; those of a sidecar file count from the start of the
video file. Both become seconds from the first frame. Lines are never shifted: if lines and voices
are clearly out of sync, a note says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.curate.sidecars import Sidecar
from caer_data.curate.speech import Span
from caer_data.engine.errors import CaerError
from caer_data.media import subtitles
from caer_data.media.hearing import Heard
from caer_data.media.subtitles import Cue, Subtitles

_MAX_LINE_S: Final = 8.0  # maximum duration of a line without an end, which lasts until the next
_BEAT_S: Final = 0.1
_FARTHEST_S: Final = 30.0
_MIN_LINES: Final = 15
_MIN_GAPS: Final = 15
_MIN_AUDIBLE_S: Final = 60.0
_CLEAR: Final = 0.35  # minimum correlation of lines and voices at the best offset
_BETTER: Final = 0.15  # minimum improvement over no offset
_NEXT: Final = 0.8  # maximum correlation at distant offsets, as a share of the best
_NEAR_S: Final = 2.0
_WORTH_SAYING_S: Final = 0.5


@dataclass(frozen=True)
class Track:
    """The lines of one track, in seconds from the first frame.

    Attributes:
        name: value of the column `track`.
        language: language given by the file or its name.
        forced: whether the track is forced: translations of foreign-language parts.
        cues: start, end, text and speaker of each line.
    """

    name: str
    language: str | None
    forced: bool
    cues: list[tuple[float, float, str, str | None]]


def tracks_of(
    heard: Heard, sidecars: Iterable[tuple[str, Sidecar]], first_s: float, length_s: float
) -> tuple[list[Track], list[str]]:
    """Return all subtitle tracks of a video, and notes about faulty or unreadable ones.

    Args:
        heard: the embedded subtitles.
        sidecars: the sidecar files, each with its name for the table.
        first_s: time of the first frame on the container's clock.
        length_s: length of the video, s.
    """
    found, notes = [], []
    for stream in heard.tracks:
        name = f"stream {stream.stream}"
        if not stream.readable:
            said = f"'{stream.language or stream.title or 'of no stated language'}'"
            kind = stream.codec or "an unknown codec"
            notes.append(f"subtitles {said} are not read because they are not text ({kind})")
            continue
        lines = heard.lines[stream.stream]
        notes += [f"subtitles in {name}: {fault}" for fault in lines.faults()]
        cues = _placed(lines, -first_s, length_s)
        found.append(Track(name, stream.language, stream.forced, cues))
    for name, sidecar in sidecars:
        try:
            lines = subtitles.read(sidecar.path, sidecar.language)
        except CaerError as error:
            notes.append(str(error).replace(str(sidecar.path), name))
            continue
        notes += [f"{name}: {fault}" for fault in lines.faults()]
        cues = _placed(lines, heard.origin / 1e6 - first_s, length_s)
        late = len(lines.cues) - len(cues)
        if late:
            notes.append(f"{name}: lines skipped because they are outside the video: {late}")
        found.append(Track(name, sidecar.language, sidecar.forced, cues))
    return found, notes


def rows(track: Track, first_s: float, time_base: Fraction) -> list[dict[str, Any]]:
    """Return the rows of `lines` of a track, without video and clips."""

    def pts(seconds: float) -> int:
        return round((seconds + first_s) / float(time_base))

    return [
        {
            "track": track.name,
            "number": number,
            "start_s": round(start, 3),
            "end_s": round(end, 3),
            "start_pts": pts(start),
            "end_pts": pts(end),
            "text": text,
            "language": track.language,
            "speaker": speaker,
            "forced": track.forced,
        }
        for number, (start, end, text, speaker) in enumerate(track.cues)
    ]


def during(lines: pd.DataFrame, spans: Iterable[tuple[int, int]]) -> pd.Series:
    """Return whether each line of one video overlaps any of the spans, in its time base."""
    found = pd.Series(data=False, index=lines.index, dtype=bool)
    for start, end in spans:
        found |= (lines["start_pts"] < end) & (lines["end_pts"] > start)
    return found


def with_clips(lines: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Return lines with the key of the kept clip that contains most of each.

    Args:
        lines: the table `lines`, with empty `clip_key`.
        clips: the table `clips`.
    """
    keys = pd.Series([None] * len(lines), index=lines.index, dtype=object)
    kept = clips[clips["clip_key"].notna()].sort_values("start_s")
    for video_id, own in lines.groupby("video_id", observed=True):
        of_video = kept[kept["video_id"] == video_id]
        starts, ends = (of_video[name].to_numpy(float) for name in ("start_s", "end_s"))
        for index, start, end in own[["start_s", "end_s"]].itertuples():
            shared = np.minimum(ends, end) - np.maximum(starts, start)
            if len(shared) and shared.max() > 0:
                keys[index] = of_video["clip_key"].iloc[int(shared.argmax())]
    return lines.assign(clip_key=keys)


def offset(cues: Sequence[Span], spoken: Sequence[Span], audible_s: float) -> float | None:
    """Return by how many seconds lines precede their voices (negative: follow them).

    None if there are too few lines, too little sound, or no clear match.

    Args:
        cues: spans in which lines are displayed.
        spoken: spans in which somebody speaks.
        audible_s: total duration of sound, s.
    """
    if len(cues) < _MIN_LINES or len(spoken) < _MIN_GAPS or audible_s < _MIN_AUDIBLE_S:
        return None
    length = max(end for _, end in (*cues, *spoken))
    shown, heard = (_beats(spans, length) for spans in (cues, spoken))
    if not (shown.std() and heard.std()):
        return None
    agreement = _correlation(shown, heard)
    middle = len(agreement) // 2
    best = int(agreement.argmax())
    near = round(_NEAR_S / _BEAT_S)
    elsewhere = np.delete(agreement, np.s_[max(0, best - near) : best + near + 1])
    clear = (
        agreement[best] >= _CLEAR
        and agreement[best] >= agreement[middle] + _BETTER
        and elsewhere.max(initial=0.0) <= _NEXT * agreement[best]
    )
    moved = (best - middle) * _BEAT_S
    return round(moved, 1) if clear and abs(moved) >= _WORTH_SAYING_S else None


def _placed(
    found: Subtitles, shift_s: float, length_s: float
) -> list[tuple[float, float, str, str | None]]:
    """Return cues in seconds of the video, clipped to its length."""
    cues = []
    for cue, end in _ended(found.cues):
        start, stop = cue.start / 1e6 + shift_s, end / 1e6 + shift_s
        if stop > 0 and start < length_s:
            cues.append((max(0.0, start), stop, cue.text, cue.speaker))
    return cues


def _ended(cues: Sequence[Cue]) -> Iterator[tuple[Cue, int]]:
    """Yield cues and their ends; if a cue has no end, it is the start of the next cue."""
    for number, cue in enumerate(cues):
        later = (other.start for other in cues[number + 1 :] if other.start > cue.start)
        latest = cue.start + round(_MAX_LINE_S * 1e6)
        yield cue, cue.end if cue.end is not None else min(next(later, latest), latest)


def _beats(spans: Sequence[Span], length_s: float) -> npt.NDArray[np.float64]:
    """Return spans as a signal of 0 and 1, sampled every tenth of a second."""
    on = np.zeros(int(length_s / _BEAT_S) + 1)
    for start, end in spans:
        on[int(max(0.0, start) / _BEAT_S) : int(max(0.0, end) / _BEAT_S) + 1] = 1
    return on


def _correlation(
    shown: npt.NDArray[np.float64], heard: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the correlation at each offset up to 30 s, from lines too late to lines too early."""
    farthest = min(round(_FARTHEST_S / _BEAT_S), len(shown) - 1)
    a, b = ((x - x.mean()) / (x.std() * len(x) ** 0.5) for x in (shown, heard))
    size = 2 * len(a)
    whole = np.fft.irfft(np.conj(np.fft.rfft(a, size)) * np.fft.rfft(b, size), size)
    found: npt.NDArray[np.float64] = np.concatenate([whole[-farthest:], whole[: farthest + 1]])
    return found
