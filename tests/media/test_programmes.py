"""Recordings of a whole channel: pictures of one programme never get the sound of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numbered_video as numbered
import numpy as np
import pytest
from odd_media import cut, ffmpeg

from caer_data.curate.videos import Described, programme_notes
from caer_data.engine.errors import CaerError
from caer_data.media.decode import frames
from caer_data.media.probe import probe
from caer_data.media.programmes import elsewhere, pictures_begin, programmes


def channel(folder: Path, *, own_sound: bool) -> Path:
    """Two programmes: numbered frames, with or without sound, and a test picture with sound."""
    plain = numbered.write(folder / "plain.mp4", 50, sound=True)
    other = ["-f", "lavfi", "-i", "testsrc=s=160x96:r=25:d=2", "-f", "lavfi", "-i", "sine=d=2"]
    own = ["-map", "0:a"] if own_sound else []
    first, second = ("st=0:st=3", "st=1:st=2") if own_sound else ("st=0", "st=1:st=2")
    path = folder / "channel.ts"
    ffmpeg(
        "-i", plain, *other, "-map", "0:v", "-map", "1:v", "-map", "2:a", *own,
        "-metadata:s:a:0", "language=fra", "-metadata:s:a:1", "language=deu",
        "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "mp2",
        "-program", f"title=one:program_num=1:{first}",
        "-program", f"title=two:program_num=2:{second}", path,
    )  # fmt: skip
    return path


@pytest.mark.parametrize("arrival_times", [False, True], ids=["ts", "m2ts"])
def test_a_language_of_another_programme_is_not_taken(tmp_path: Path, arrival_times: bool) -> None:
    path = channel(tmp_path, own_sound=True)
    if arrival_times:
        data = path.read_bytes()
        timed = (bytes(4) + data[at : at + 188] for at in range(0, len(data), 188))
        path = tmp_path / "channel.m2ts"
        path.write_bytes(b"".join(timed))
    info = probe(path, audio="fra")
    assert info.width == numbered.BITS * 16
    assert sorted(str(track.language) for track in info.sounds) == ["deu", "fra"]
    assert info.audio_index == next(t.stream for t in info.sounds if t.language == "deu")


def test_pictures_without_sound_of_their_own_stay_without(tmp_path: Path) -> None:
    info = probe(channel(tmp_path, own_sound=False))
    assert info.width == numbered.BITS * 16
    assert (len(info.sounds), info.has_audio) == (1, False)


def test_other_files_have_no_programmes(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    for data in (b"", b"\x47" * 2000, b"\x00" * 5000, b"\x47\x40\x00\x10\x00" + b"\xff" * 183):
        path.write_bytes(data * 8)
        assert programmes(path) == []
    one = programmes(numbered.write(tmp_path / "one.ts", 25, sound=True))
    assert [programme.streams for programme in one] == [(256, 257)]
    assert elsewhere(one, 256) == frozenset()


def test_what_is_used_and_what_not_is_said(tmp_path: Path) -> None:
    path = channel(tmp_path, own_sound=True)
    info = probe(path)
    assert [(p.number, p.name) for p in info.programmes] == [(1, "one"), (2, "two")]
    notes = programme_notes([Described({"path": "a.ts"}, path, info)])
    assert notes == ["a.ts: using programme 1 'one', not 2 'two'"]
    assert programme_notes([Described({}, path, replace(info, programmes=()))]) == []


def test_programmes_that_are_only_listed_do_not_count(tmp_path: Path) -> None:
    path = channel(tmp_path, own_sound=True)
    data = path.read_bytes()
    first = probe(path).programmes[0]
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    stays = [p for p in packets if (pid(p) < 256 or pid(p) in first.streams or pid(p) >= 4096)]
    path.write_bytes(b"".join(stays))
    assert programmes(path) == [first]


def pid(packet: bytes) -> int:
    return (packet[1] & 0x1F) << 8 | packet[2]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"plain", "plain"),
        (b"\x15Stra\xc3\x9fe", "Straße"),
        (b"\x05Stra\xdfe", "Straße"),
        (b"\x10\x00\x01Stra\xdfe", "Straße"),
        (b"\x10", ""),
        (b"\x10\x00\xffabc", "abc"),
        (b"line\x8abreak", "linebreak"),
        (b"\x11\x4e\x2d\x59\x2e", "\u4e2d\u592e"),
        (b"\x13\xd6\xd0\xd1\xeb", "\u4e2d\u592e"),
        (b"\xc2Ecole \xcbcaf\xc2e", "École çafé"),
    ],
)
def test_names_of_programmes(tmp_path: Path, name: bytes, shown: str) -> None:
    path = channel(tmp_path, own_sound=True)
    service = b"\x48" + bytes([3 + len(name), 1, 0, len(name)]) + name
    listed = b"\x00\x01\xfc\x80" + bytes([len(service)]) + service
    rest = b"\x00\x01\xc1\x00\x00\x00\x01\xff" + listed + bytes(4)
    table = b"\x42\xf0" + bytes([len(rest)]) + rest
    packet = (b"\x47\x40\x11\x10\x00" + table).ljust(188, b"\xff")
    path.write_bytes(path.read_bytes() + packet)
    assert programmes(path)[0].name == shown


LATE = ("-itsoffset", 12)


@pytest.mark.parametrize("arrival_times", ["0", "1"], ids=["ts", "m2ts"])
def test_pictures_that_begin_late_have_their_own_shape_and_rate(
    tmp_path: Path, arrival_times: str
) -> None:
    """FFmpeg gives up before it sees their properties."""
    plain = numbered.write(tmp_path / "plain.mp4", 50)
    path = tmp_path / f"late{arrival_times}.ts"
    ffmpeg(
        *LATE, "-i", plain, "-f", "lavfi", "-i", "sine=d=14", "-map", "0:v", "-map", "1:a",
        "-vf", "setsar=2", "-c:v", "libx264", "-preset", "ultrafast", "-crf", 12, "-c:a", "mp2",
        "-mpegts_m2ts_mode", arrival_times, "-f", "mpegts", path,
    )  # fmt: skip
    info = probe(path)
    assert (info.width, info.fps, info.pixel_aspect) == (384, 25, 2)
    first = next(iter(frames(path, info)))
    assert first.pts == info.start_pts
    clip = cut(path, tmp_path / "clip.mp4", 10, 40)
    assert [numbered.number_of(f.picture()) for f in frames(clip, probe(clip))] == [*range(10, 40)]


def test_pictures_that_take_over_the_number_of_a_sound(tmp_path: Path) -> None:
    """As where recordings of different receivers were joined; FFmpeg alone sees only the sound."""
    whole = numbered.write(tmp_path / "whole.mp4", 75, sound=True)
    sound, both = tmp_path / "sound.ts", tmp_path / "both.ts"
    ffmpeg("-i", whole, "-map", "0:a", "-t", 6, "-c:a", "mp2", sound)
    ffmpeg("-i", whole, "-map", "0:v", "-map", "0:a", "-c:v", "copy", "-c:a", "mp2",
           "-output_ts_offset", 6, both)  # fmt: skip
    path = tmp_path / "joined.ts"
    path.write_bytes(sound.read_bytes() + both.read_bytes())
    for handed_over in (False, True):
        clip = cut(path, tmp_path / "clip.mp4", 20, 60, handed_over=handed_over)
        seen = [numbered.number_of(f.picture()) for f in frames(clip, probe(clip))]
        assert seen == [*range(20, 60)]
        with av.open(str(clip)) as container:
            heard = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
        # a click at frame 25, five frames into the clip
        assert np.flatnonzero(np.abs(heard) > 0.2)[0] / 48000 == pytest.approx(0.2, abs=0.005)


def test_sound_without_pictures_is_still_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.ts"
    ffmpeg("-f", "lavfi", "-i", "sine=d=2", "-c:a", "mp2", path)
    with pytest.raises(CaerError, match="sound but no pictures"):
        probe(path)


def edited(path: Path, pid_wanted: int, change: Callable[[bytearray], None]) -> Path:
    """A copy in which all packets of a PID are changed; the section begins at byte 5."""
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), 188):
        packet = data[at : at + 188]
        if pid(packet) == pid_wanted and packet[1] & 0x40:
            change(packet)
            data[at : at + 188] = packet
    copy = path.with_name("edited.ts")
    copy.write_bytes(data)
    return copy


@pytest.mark.parametrize("length", range(9))
@pytest.mark.parametrize("table", [0, 4096], ids=["list-of-programmes", "list-of-streams"])
def test_lists_that_are_too_short_are_passed_over(tmp_path: Path, table: int, length: int) -> None:
    def shorten(packet: bytearray) -> None:
        packet[6:8] = bytes([packet[6] & 0xF0, length])

    path = edited(numbered.write(tmp_path / "one.ts", 25, sound=True), table, shorten)
    assert [programme.streams for programme in programmes(path)] in ([], [()])
    assert pictures_begin(path) == 0


def test_a_recording_of_a_programme_that_is_not_listed_first(tmp_path: Path) -> None:
    path = channel(tmp_path, own_sound=True)
    own = programmes(path)[1].streams
    data = path.read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    path.write_bytes(
        b"".join(p for p in packets if pid(p) < 256 or pid(p) >= 4096 or pid(p) in own)
    )
    info = probe(path)
    assert info.width == 160
    assert [programme.number for programme in info.programmes] == [2]
    assert info.has_audio


def test_programmes_whose_lists_share_a_pid_are_told_apart(tmp_path: Path) -> None:
    path = channel(tmp_path, own_sound=True)
    first, second = programmes(path)
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), 188):
        if pid(data[at : at + 188]) == 4097:
            data[at + 1 : at + 3] = bytes([data[at + 1] & 0xE0 | 0x10, 0x00])
    path.write_bytes(data)

    def share(packet: bytearray) -> None:
        place = packet.index(bytes([0, 2, 0xF0, 0x01]))
        packet[place + 3] = 0x00

    found = programmes(edited(path, 0, share))
    assert [p.streams for p in found] == [first.streams, second.streams]
