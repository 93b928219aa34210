from __future__ import annotations

import resource
from dataclasses import replace
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import numbered_video as numbered
import numpy as np
import pytest
from odd_media import ffmpeg, set_edits

from caer_data.engine.errors import CaerError
from caer_data.media.decode import Received, frames, read_frames
from caer_data.media.probe import probe

# file below odd/: frames that an independent decoder (ffmpeg's command line) gives
FRAMES = {
    "av1.mkv": 125,
    "counter_10fps.mp4": 30,
    "delayed_start.mp4": 24,
    "derived/face_120fps.mp4": 288,
    "derived/face_mjpeg.avi": 72,
    "derived/face_vp9.webm": 72,
    "derived/interlaced_tff.mpg": 120,
    "derived/negative_ts.mkv": 217,
    "derived/odd_size_333x187.mp4": 240,
    "derived/single_frame.mp4": 1,
    "derived/start_at_5s.mkv": 240,
    "derived/timestamp_gap_60s.ts": 144,
    "derived/vfr_extreme.mkv": 96,
    "h264_10bit.mp4": 30,
    "no_duration.webm": 74,
    "one_pixel.mp4": 5,
    "rotated180_vfr.mp4": 25,
    "two_video_streams.mp4": 325,
}


@pytest.mark.parametrize("name", FRAMES)
def test_every_frame_once_and_in_order(media_data: Path, name: str) -> None:
    path = media_data / "odd" / name
    info = probe(path)
    reader = frames(path, info, threads=2)
    seen = [(f.index, f.pts, f.duration) for f in reader]
    assert [index for index, _, _ in seen] == list(range(FRAMES[name]))
    pts = [p for _, p, _ in seen]
    assert all(later > earlier for earlier, later in pairwise(pts))
    assert all(duration > 0 for _, _, duration in seen)
    assert str(reader.damage) == ""


@pytest.mark.parametrize(
    ("name", "first_s"),
    [("delayed_start.mp4", 1.075), ("derived/start_at_5s.mkv", 5.0)],
)
def test_the_first_timestamp_is_the_files_own(media_data: Path, name: str, first_s: float) -> None:
    path = media_data / "odd" / name
    info = probe(path)
    first = next(iter(frames(path, info)))
    assert float(first.pts * info.time_base) == first_s


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("suffix", "codec", "pts"),
    [
        ("mp4", "libx264", None),
        ("mkv", "libx264", None),
        ("ts", "libx264", None),
        ("avi", "mpeg4", None),
        ("webm", "libvpx-vp9", None),
        ("mkv", "libx264", [0, 40, 90, 1200, 1201, 1300, *range(2000, 3620, 30)]),
    ],
    ids=["mp4", "mkv", "ts", "avi", "webm", "variable-rate"],
)
def test_numbered_frames_come_with_their_numbers(
    tmp_path: Path, suffix: str, codec: str, pts: list[int] | None, threads: int
) -> None:
    path = numbered.write(
        tmp_path / f"numbers.{suffix}",
        60 if codec != "libvpx-vp9" else 12,
        codec=codec,
        pts=pts,
        time_base=Fraction(1, 1000) if pts else None,
    )
    info = probe(path)
    seen = list(frames(path, info, threads))
    assert [numbered.number_of(f.picture()) for f in seen] == list(range(len(seen)))
    assert len(seen) == (60 if codec != "libvpx-vp9" else 12)
    if pts:
        assert [f.pts - seen[0].pts for f in seen] == pts


def test_no_frame_of_joined_recordings_is_left_out(tmp_path: Path) -> None:
    parts = [numbered.write(tmp_path / f"{n}.ts", n).read_bytes() for n in (60, 40, 50)]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    info = probe(path)
    reader = frames(path, info)
    seen = [(numbered.number_of(f.picture()), f.pts) for f in reader]
    assert [n for n, _ in seen] == [*range(60), *range(40), *range(50)]
    assert {b - a for (_, a), (_, b) in pairwise(seen)} == {3600}
    assert str(reader.damage) == "2 restarts of the timestamps, 90 frames retimed"


@pytest.mark.parametrize("threads", [1, 6])
def test_frames_that_do_not_come_out_are_counted(tmp_path: Path, threads: int) -> None:
    path = numbered.write(tmp_path / "whole.mp4", 100, gop=10)
    whole = path.read_bytes()
    start = whole.index(b"mdat")
    path.write_bytes(whole[: start + 40_000] + b"\0" * 30_000 + whole[start + 70_000 :])
    reader = frames(path, probe(path), threads)
    received = sum(1 for _ in reader)
    assert reader.damage.is_damaged
    assert received + reader.damage.frames_lost == reader.damage.frames_given == 100


