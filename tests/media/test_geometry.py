from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numbered_video as numbered
import numpy as np
import pytest
from odd_media import cut, ffmpeg, put

from caer_data.media import probe as probing
from caer_data.media.decode import frames
from caer_data.media.geometry import Crop, Turn, displayed, fit, matroska_crop, turn_of
from caer_data.media.probe import probe

ONE = 1 << 16


@pytest.mark.parametrize(
    ("values", "turn"),
    [
        ((ONE, 0, 0, ONE), Turn()),
        ((0, ONE, -ONE, 0), Turn(90)),
        ((-ONE, 0, 0, -ONE), Turn(180)),
        ((0, -ONE, ONE, 0), Turn(270)),
        ((-ONE, 0, 0, ONE), Turn(0, mirrored=True)),
        ((ONE, 0, 0, -ONE), Turn(180, mirrored=True)),
        ((0, 0, 0, 0), Turn()),
        ((ONE, ONE, ONE, ONE), Turn()),
    ],
)
def test_display_matrices(values: tuple[int, ...], turn: Turn) -> None:
    a, b, c, d = values
    assert turn_of(struct.pack("=9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)) == turn


def test_a_matrix_that_is_none_turns_nothing() -> None:
    assert turn_of(b"short") == Turn()


def test_sizes() -> None:
    assert displayed(960, 360, Crop(160, 0, 160, 0), Fraction(1), 0) == (640, 360)
    assert displayed(720, 576, Crop(), Fraction(64, 45), 90) == (576, 1024)
    assert fit((1024, 576), (768, 576)) == (768, 432)


@pytest.mark.parametrize("flag", ["-display_hflip", "-display_vflip"])
def test_mirrored_pictures_are_mirrored_in_clips_as_in_analysis(tmp_path: Path, flag: str) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 60)
    path = tmp_path / "mirrored.mp4"
    ffmpeg(flag, "-i", plain, "-c", "copy", path)
    axis = 1 if flag == "-display_hflip" else 0
    seen = [f.picture() for f in frames(path, probe(path))]
    assert [numbered.number_of(np.flip(p, axis)) for p in seen] == list(range(60))
    clip = cut(path, tmp_path / "clip.mp4", 10, 50)
    shown = [f.picture() for f in frames(clip, probe(clip))]
    assert [numbered.number_of(np.flip(p, axis)) for p in shown] == list(range(10, 50))


def _element(name: int, content: bytes) -> bytes:
    head = name.to_bytes((name.bit_length() + 7) // 8, "big")
    return head + (0x10000000 | len(content)).to_bytes(4, "big") + content


def matroska(path: Path, crops: bytes, *, behind: bool) -> Path:
    """The skeleton of a file with a sound and a video track; `behind` puts the tracks last."""
    entries = _element(0xAE, b"") + _element(0xAE, _element(0xE0, crops))
    tracks = _element(0x1654AE6B, entries)
    pictures = _element(0x1F43B675, bytes(500))
    seek_id = _element(0x53AB, b"\x16\x54\xae\x6b")
    room = len(_element(0x114D9B74, _element(0x4DBB, seek_id + _element(0x53AC, bytes(4)))))
    place = _element(0x53AC, (room + len(pictures)).to_bytes(4, "big"))
    head = _element(0x114D9B74, _element(0x4DBB, seek_id + place))
    content = head + (pictures + tracks if behind else tracks + pictures)
    path.write_bytes(_element(0x1A45DFA3, b"") + _element(0x18538067, content))
    return path


@pytest.mark.parametrize("behind", [False, True])
def test_crops_are_found_wherever_the_tracks_are(tmp_path: Path, behind: bool) -> None:
    crops = _element(0x54CC, b"\x08") + _element(0x54DD, b"\x01\x10")
    path = matroska(tmp_path / "a.mkv", crops, behind=behind)
    assert matroska_crop(path, 0) == Crop(8, 0, 272, 0)
    assert matroska_crop(path, 1) == Crop()


def test_what_matroska_crops_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 60)
    path = tmp_path / "wide.mkv"
    ffmpeg("-i", plain, "-vf", "pad=iw+96:ih:32:0", "-crf", 12, path)
    monkeypatch.setattr(probing, "matroska_crop", lambda *_: Crop(32, 0, 64, 0))
    info = probe(path)
    assert (info.width, info.height) == (192, 96)
    assert [numbered.number_of(f.picture()) for f in frames(path, info)] == list(range(60))
    clip = cut(path, tmp_path / "clip.mp4", 10, 50)
    monkeypatch.undo()
    assert (probe(clip).width, probe(clip).height) == (192, 96)
    shown = [numbered.number_of(f.picture()) for f in frames(clip, probe(clip))]
    assert shown == list(range(10, 50))


def test_what_is_outside_the_clean_aperture_is_not_shown(tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "plain.mp4", 60)
    wide = tmp_path / "wide.mp4"
    ffmpeg("-i", path, "-vf", "pad=iw+96:ih:32:0", "-crf", 12, wide)
    assert probe(wide).crop == Crop()
    add_aperture(wide, (192, 1, 96, 1, -32, 2, 0, 1))
    info = probe(wide)
    assert info.crop == Crop(32, 0, 64, 0)
    assert (info.width, info.height) == (192, 96)
    assert [numbered.number_of(f.picture()) for f in frames(wide, info)] == list(range(60))
    clip = cut(wide, tmp_path / "clip.mp4", 10, 50)
    shown = [numbered.number_of(f.picture()) for f in frames(clip, probe(clip))]
    assert shown == list(range(10, 50))


@pytest.mark.parametrize(
    "aperture",
    [(192, 0, 96, 1, 0, 1, 0, 1), (0, 1, 96, 1, 0, 1, 0, 1), (900, 1, 96, 1, 0, 1, 0, 1)],
    ids=["no-fraction", "no-width", "too-wide"],
)
def test_an_impossible_aperture_crops_nothing(tmp_path: Path, aperture: tuple[int, ...]) -> None:
    path = numbered.write(tmp_path / "a.mp4", 5)
    add_aperture(path, aperture)
    assert probe(path).crop == Crop()


def add_aperture(path: Path, values: tuple[int, ...]) -> None:
    data = path.read_bytes()
    entry = data.index(b"avc1", data.index(b"stsd")) - 4
    (size,) = struct.unpack_from(">I", data, entry)
    box = struct.pack(">I4sIIIIiIiI", 40, b"clap", *values)
    around = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
    put(path, around, box, entry + size)
    changed = bytearray(path.read_bytes())
    struct.pack_into(">I", changed, entry, size + len(box))
    path.write_bytes(changed)


def test_other_files_crop_nothing(tmp_path: Path) -> None:
    assert matroska_crop(numbered.write(tmp_path / "a.mp4", 3), 0) == Crop()
    for data in (b"", b"\x1a\x45\xdf\xa3", b"\x1a\x45\xdf\xa3" + b"\x00" * 40):
        (tmp_path / "broken.mkv").write_bytes(data)
        assert matroska_crop(tmp_path / "broken.mkv", 0) == Crop()


def test_another_aspect_on_the_way_is_fitted_between_bars(tmp_path: Path) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 100)
    parts = []
    for number, aspect in enumerate(("4/3", "16/9")):
        part = tmp_path / f"{number}.ts"
        encoding = ["-c:v", "mpeg2video", "-q:v", 2, "-bf", 2, "-output_ts_offset", number * 2]
        picture = ["-vf", "scale=720:576", "-aspect", aspect]
        ffmpeg("-ss", number * 2, "-i", plain, "-t", 2, *picture, *encoding, part)
        parts.append(part.read_bytes())
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(parts))
    info = probe(path)
    reader = frames(path, info)
    seen = [f.picture() for f in reader]
    assert reader.reshaped
    assert {p.shape for p in seen} == {(576, 768, 3)}
    bars = [bool((p[-60:] < 24).all()) for p in seen]
    assert bars == [False] * 50 + [True] * 50
    assert [numbered.number_of(p[72:504]) for p in seen[50:]] == list(range(50, 100))
    clip = cut(path, tmp_path / "clip.mp4", 55, 95)
    shown = [f.picture() for f in frames(clip, probe(clip))]
    whole = [p[60:420, : p.shape[1] // 12 * 12] for p in shown]
    assert [numbered.number_of(p) for p in whole] == list(range(55, 95))
