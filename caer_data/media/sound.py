"""The sound tracks of a file, and the choice of the one that clips are cut with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import av

# three-letter codes (ISO 639) by two-letter and bibliographic codes
_LANGUAGES: Final = {
    "en": "eng", "de": "deu", "ger": "deu", "fr": "fra", "fre": "fra", "es": "spa", "it": "ita",
    "pt": "por", "nl": "nld", "dut": "nld", "ja": "jpn", "zh": "zho", "chi": "zho", "ko": "kor",
    "ru": "rus", "pl": "pol", "cs": "ces", "cze": "ces", "sv": "swe", "da": "dan", "no": "nor",
    "fi": "fin", "hu": "hun", "tr": "tur", "el": "ell", "gre": "ell", "he": "heb", "ar": "ara",
    "hi": "hin", "uk": "ukr", "ro": "ron", "rum": "ron", "sk": "slk", "slo": "slk",
}  # fmt: skip
_NAMES: Final = {
    "english": "eng", "german": "deu", "deutsch": "deu", "french": "fra", "francais": "fra",
    "spanish": "spa", "espanol": "spa", "italian": "ita", "italiano": "ita", "portuguese": "por",
    "dutch": "nld", "japanese": "jpn", "chinese": "zho", "korean": "kor", "russian": "rus",
    "polish": "pol", "czech": "ces", "swedish": "swe", "danish": "dan", "norwegian": "nor",
    "finnish": "fin", "hungarian": "hun", "turkish": "tur", "greek": "ell", "hebrew": "heb",
    "arabic": "ara", "hindi": "hin", "ukrainian": "ukr", "romanian": "ron", "slovak": "slk",
}  # fmt: skip
_COMMENTARY: Final = re.compile(r"comment|kommentar", re.I)
_DESCRIBED: Final = re.compile(r"descri|visually impaired|audiodesk|\bAD\b", re.I)


@dataclass(frozen=True)
class SoundTrack:
    """One sound track.

    Attributes:
        stream: index among all streams of the file.
        codec: name of the codec; None if it is unknown, so that it cannot be decoded.
        language: language in the file; None if it has none.
        title: title in the file; None if it has none.
        channels: number of channels.
        sample_rate: samples per second.
        default: whether it is flagged as the default.
        original: whether it is flagged as the original language.
        dub: whether it is flagged as dubbed.
        commentary: whether it is a commentary, by flag or title.
        described: whether it is an audio description, by flag or title.
    """

    stream: int
    codec: str | None
    language: str | None
    title: str | None
    channels: int | None
    sample_rate: int | None
    default: bool
    original: bool
    dub: bool
    commentary: bool
    described: bool


def sound_tracks(container: Any) -> tuple[SoundTrack, ...]:
    """Return all sound tracks of an open file."""
    return tuple(_track(stream) for stream in container.streams.audio)


def choose(tracks: Sequence[SoundTrack], wanted: str) -> SoundTrack | None:
    """Return the track that clips are cut with; None if there is none that can be decoded.

    Commentaries and audio descriptions are used only if there is no other track. Of the remaining
    tracks, the requested one is returned, otherwise the default track, otherwise the first.

    Args:
        tracks: the sound tracks of one file.
        wanted: `default`, `original` or a language.
    """
    known = [t for t in tracks if t.codec is not None]
    plain = [t for t in known if not t.commentary and not t.described] or known
    return next(
        (t for t in sorted(plain, key=lambda t: not t.default) if fits(t, wanted)),
        next((t for t in plain if t.default), plain[0] if plain else None),
    )


def fits(track: SoundTrack, wanted: str) -> bool:
    """Whether a track is the one that the recipe requests."""
    if wanted == "default":
        return track.default
    if wanted == "original":
        return track.original
    return track.language is not None and plain_language(track.language) == plain_language(wanted)


def plain_language(word: str, *, known: bool = False) -> str:
    """Return the three-letter ISO 639 code of a language.

    Args:
        word: code of two or three letters, with or without a country, or a name.
        known: whether to return an empty text for languages that this module does not list.
    """
    short = word.lower().split("-")[0]
    found = _LANGUAGES.get(short) or _NAMES.get(short)
    if found or not known:
        return found or short
    return short if short in _LANGUAGES.values() else ""


def _track(stream: Any) -> SoundTrack:
    flags, context = stream.disposition, stream.codec_context
    kinds = av.stream.Disposition
    title = stream.metadata.get("title") or stream.metadata.get("handler_name") or ""
    named = stream.metadata.get("title")
    return SoundTrack(
        stream=int(stream.index),
        codec=None if context is None else str(context.name),
        language=None if stream.language in (None, "und") else str(stream.language),
        title=None if named is None else str(named),
        channels=None if context is None else int(context.channels),
        sample_rate=None if context is None else int(context.sample_rate or 0) or None,
        default=bool(flags & kinds.default),
        original=bool(flags & kinds.original),
        dub=bool(flags & kinds.dub),
        commentary=bool(flags & kinds.comment) or bool(_COMMENTARY.search(title)),
        described=bool(flags & kinds.visual_impaired) or bool(_DESCRIBED.search(title)),
    )
