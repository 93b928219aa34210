from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numbered_video as numbered
import numpy as np
import pytest
from odd_media import cut, ffmpeg, set_edits

from caer_data.media.decode import frames
from caer_data.media.probe import probe
from caer_data.media.unfinished import (
    CHAINED,
    CUT_OFF,
    EDITED,
    FRAGMENTS_MISSING,
    JOINED,
    NOT_CLOSED,
    PAGES_MISSING,
    unfinished,
)

_CODECS = {"avi": "mpeg4", "wmv": "wmv2", "ogv": "libtheora"}


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi", "a.mov", "a.flv", "a.wmv", "a.ogv"])
@pytest.mark.parametrize("sound", [False, True], ids=["silent", "with-sound"])
def test_a_file_that_breaks_off(tmp_path: Path, name: str, sound: bool) -> None:
    plain = numbered.write(tmp_path / "plain.mkv", 50, sound=sound)
    path = tmp_path / name
    coded = ["-c:v", _CODECS.get(name[2:], "libx264"), "-qscale:v", 3, "-crf", 20]
    ffmpeg("-i", plain, *(coded[:4] if name[2:] in _CODECS else [*coded[:2], *coded[4:]]), path)
    assert unfinished(path).reason == ""
    path.write_bytes(path.read_bytes()[:-1500])
    assert unfinished(path).reason == CUT_OFF


def test_a_recording_that_was_never_closed(tmp_path: Path) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 50)
    path = tmp_path / "live.mkv"
    ffmpeg("-i", plain, "-c", "copy", "-live", 1, "-f", "matroska", path)
    assert unfinished(path).reason == NOT_CLOSED


def test_fragments_and_other_containers(tmp_path: Path) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 50, gop=10)
    path = tmp_path / "fragmented.mp4"
    ffmpeg(
        "-i", plain, "-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof", path
    )
    assert unfinished(path).reason == ""
    data = path.read_bytes()
    first, second, third = (m.start() - 4 for m in list(re.finditer(b"moof", data))[:3])
    path.write_bytes(data[:second] + data[third:])
    assert unfinished(path).reason == FRAGMENTS_MISSING
    path.write_bytes(data[:first] + data[third:])
    assert unfinished(path).reason == "", "a stream may be recorded from its middle"
    assert unfinished(numbered.write(tmp_path / "a.ts", 20)).reason == ""
    for data in (b"", b"\x1a\x45\xdf\xa3", b"\0\0\0\x08ftyp", b"RIFF\xff\xff\xff\xffAVI "):
        (tmp_path / "odd").write_bytes(data)
        unfinished(tmp_path / "odd")


def test_an_old_quicktime_file_has_no_box_that_names_its_type(tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "a.mov", 50)
    data = path.read_bytes()
    path.write_bytes(data[int.from_bytes(data[:4], "big") :])
    assert unfinished(path).reason == ""
    path.write_bytes(path.read_bytes()[:-2000])
    assert unfinished(path).reason == CUT_OFF


