"""Recordings of a whole channel: pictures of one programme never get the sound of another."""

from __future__ import annotations

from pathlib import Path

import numbered_video as numbered
import pytest
from odd_media import ffmpeg

from caer_data.media.probe import probe
from caer_data.media.programmes import elsewhere


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
        assert elsewhere(path, 256) == frozenset()
    assert elsewhere(numbered.write(tmp_path / "one.ts", 25, sound=True), 256) == frozenset()
