from __future__ import annotations

from pathlib import Path

import numbered_video as numbered
import pytest
from odd_media import ffmpeg

from caer_data.media.probe import probe
from caer_data.media.sound import SoundTrack, choose


def track(stream: int, language: str | None = None, **flags: bool) -> SoundTrack:
    said = dict.fromkeys(("default", "original", "dub", "commentary", "described"), False) | flags
    return SoundTrack(stream, "aac", language, None, 2, 48000, **said)


ENGLISH, FRENCH = track(1, "eng"), track(2, "fre", default=True)
COMMENTARY = track(3, "eng", commentary=True, default=True)
DESCRIBED = track(4, "eng", described=True)


@pytest.mark.parametrize(
    ("tracks", "wanted", "expected"),
    [
        ([ENGLISH, FRENCH], "default", 2),
        ([ENGLISH, FRENCH], "en", 1),
        ([ENGLISH, FRENCH], "fra", 2),
        ([ENGLISH, FRENCH], "deu", 2),
        ([COMMENTARY, ENGLISH], "default", 1),
        ([COMMENTARY, DESCRIBED, ENGLISH], "eng", 1),
        ([COMMENTARY], "default", 3),
        ([ENGLISH, track(5, "jpn", original=True)], "original", 5),
        ([], "default", None),
    ],
)
def test_the_track_that_is_taken(
    tracks: list[SoundTrack], wanted: str, expected: int | None
) -> None:
    taken = choose(tracks, wanted)
    assert (taken and taken.stream) == expected


def test_a_track_that_cannot_be_decoded_is_not_taken() -> None:
    unknown = SoundTrack(1, None, "eng", None, None, None, True, False, False, False, False)
    taken = choose([unknown, FRENCH], "eng")
    assert taken is FRENCH


def test_languages_and_flags_are_read_from_files(tmp_path: Path) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 30, sound=True)
    path = tmp_path / "a.mkv"
    ffmpeg(
        "-i", plain, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-map", "0:a", "-c", "copy",
        "-metadata:s:a:0", "title=Director's Commentary", "-metadata:s:a:1", "language=fra",
        "-metadata:s:a:2", "language=eng", "-disposition:a:0", "default",
        "-disposition:a:1", "default", "-disposition:a:2", "original", path,
    )  # fmt: skip
    info = probe(path)
    assert [t.commentary for t in info.sounds] == [True, False, False]
    assert [t.language for t in info.sounds] == [None, "fra", "eng"]
    assert info.audio_index == 2
    assert probe(path, audio="eng").audio_index == probe(path, audio="original").audio_index == 3