def test_pages_that_are_missing_in_the_middle_of_an_ogg_file(tmp_path: Path) -> None:
    plain, path = numbered.write(tmp_path / "plain.mkv", 50, sound=True), tmp_path / "a.ogv"
    ffmpeg("-i", plain, "-c:v", "libtheora", "-q:v", 5, path)
    data = path.read_bytes()
    pages = [m.start() for m in re.finditer(b"OggS", data)]
    middle = len(pages) // 2
    path.write_bytes(data[: pages[middle]] + data[pages[middle + 3] :])
    assert unfinished(path).reason == PAGES_MISSING
    path.write_bytes(data[: len(data) // 2] + data[len(data) // 2 + 9000 :])
    assert unfinished(path).reason == PAGES_MISSING
    path.write_bytes(data[: pages[-1]])
    assert unfinished(path).reason == NOT_CLOSED
    path.write_bytes(data + data)  # chained recordings
    assert unfinished(path).reason == ""


def test_an_flv_without_the_size_behind_its_last_tag_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.flv"
    ffmpeg("-i", numbered.write(tmp_path / "plain.mkv", 50), "-c:v", "flv", path)
    path.write_bytes(path.read_bytes()[:-4])
    assert unfinished(path).reason == ""


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.flv", "a.wmv"])
def test_a_film_joined_on_behind_the_end_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    codec = _CODECS.get(name[2:], "libx264")
    ffmpeg("-i", numbered.write(tmp_path / "plain.mkv", 50), "-c:v", codec, path)
    path.write_bytes(path.read_bytes() * 2)
    reason, appended = unfinished(path)
    assert reason == JOINED and appended == pytest.approx(0.5, abs=0.01)


def test_chained_ogg_recordings_are_named(tmp_path: Path) -> None:
    plain, path = numbered.write(tmp_path / "plain.mkv", 50, sound=True), tmp_path / "a.ogv"
    parts = []
    for offset in (1, 100):
        ffmpeg("-i", plain, "-c:v", "libtheora", "-q:v", 5, "-serial_offset", offset, path)
        parts.append(path.read_bytes())
    path.write_bytes(b"".join(parts))
    assert unfinished(path).reason == CHAINED
    assert sum(1 for _ in frames(path, probe(path))) == 50


def test_an_ogg_stream_of_one_page_is_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.ogv"
    ffmpeg("-i", numbered.write(tmp_path / "plain.mkv", 20), "-c:v", "libtheora", path)
    begins, ends = 2, 4
    page = struct.pack("<4sBBq4sIIBB", b"OggS", 0, begins | ends, 0, b"none", 0, 0, 1, 8) + bytes(8)
    path.write_bytes(page + path.read_bytes())
    assert unfinished(path).reason == ""


def test_what_others_append_to_a_film_is_no_part_of_it(tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "a.mp4", 50)
    data = path.read_bytes()
    for more in (b"TAG" + b"title".ljust(125, b"\0"), bytes(5000), b"\0\0\0\0SEFHxyzSEFT"):
        path.write_bytes(data + more)
        assert unfinished(path).reason == ""


@pytest.mark.parametrize("size", [2**40, 2**63 + 100, 2**64 - 1])
@pytest.mark.parametrize("kind", [b"moov", b"moof", b"free"])
def test_boxes_of_impossible_size_are_not_read(tmp_path: Path, kind: bytes, size: int) -> None:
    path = numbered.write(tmp_path / "a.mp4", 10)
    path.write_bytes(path.read_bytes() + struct.pack(">I4sQ", 1, kind, size))
    assert unfinished(path).reason == CUT_OFF


def test_tags_behind_an_asf_film_are_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.wmv"
    ffmpeg("-i", numbered.write(tmp_path / "plain.mkv", 50), "-c:v", "wmv2", path)
    data = path.read_bytes()
    path.write_bytes(data + b"TAG" + b"A title of many letters".ljust(125, b"x"))
    assert unfinished(path).reason == ""
    path.write_bytes(data[:-5])  # of the index
    assert unfinished(path).reason == CUT_OFF


def test_a_damaged_size_in_the_middle_of_an_flv_is_no_end(tmp_path: Path) -> None:
    path = tmp_path / "a.flv"
    ffmpeg("-i", numbered.write(tmp_path / "plain.mkv", 50), "-c:v", "flv", path)
    data = bytearray(path.read_bytes())
    at = 13
    for _ in range(20):
        at += 15 + int.from_bytes(data[at + 1 : at + 4], "big")
    data[at + 1] = 0xFF
    path.write_bytes(data)
    assert unfinished(path).reason == ""


def test_fragments_may_have_a_header_of_their_own(tmp_path: Path) -> None:
    path, plain = tmp_path / "a.mp4", numbered.write(tmp_path / "plain.mp4", 100, gop=25)
    ffmpeg(
        "-i", plain, "-c", "copy", "-movflags", "frag_keyframe+empty_moov+default_base_moof", path
    )
    data = path.read_bytes()
    first, third = (m.start() - 4 for m in list(re.finditer(b"moof", data))[:3:2])
    path.write_bytes(data[:third] + data[:first] + data[third:])
    assert unfinished(path).reason == ""
    assert sum(1 for _ in frames(path, probe(path))) == 100


@pytest.mark.parametrize(
    ("edits", "ending"),
    [
        ([(2000, 1024, 1)], ""),
        ([(1000, -1, 1), (2000, 1024, 1)], ""),
        ([(1000, 1024, 1), (1000, 1024, 1)], ""),
        ([(1000, 1024, 1), (1000, -1, 1), (1000, 14336, 1)], EDITED),
        ([(2000, 1024, 0.5)], EDITED),
        ([(1000, 1024, 1), (500, 14336, 0), (1000, 14336, 1)], EDITED),
    ],
    ids=["whole", "starts-late", "repeats", "pause", "slow", "frozen"],
)
def test_edits_that_are_not_followed_are_named(
    tmp_path: Path, edits: list[tuple[int, int, float]], ending: str
) -> None:
    path = numbered.write(tmp_path / "a.mp4", 50)
    set_edits(path, edits)
    assert unfinished(path).reason == ending


def test_a_long_avi_goes_on_in_further_chunks(tmp_path: Path) -> None:
    """OpenDML: from a gigabyte on; here the pictures are divided by hand."""
    plain = numbered.write(tmp_path / "plain.avi", 100, codec="mpeg4")
    path = tmp_path / "long.avi"
    path.write_bytes(b"".join(divided(plain.read_bytes())))
    assert unfinished(path).reason == ""
    reader = frames(path, probe(path))
    assert [numbered.number_of(f.picture()) for f in reader] == list(range(100))
    assert not reader.damage.is_damaged
    for start, end in ((5, 40), (40, 90)):
        clip = cut(path, tmp_path / "clip.mp4", start, end)
        seen = [numbered.number_of(f.picture()) for f in frames(clip, probe(clip))]
        assert seen == list(range(start, end))
    path.write_bytes(path.read_bytes()[:-3000])
    assert unfinished(path).reason == CUT_OFF


def divided(avi: bytes) -> list[bytes]:
    """The parts of an AVI whose pictures are in three RIFF chunks, without an index."""
    at = avi.index(b"movi") - 8
    end = at + 8 + int.from_bytes(avi[at + 4 : at + 8], "little")
    chunks, place = [], at + 12
    while place < end:
        length = 8 + int.from_bytes(avi[place + 4 : place + 8], "little")
        chunks.append(avi[place : place + length + length % 2])
        place += length + length % 2
    thirds = [chunks[n * len(chunks) // 3 : (n + 1) * len(chunks) // 3] for n in range(3)]
    lists = [chunk(b"LIST", b"movi" + b"".join(third)) for third in thirds]
    first = chunk(b"RIFF", b"AVI " + avi[12:at] + lists[0])
    return [first, *(chunk(b"RIFF", b"AVIX" + movi) for movi in lists[1:])]


def chunk(name: bytes, data: bytes) -> bytes:
    return name + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)


def test_b_frames_packed_with_their_reference_are_read_as_ffmpeg_reads_them(tmp_path: Path) -> None:
    """As DivX and XviD store them in AVI files: two frames in one packet, then an empty one."""
    path = tmp_path / "packed.avi"
    plain = numbered.write(tmp_path / "plain.mp4", 100, sound=True)
    ffmpeg("-i", plain, "-c:v", "libxvid", "-q:v", 2, "-bf", 2, "-c:a", "libmp3lame", path)
    assert re.search(rb"DivX\d+b\d+p", path.read_bytes())
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", path, "-map", "0:v",
               "-fps_mode", "passthrough", "-pix_fmt", "bgr24", "-f", "rawvideo", "-"]  # fmt: skip
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    pictures = np.frombuffer(raw, np.uint8).reshape(-1, 96, numbered.BITS * 16, 3)
    theirs = [numbered.number_of(picture) for picture in pictures]
    assert len(theirs) >= 95
    reader = frames(path, probe(path))
    assert [numbered.number_of(f.picture()) for f in reader] == theirs
    clip = cut(path, tmp_path / "clip.mp4", 20, 70)
    seen = [numbered.number_of(f.picture()) for f in frames(clip, probe(clip))]
    assert seen == theirs[20:70]
