"""Fragmented MP4 files that break off state how long they were."""

from __future__ import annotations

import re
import struct
import tracemalloc
from pathlib import Path

import numbered_video as numbered
import pytest
from odd_media import ffmpeg

from caer_data.media.fragments import Stated, stated
from caer_data.media.unfinished import CUT_OFF, unfinished

NOTHING = Stated(0, 0)
PLAIN = "frag_keyframe+empty_moov+default_base_moof"


def fragmented(folder: Path, flags: str = PLAIN, sound: bool = False) -> Path:
    """Ten fragments of ten frames."""
    plain = numbered.write(folder / "plain.mp4", 100, gop=10, sound=sound)
    path = folder / "fragmented.mp4"
    ffmpeg("-i", plain, "-c", "copy", "-movflags", flags, path)
    return path


def fragment(data: bytes, number: int) -> int:
    """Place of a fragment."""
    return [m.start() - 4 for m in re.finditer(b"moof", data)][number]


@pytest.mark.parametrize("sound", [False, True], ids=["silent", "with-sound"])
@pytest.mark.parametrize("flags", [PLAIN, "dash+frag_keyframe", "frag_keyframe+separate_moof"])
def test_frames_whose_data_are_missing_are_listed(tmp_path: Path, flags: str, sound: bool) -> None:
    path = fragmented(tmp_path, flags, sound)
    assert stated(path, 1).frames == 100
    data = path.read_bytes()
    if "separate" not in flags:
        path.write_bytes(data[: fragment(data, 6) + 1000])
        assert stated(path, 1).frames == 70


def test_the_index_states_the_length_of_the_whole_film(tmp_path: Path) -> None:
    path = fragmented(tmp_path, f"{PLAIN}+global_sidx")
    path.write_bytes(path.read_bytes()[:9000])
    assert stated(path, 1).seconds == 4


def test_the_header_may_state_it_too(tmp_path: Path) -> None:
    path = fragmented(tmp_path)
    assert stated(path, 1).seconds == 0
    data = bytearray(path.read_bytes())
    (scale,) = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)
    told = struct.pack(">I4sII", 16, b"mehd", 0, 9 * scale)
    for name in (b"moov", b"mvex"):
        at = data.index(name) - 4
        struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + len(told))
    at = data.index(b"mvex") + 4
    path.write_bytes(data[:at] + told + data[at:])
    assert stated(path, 1) == Stated(100, 9)


def test_other_files_state_nothing(tmp_path: Path) -> None:
    assert stated(numbered.write(tmp_path / "a.mp4", 20), 1) == NOTHING
    whole = fragmented(tmp_path).read_bytes()
    for data in (b"", b"\0", b"\0\0\0\x01mdat\0\0", whole[:50], b"\xff" * 400, whole[3:]):
        (tmp_path / "odd").write_bytes(data)
        assert stated(tmp_path / "odd", 1) == NOTHING


@pytest.mark.parametrize(
    "box",
    [
        struct.pack(">I4sQ", 1, b"free", 2**64 - 16),
        struct.pack(">I4sQ", 1, b"moof", 14),
        struct.pack(">I4sQ", 1, b"moof", 15),
        struct.pack(">I4sQ", 1, b"moof", 2**63),
    ],
    ids=["beyond-all-places", "smaller-than-its-head", "one-byte-smaller", "huge"],
)
def test_impossible_sizes_end_the_search(tmp_path: Path, box: bytes) -> None:
    path = fragmented(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: fragment(data, 6)] + box + bytes(1 << 20))
    tracemalloc.start()
    try:
        assert stated(path, 1).frames == 60
        assert tracemalloc.get_traced_memory()[1] < 1 << 19
    finally:
        tracemalloc.stop()
    assert unfinished(path).reason in ("", CUT_OFF)


def test_chunks_without_content_do_not_hold_up_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.avi"
    head = b"RIFF" + struct.pack("<I", 4) + b"AVI "
    path.write_bytes(head + b"RIFF\0\0\0\0" * 1000)
    assert unfinished(path).reason == ""
    path.write_bytes(head + (b"RIFF" + struct.pack("<I", 4) + b"AVIX") * 1000)
    assert unfinished(path).reason == ""
    monkeypatch.setattr("caer_data.media.unfinished.MOST_BOXES", 3)
    assert unfinished(path).reason == ""
