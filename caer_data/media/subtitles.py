"""Reading subtitle files: SubRip, SubStation Alpha and WebVTT, in any encoding.

The files are untrusted. Impossible cues are skipped and counted, never repaired. Times are those of
the file's own clock.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from charset_normalizer import from_bytes

from caer_data.engine.encodings import marked_encoding
from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error

ENDINGS: Final = (".srt", ".ass", ".ssa", ".vtt")
"""Extensions of the subtitle files that are read."""

_MAX_BYTES: Final = 16 << 20
_MAX_CUES: Final = 100_000
_MAX_TEXT: Final = 2_000
_CLOCK: Final = r"(-?)(?:(\d{1,4}):)?(-?)(\d{1,2}):(\d{1,2})(?:[.,:](\d{1,6}))?"
_ARROW: Final = re.compile(rf"^\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?$", re.ASCII)
_TIME: Final = re.compile(rf"\s*{_CLOCK}\s*", re.ASCII)
_VOICE: Final = re.compile(r"<v(?:\.[^ \t>]*)?[ \t]+([^>]{1,200})>", re.I)
_TAGS: Final = re.compile(r"</?[a-z][^<>]{0,200}>|<\d[\d:.]{0,20}>", re.I)
_OVERRIDES: Final = re.compile(r"\{[^{}]{0,2000}\}")
_DRAWING: Final = re.compile(r"\\p[1-9]")
_CONTROLS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)


_LATIN: Final = frozenset({
    "cp1250", "cp1252", "cp1254", "cp1257", "cp1258", "latin_1", "iso8859_1", "iso8859_2",
    "iso8859_3", "iso8859_4", "iso8859_9", "iso8859_10", "iso8859_13", "iso8859_14", "iso8859_15",
    "iso8859_16",
})  # fmt: skip
_PAGES: Final = {
    "cp1252": ("eng", "deu", "fra", "spa", "ita", "por", "nld", "swe", "dan", "nor", "fin"),
    "cp1250": ("pol", "ces", "slk", "hun", "ron"),
    "cp1254": ("tur",),
}
"""Code pages of Windows by the languages that are written in them."""


@dataclass(frozen=True)
class Cue:
    """A subtitle with its times.

    Attributes:
        start: start time, microseconds.
        end: end time, microseconds; None if it is not given.
        text: text without mark-up, possibly of several lines.
        speaker: the speaker's name in the file; None if it is not given.
    """

    start: int
    end: int | None
    text: str
    speaker: str | None = None


@dataclass
class Subtitles:
    """The cues of one file or stream, in order of their times.

    Attributes:
        cues: the valid cues.
        encoding: encoding of the text.
        guessed: whether the encoding was guessed from the text alone.
        backwards: number of cues skipped because they end before they start.
        early: number of cues skipped because they end before time 0.
    """

    cues: list[Cue] = field(default_factory=list)
    encoding: str = "utf-8"
    guessed: bool = False
    backwards: int = 0
    early: int = 0

    def add(self, cue: Cue) -> None:
        """Add a cue unless it is empty or impossible."""
        if not cue.text or len(self.cues) >= _MAX_CUES:
            return
        if cue.end is not None and cue.end <= cue.start:
            self.backwards += 1
        elif cue.end is not None and cue.end <= 0:
            self.early += 1
        else:
            self.cues.append(cue)

    def faults(self) -> list[str]:
        """Return what was skipped or guessed, as parts of a sentence."""
        notes = [f"encoding guessed: {self.encoding}"] if self.guessed else []
        if self.backwards:
            notes.append(f"lines skipped because they end before they start: {self.backwards}")
        if self.early:
            notes.append(f"lines skipped because their times are negative: {self.early}")
        return notes


def read(path: Path, language: str | None = None) -> Subtitles:
    """Return the cues of a subtitle file.

    Args:
        path: the file.
        language: ISO 639 code of its language, for guessing its encoding; None if unknown.

    Raises:
        CaerError: it cannot be read, is too large, or contains no line with times.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    if len(data) > _MAX_BYTES:
        raise CaerError(f"{path}: larger than {_MAX_BYTES >> 20} MB, too large for a subtitle file")
    text, encoding, guessed = decode(data, language)
    found = parse(text, path.suffix.lower())
    if not (found.cues or found.backwards or found.early):
        raise CaerError(f"{path}: holds no line with times")
    return replace(found, encoding=encoding, guessed=guessed)


