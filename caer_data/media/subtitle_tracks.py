"""Embedded subtitles: the streams of a file, and the text of their packets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av

from caer_data.media.subtitles import Cue, plain, plain_ass, speaker_of

_TEXT: Final = frozenset({"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"})
_FORCED: Final = re.compile(r"\bforced\b", re.I)
_ASS_FIELDS: Final = 9  # order, layer, style, name, three margins, effect, text


@dataclass(frozen=True)
class SubtitleTrack:
    """One subtitle stream.

    Attributes:
        stream: index among all streams of the file.
        codec: name of the codec; None if it is unknown.
        readable: whether it contains text (and not pictures of text).
        language: language in the file; None if it has none.
        title: title in the file; None if it has none.
        forced: whether it is flagged as forced: translations of foreign-language parts.
    """

    stream: int
    codec: str | None
    readable: bool
    language: str | None
    title: str | None
    forced: bool


def subtitle_tracks(container: Any) -> tuple[SubtitleTrack, ...]:
    """Return all subtitle streams of an open file."""
    return tuple(_track(stream) for stream in container.streams.subtitles)


def cue_of(packet: Any, codec: str) -> Cue | None:
    """Return the cue of a packet, with the container's times; None if it is empty.

    A duration of 0 means that the file does not state it.
    """
    if packet.pts is None or not packet.size:
        return None
    data = bytes(packet)
    if codec == "mov_text":  # two bytes of length, then text, then styles
        data = data[2 : 2 + int.from_bytes(data[:2], "big")]
    text = data.decode("utf-8", "replace").strip("\x00")
    speaker = None
    if codec in ("ass", "ssa"):
        fields = text.split(",", _ASS_FIELDS - 1)
        if len(fields) < _ASS_FIELDS:
            return None
        text, speaker = plain_ass(fields[-1]), speaker_of(fields[3])
    else:
        text, speaker = plain(text)
    unit = Fraction(packet.time_base) * 1_000_000
    start = round(packet.pts * unit)
    end = round((packet.pts + packet.duration) * unit) if packet.duration else None
    return Cue(start, end, text, speaker) if text else None


def _track(stream: Any) -> SubtitleTrack:
    context = stream.codec_context
    codec = None if context is None else str(context.name)
    title = stream.metadata.get("title")
    forced = bool(stream.disposition & av.stream.Disposition.forced)
    return SubtitleTrack(
        stream=int(stream.index),
        codec=codec,
        readable=codec in _TEXT,
        language=None if stream.language in (None, "und") else str(stream.language),
        title=None if title is None else str(title),
        forced=forced or bool(title and _FORCED.search(title)),
    )