def test_frames_for_analysis_are_the_same_but_for_block_edges(media_data: Path) -> None:
    path = media_data / "shots_gt" / "composite_open_44s.mp4"
    info = probe(path)
    plain, quick = (frames(path, info, for_analysis=given) for given in (False, True))
    differences = []
    for one, other in islice(zip(plain, quick, strict=True), 120):
        assert (one.index, one.pts) == (other.index, other.pts)
        small = [f.small(256, 144).astype(int) for f in (one, other)]
        differences.append(np.abs(small[0] - small[1]).mean())
    assert 0 < max(differences) < 1


def test_read_frames_gives_exactly_those(tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "numbers.mp4", 80)
    found = read_frames(path, probe(path), [70, 3, 3, 0, 51])
    assert {i: numbered.number_of(picture) for i, picture in found.items()} == {
        i: i for i in (0, 3, 51, 70)
    }
    assert read_frames(path, probe(path), []) == {}
    with pytest.raises(CaerError, match="has no frame 80"):
        read_frames(path, probe(path), [2, 80])


@pytest.mark.parametrize(
    ("name", "at_least", "says"),
    [
        ("truncated_moov_first.mp4", 130, "of 240 frames lost"),
        ("corrupt_middle.mp4", 190, "damaged packets"),
    ],
)
def test_good_frames_of_damaged_files_are_kept(
    media_data: Path, name: str, at_least: int, says: str
) -> None:
    path = media_data / "odd" / "derived" / name
    info = probe(path)
    reader = frames(path, info)
    pts = [f.pts for f in reader]
    assert len(pts) >= at_least
    assert says in str(reader.damage)
    assert all(later > earlier for earlier, later in pairwise(pts))
    assert pts[-1] * info.time_base < 10, "the time after the damage is the file's own"


class _Raw:
    """A decoder's frame of which only the times matter."""

    is_corrupt = interlaced_frame = False
    width, height, duration = 192, 96, 40


DAY = 86_400_000  # ms


def _received(pts: int | None, dts: int | None = None) -> Received:
    return Received(_Raw(), pts, dts)


@pytest.mark.parametrize(
    ("given", "expected", "says"),
    [
        ([0, 40, 80], [0, 40, 80], ""),
        ([None, None, None], [0, 40, 80], "3 frames retimed"),
        ([0, None, 80], [0, 40, 80], "1 frame retimed"),
        ([-80, -40, 0], [-80, -40, 0], ""),
        ([0, 40, 30, 120], [0, 40, 80, 120], "1 frame retimed"),
        ([0, 40, 40, 80], [0, 40, 60, 80], "1 frame retimed"),
        ([0, 40, 0, 8040], [0, 40, 80, 8040], "1 frame retimed"),
        (
            [90000, 90040, *range(0, 480, 40)],
            list(range(90000, 90560, 40)),
            "1 restart of the timestamps, 12 frames retimed",
        ),
        ([90000, 90040, 0, 40], [90000, 90040, 90080, 90120], "2 frames retimed"),
        ([0, 8000, 8040], [0, 8000, 8040], ""),
        (
            [0, 40, *range(DAY, DAY + 400, 40)],
            list(range(0, 480, 40)),
            "1 restart of the timestamps, 10 frames retimed",
        ),
    ],
    ids=[
        "plain",
        "none",
        "one-missing",
        "negative",
        "back",
        "twice",
        "back-before-a-gap",
        "restart",
        "falls-at-the-end",
        "gap",
        "back-taken-for-a-turn",
    ],
)
def test_timestamps_always_rise(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: list[int | None],
    expected: list[int],
    says: str,
) -> None:
    from caer_data.media.decode import VideoReader

    path = numbered.write(tmp_path / "any.mkv", 5)
    monkeypatch.setattr(VideoReader, "_raw_frames", lambda self: (_received(p) for p in given))
    reader = frames(path, probe(path))
    assert [f.pts for f in reader] == expected
    assert str(reader.damage) == says


def test_frames_without_times_last_as_long_as_the_decoder_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from caer_data.media.decode import VideoReader

    path = numbered.write(tmp_path / "any.mkv", 5)
    lengths = [40, 60, 40, 60, 4000, 0, 40]  # film on a DVD, then nonsense
    given = [Received(_Raw(), None, None, duration=length) for length in lengths]
    monkeypatch.setattr(VideoReader, "_raw_frames", lambda self: iter(given))
    assert [f.pts for f in frames(path, probe(path))] == [0, 40, 100, 140, 200, 240, 280]


