"""Subtitles as text: formats, encodings, and what cannot be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from caer_data.engine.errors import CaerError
from caer_data.media import subtitles

S = 1_000_000


def said(text: str, ending: str = ".srt") -> list[tuple[float, float | None, str, str | None]]:
    cues = subtitles.parse(text, ending).cues
    return [(c.start / S, None if c.end is None else c.end / S, c.text, c.speaker) for c in cues]


def test_subrip_with_and_without_numbers_and_blank_lines() -> None:
    text = (
        "1\n00:00:01,500 --> 00:00:03,000\n<i>Hello</i> &amp;\n{\\an8}you\n\n"
        "2\n00:00:04.250 --> 0:00:05.5  X1:1\nTwo\n"
        "3\n01:00:00,000 --> 01:00:01,000\nThree 3 < 4\n"
    )
    assert said(text) == [
        (1.5, 3.0, "Hello &\nyou", None),
        (4.25, 5.5, "Two", None),
        (3600.0, 3601.0, "Three 3 < 4", None),
    ]


def test_a_blank_line_inside_a_subrip_text_does_not_end_it() -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:02,000\nFirst\n\nsecond\n\n\n"
        "2\n00:00:03,000 --> 00:00:04,000\n\n7 o'clock\n\n8\n\n"
        "3\n00:00:05,000 --> 00:00:06,000\nlast\n\n9\n"
    )
    assert [cue[2] for cue in said(text)] == ["First\nsecond", "7 o'clock\n8", "last\n9"]
    assert [cue[2] for cue in said("WEBVTT\n" + text, ".vtt")] == ["First", "last"]


def test_webvtt_names_its_voices_and_passes_over_notes() -> None:
    text = (
        "WEBVTT\n\nNOTE --> nothing\n\nSTYLE\n::cue {}\n\n"
        "first\n00:01.000 --> 00:02.000 align:start\n<v.loud Mary Ann>Hi <c.red>there</c></v>\n"
    )
    assert said(text, ".vtt") == [(1.0, 2.0, "Hi there", "Mary Ann")]


def test_substation_alpha_by_its_own_order_of_fields() -> None:
    text = (
        "[Script Info]\nTitle: x\n[V4+ Styles]\nFormat: Name\n[Events]\n"
        "Format: Layer, Start, End, Style, Actor, Text\n"
        "Dialogue: 0,0:00:01.00,0:00:02.50,Default,Bob,{\\i1}One, two\\NThree\n"
        "Comment: 0,0:00:01.00,0:00:02.50,Default,,no\n"
        "Dialogue: 0,0:00:03.00,0:00:04.00,Default,,{\\p1}m 0 0 l 10 10\n"
        "Dialogue: 0,broken\n"
    )
    assert said(text, ".txt") == [(1.0, 2.5, "One, two\nThree", "Bob")]


def test_times_that_cannot_be_are_left_out_and_counted() -> None:
    found = subtitles.parse(
        "00:00:05,000 --> 00:00:04,000\nbackwards\n\n"
        "-00:00:03,000 --> -00:00:01,000\nbefore\n\n"
        "00:00:-01,000 --> 00:00:01,000\nno clock\n\n"
        "-00:00:01,000 --> 00:00:01,000\nacross\n\n"
        "00:00:02,000 --> 00:00:03,000\n\n",
        ".srt",
    )
    assert [(c.start, c.text) for c in found.cues] == [(-S, "across")]
    assert (found.backwards, found.early) == (1, 1)
    assert len(found.faults()) == 2


@pytest.mark.parametrize(
    ("data", "encoding", "guessed"),
    [
        ("Grüße".encode(), "utf-8", False),
        ("Grüße".encode("utf-8-sig"), "utf-8-sig", False),
        ("Grüße".encode("utf-16"), "utf-16", False),
        ("Привет, как дела? Хорошо, спасибо".encode("cp1251"), "cp1251", True),
    ],
)
def test_a_guessed_encoding_is_said(data: bytes, encoding: str, guessed: bool) -> None:
    text, named, guess = subtitles.decode(data)
    assert (named, guess) == (encoding, guessed)
    assert text.removeprefix("\ufeff").startswith(("Grüße", "Привет"))


@pytest.mark.parametrize(
    ("text", "encoding", "language"),
    [
        ("Café naïve", "cp1252", "fra"),
        ("Żółta łódź płynie", "cp1250", "pol"),
        ("Işık çok güzel", "cp1254", "tur"),
    ],
)
def test_the_language_decides_between_encodings_of_latin_scripts(
    text: str, encoding: str, language: str
) -> None:
    data = f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n".encode(encoding)
    read, named, guessed = subtitles.decode(data, language)
    assert text in read
    assert (named, guessed) == (encoding, True)


def test_the_language_does_not_decide_between_other_scripts() -> None:
    data = ("Привет, как дела? " * 20).encode("koi8-r")
    assert subtitles.decode(data, "rus")[0] == subtitles.decode(data)[0]
    assert "Привет" in subtitles.decode(("Привет, как дела? " * 20).encode("cp1251"), "eng")[0]


def test_hostile_text_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "e.srt"
    path.write_text("00:00:01,000 --> 00:00:02,000\n" + "\x1b[31m<b>" * 50_000 + "x" * 50_000)
    (cue,) = subtitles.read(path).cues
    assert len(cue.text) <= 2_000
    assert "\x1b" not in cue.text
    path.write_bytes(b"\0" * 1000)
    with pytest.raises(CaerError, match=r"e\.srt: holds no line with times"):
        subtitles.read(path)
    with pytest.raises(CaerError, match=r"no\.srt"):
        subtitles.read(tmp_path / "no.srt")