def decode(data: bytes, language: str | None = None) -> tuple[str, str, bool]:
    """Return the text of a file, its encoding, and whether the encoding is a guess.

    The encoding is that of the byte order mark, otherwise UTF-8 if the data are valid, otherwise
    the most plausible one. Encodings of Latin scripts differ in few letters, so that the language,
    if it is known (ISO 639 code), decides between them. Undecodable bytes become the
    replacement character U+FFFD.
    """
    marked = marked_encoding(data)
    try:
        return data.decode(marked or "utf-8"), marked or "utf-8", False
    except UnicodeDecodeError:
        pass
    if marked:
        return data.decode(marked, "replace"), marked, False
    best = from_bytes(data[:1_000_000]).best()
    encoding = "cp1252" if best is None else best.encoding
    if language is not None and encoding in _LATIN:
        usual = next((page for page, spoken in _PAGES.items() if language in spoken), encoding)
        encoding = usual if _fits(data, usual) else encoding
    return data.decode(encoding, "replace"), encoding, True


def _fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def parse(text: str, ending: str) -> Subtitles:
    """Return the cues of a text; `ending` gives the format if the text itself does not."""
    found = Subtitles()
    lines = text.removeprefix("\ufeff").splitlines()
    is_ass = ending in (".ass", ".ssa") or any(
        line.strip() == "[Script Info]" for line in lines[:5]
    )
    is_vtt = ending == ".vtt" or (bool(lines) and lines[0].startswith("WEBVTT"))
    for cue in _ass(lines) if is_ass else _arrows(lines, blank_ends=is_vtt):
        found.add(cue)
    found.cues.sort(key=lambda cue: cue.start)
    return found


def plain(text: str) -> tuple[str, str | None]:
    """Return SubRip or WebVTT text without mark-up, and the speaker that it names, or None."""
    voice = _VOICE.search(text)
    bare = _OVERRIDES.sub("", _TAGS.sub("", _VOICE.sub("", text)))
    return _tidy(html.unescape(bare)), _name(html.unescape(voice[1])) if voice else None


def plain_ass(text: str) -> str:
    """Return the text of a SubStation Alpha event without overrides; empty for drawings."""
    if any(_DRAWING.search(mark) for mark in _OVERRIDES.findall(text)):
        return ""
    bare = _OVERRIDES.sub("", text)
    return _tidy(bare.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " "))


def speaker_of(name: str) -> str | None:
    """Return the speaker's name from the field for it; None if it is empty."""
    return _name(name)


def _arrows(lines: list[str], *, blank_ends: bool) -> Iterator[Cue]:
    """Yield the cues of SubRip and WebVTT: a line with an arrow, then text up to the next cue.

    Args:
        lines: the whole file.
        blank_ends: whether a blank line ends the text, as in WebVTT, where notes may follow. In
            SubRip, text continues up to the number of the next cue, as in players.
    """
    starts = [n for n, line in enumerate(lines) if "-->" in line and _ARROW.match(line)]
    for number, after in pairwise([*starts, len(lines)]):
        times = _ARROW.match(lines[number])
        if times is None:
            continue
        body = [line.strip() for line in lines[number + 1 : after]]
        if blank_ends and "" in body:
            body = body[: body.index("")]
        elif after < len(lines) and body and body[-1].isdigit():
            body.pop()
        text, speaker = plain("\n".join(body))
        fields = times.groups()
        yield Cue(_clock(fields[:6]), _clock(fields[6:]), text, speaker)


def _ass(lines: list[str]) -> Iterator[Cue]:
    """Yield the events of SubStation Alpha, whose fields are named by the line `Format`."""
    names = ["layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect"]
    in_events = False
    for line in lines:
        kind, _, rest = line.partition(":")
        if line.startswith("["):
            in_events = line.strip().lower() == "[events]"
        elif in_events and kind.strip().lower() == "format":
            names = [name.strip().lower() for name in rest.split(",")][:-1]
        elif in_events and kind.strip().lower() == "dialogue":
            cells = rest.split(",", len(names))
            event = dict(zip(names, cells, strict=False))
            start, end = (_TIME.fullmatch(event.get(name, "")) for name in ("start", "end"))
            if start and end and len(cells) == len(names) + 1:
                speaker = speaker_of(event.get("name", event.get("actor", "")))
                yield Cue(
                    _clock(start.groups()), _clock(end.groups()), plain_ass(cells[-1]), speaker
                )


def _clock(fields: tuple[str | None, ...]) -> int:
    """Convert the matched parts of a time, with a sign at two possible places, to microseconds."""
    sign, hours, other, minutes, seconds, part = fields
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    micros = whole * 1_000_000 + int((part or "0").ljust(6, "0"))
    return -micros if sign or other else micros


def _tidy(text: str) -> str:
    lines = (" ".join(_CONTROLS.sub("", line).split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)[:_MAX_TEXT]


def _name(name: str) -> str | None:
    return " ".join(_CONTROLS.sub("", name).split())[:100] or None