def test_frames_that_an_edit_list_leaves_out_are_not_lost(tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "a.mp4", 200, gop=25)
    info = probe(path)
    second = int(1 / info.time_base)
    set_edits(path, [(2000, 0, 1), (3000, 5 * second, 1)])
    reader = frames(path, info)
    numbers = [numbered.number_of(frame.picture()) for frame in reader]
    assert len(numbers) == pytest.approx(125, abs=3)  # B-frames at the edges
    assert max(np.diff(numbers)) == pytest.approx(75, abs=3)
    assert not reader.damage.is_damaged


def test_frames_that_are_missing_beside_damage_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from caer_data.media.decode import VideoReader

    class Torn(_Raw):
        is_corrupt, key_frame = True, False

    class Key(_Raw):
        key_frame = True

    path = numbered.write(tmp_path / "any.mkv", 5)
    whole = [Received(Key(), 40 * n, None) for n in range(100)]
    monkeypatch.setattr(VideoReader, "_raw_frames", lambda self: iter(given))
    given = [*whole[:50], *whole[60:]]
    reader = frames(path, probe(path))
    assert sum(1 for _ in reader) == 90
    assert not reader.damage.is_damaged, "a gap alone may be intended"
    given = [*whole[:49], Received(Torn(), 49 * 40, None), *whole[60:]]
    assert sum(1 for _ in reader) == 90
    assert (reader.damage.frames_lost, reader.damage.corrupt_frames) == (10, 1)


def test_decode_times_are_taken_where_they_have_fewer_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from caer_data.media.decode import VideoReader

    path = numbered.write(tmp_path / "any.mkv", 5)
    given = [
        _received(p, d) for p, d in zip([1, 4, 3, 5, 2, 8], [2, 3, 4, 5, 6, None], strict=True)
    ]
    monkeypatch.setattr(VideoReader, "_raw_frames", lambda self: iter(given))
    reader = frames(path, replace(probe(path), start_pts=0))
    assert [f.pts for f in reader] == [0, 1, 2, 3, 4, 6]


def test_a_file_that_is_gone_says_so(tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "gone.mp4", 5)
    info = probe(path)
    path.unlink()
    with pytest.raises(CaerError, match="No such file"):
        list(frames(path, info))


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "long.mp4", 300, gop=12)
    info = probe(path)
    peaks = []
    for _ in range(3):
        for frame in frames(path, info, threads=2):
            frame.small(96, 48)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert peaks[-1] - peaks[0] < 20_000, "kB after another 600 frames"


def test_negative_times_in_matroska_keep_pictures_and_sound_together(tmp_path: Path) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 100, sound=True)
    path = tmp_path / "early.mkv"
    ffmpeg("-i", plain, "-c", "copy", "-avoid_negative_ts", "disabled",
           "-output_ts_offset", "-1.5", path)  # fmt: skip
    info = probe(path)
    reader = frames(path, info)
    seconds = [float(f.pts * info.time_base) for f in reader]
    assert seconds == pytest.approx([-1.5 + n / 25 for n in range(100)], abs=0.002)
    assert (reader.damage.restarts, reader.damage.is_damaged) == (0, False)


def test_empty_beats_of_an_avi_are_no_lost_frames(tmp_path: Path) -> None:
    late = [n + (50 if n else 0) for n in range(40)]
    path = numbered.write(tmp_path / "late.avi", 40, codec="mpeg4", pts=late)
    reader = frames(path, probe(path))
    assert [numbered.number_of(f.picture()) for f in reader] == list(range(40))
    assert (reader.damage.frames_given, reader.damage.is_damaged) == (40, False)


def test_what_is_built_on_a_repaired_frame_counts_as_damaged(tmp_path: Path) -> None:
    whole = numbered.write(tmp_path / "whole.ts", 100, gop=50)
    data = whole.read_bytes()
    place = len(data) // 188 // 4 * 188
    path = tmp_path / "holed.ts"
    path.write_bytes(data[:place] + data[place + 188 * 12 :])
    reader = frames(path, probe(path))
    numbers = {numbered.number_of(f.picture()) for f in reader}
    gone = 100 - len(numbers & set(range(100)))
    assert 1 < gone <= reader.damage.corrupt_frames + reader.damage.frames_lost < 50
