from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numbered_video as numbered
import pytest
from odd_media import ffmpeg

from caer_data.engine.errors import CaerError
from caer_data.media.decode import frames
from caer_data.media.packets import Damage, readable_packets, usual_step
from caer_data.media.probe import probe
from caer_data.media.unchanged import check_unchanged, stamp_of


def test_a_stream_that_appears_midway_costs_nothing(tmp_path: Path) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 200, sound=True)
    parts = []
    for number, tracks in enumerate((["-an"], ["-c:a", "mp2"], ["-an"])):
        part = tmp_path / f"{number}.ts"
        picture = ["-vf", "scale=768:576:flags=neighbor", "-c:v", "mpeg2video", "-q:v", 1]
        ffmpeg("-i", plain, *picture, *tracks, "-output_ts_offset", number * 8, part)
        parts.append(part.read_bytes())
    assert len(parts[0]) > 6_000_000, "more than is looked at when a file is opened"
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(parts))
    info = probe(path)
    assert not info.has_audio
    reader = frames(path, info)
    assert [numbered.number_of(f.picture()) for f in reader] == [*range(200)] * 3
    assert reader.damage.frames_lost == reader.damage.corrupt_frames == 0
    assert not reader.damage.is_damaged


def test_each_stream_ends_once_even_if_pyav_begins_again() -> None:
    class Container:
        """As PyAV: at the end, it fails if a stream has appeared, and then begins with it again."""

        runs = 0

        def demux(self, streams: list[int]) -> Iterator[Any]:
            self.runs += 1
            for number in streams:
                if self.runs == 1 and number == streams[-1]:
                    raise IndexError
                yield SimpleNamespace(
                    size=0, pts=None, dts=None, stream=SimpleNamespace(index=number)
                )

    ended = [packet.stream.index for packet in readable_packets(Container(), [0, 1, 2])]
    assert ended == [0, 1, 2]


def test_encrypted_files_are_refused(tmp_path: Path) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 30)
    path = tmp_path / "locked.mp4"
    key = "00112233445566778899aabbccddeeff"
    ffmpeg("-i", plain, "-c", "copy", "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", key,
           "-encryption_kid", key, path)  # fmt: skip
    with pytest.raises(CaerError, match="it is encrypted"):
        probe(path)


def test_frames_that_an_edit_list_hides_are_not_lost(tmp_path: Path) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 100, gop=50)
    path = tmp_path / "trimmed.mp4"
    ffmpeg("-ss", 1.2, "-i", plain, "-c", "copy", path)
    reader = frames(path, probe(path))
    assert sum(1 for _ in reader) > 60
    assert not reader.damage.is_damaged


def test_a_fragmented_file_has_lost_nothing(tmp_path: Path) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 100, gop=25, sound=True)
    path = tmp_path / "fragmented.mp4"
    ffmpeg("-i", plain, "-c", "copy", "-movflags", "frag_keyframe+empty_moov", path)
    reader = frames(path, probe(path))
    assert sum(1 for _ in reader) == 100
    assert str(reader.damage) == ""


def test_the_share_of_damaged_frames() -> None:
    assert Damage().share == 0
    assert Damage(corrupt_frames=5, frames_lost=5, frames_given=100).share == 0.1
    assert Damage(frames_lost=9).share == 1


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    stamp = stamp_of(path)
    check_unchanged(path, stamp)
    path.write_bytes(b"other")
    with pytest.raises(
        CaerError, match=r"a\.mp4: changed while it was being read; run the command again"
    ):
        check_unchanged(path, stamp)
    path.unlink()
    with pytest.raises(CaerError, match="No such file"):
        check_unchanged(path, stamp)


def test_frames_before_the_first_key_frame_are_counted(tmp_path: Path) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 100, gop=50)
    path = tmp_path / "recorded.ts"
    ffmpeg("-i", plain, "-c", "copy", path)
    data = path.read_bytes()
    path.write_bytes(data[len(data) * 2 // 10 // 188 * 188 :])
    reader = frames(path, probe(path))
    assert [numbered.number_of(f.picture()) for f in reader] == list(range(50, 100))
    assert 10 < reader.damage.headless < 50
    assert "before the first key frame" in str(reader.damage)
    assert not reader.damage.is_damaged


@pytest.mark.parametrize(
    ("steps", "usual"),
    [
        ({}, None),
        ({41: 30, 42: 70}, 42),  # milliseconds
        ({16: 40, 17: 60, 33: 5}, 17),
        ({3003: 50, 4505: 50}, None),
        ({1: 95, 2: 5}, 1),
        ({1: 60, 2: 40}, None),  # pictures of one and of two ticks
        ({2: 60, 3: 40}, 2),  # of two and a half
    ],
)
def test_the_usual_step_is_that_of_evenly_spaced_frames(
    steps: dict[int, int], usual: int | None
) -> None:
    assert usual_step(Counter(steps)) == usual


def test_counts_of_one_are_singular() -> None:
    one = Damage(packets=1, corrupt_frames=1, frames_given=9, frames_lost=1, restarts=1)
    assert str(one) == (
        "1 of 9 frames lost, 1 damaged packet skipped, "
        "1 frame repaired by the decoder or built on repaired ones, 1 restart of the timestamps"
    )
    assert str(Damage(packets=2, retimed=3)) == "2 damaged packets skipped, 3 frames retimed"
