from __future__ import annotations

import re
from pathlib import Path

import numbered_video as numbered
import pytest
from odd_media import ffmpeg

from caer_data.media.unfinished import CUT_OFF, FRAGMENTS_MISSING, JOINED, NOT_CLOSED, unfinished


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi", "a.mov"])
def test_a_file_that_breaks_off(tmp_path: Path, name: str) -> None:
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    path = numbered.write(tmp_path / name, 50, codec=codec)
    assert unfinished(path) == ""
    path.write_bytes(path.read_bytes()[:-2000])
    assert unfinished(path) == CUT_OFF


def test_a_recording_that_was_never_closed(tmp_path: Path) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 50)
    path = tmp_path / "live.mkv"
    ffmpeg("-i", plain, "-c", "copy", "-live", 1, "-f", "matroska", path)
    assert unfinished(path) == NOT_CLOSED


def test_fragments_and_other_containers(tmp_path: Path) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 50, gop=10)
    path = tmp_path / "fragmented.mp4"
    ffmpeg("-i", plain, "-c", "copy", "-movflags", "frag_keyframe+empty_moov", path)
    assert unfinished(path) == ""
    data = path.read_bytes()
    first, second, third = (m.start() - 4 for m in list(re.finditer(b"moof", data))[:3])
    path.write_bytes(data[:second] + data[third:])
    assert unfinished(path) == FRAGMENTS_MISSING
    path.write_bytes(data[:first] + data[third:])
    assert unfinished(path) == "", "a stream may be recorded from its middle"
    assert unfinished(numbered.write(tmp_path / "a.ts", 20)) == ""
    for data in (b"", b"\x1a\x45\xdf\xa3", b"\0\0\0\x08ftyp", b"RIFF\xff\xff\xff\xffAVI "):
        (tmp_path / "odd").write_bytes(data)
        unfinished(tmp_path / "odd")


@pytest.mark.parametrize("name", ["a.mp4", "a.avi"])
def test_a_film_joined_on_behind_the_end_is_named(tmp_path: Path, name: str) -> None:
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    path = numbered.write(tmp_path / name, 50, codec=codec)
    path.write_bytes(path.read_bytes() * 2)
    assert unfinished(path) == JOINED
