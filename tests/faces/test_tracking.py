from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from caer_data.faces.models.geometry import iou
from caer_data.faces.models.interface import Detections
from caer_data.faces.tracking import Track, associate, lasts, path_of, rejoin

TIMES = np.arange(200) / 25  # 25 frames per second


def seen(*boxes: tuple[float, float, float, float], score: float = 1.0) -> Detections:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(array, np.full(len(array), score, np.float32))


def box(x: float, y: float = 50, size: float = 40) -> tuple[float, float, float, float]:
    return (x, y, x + size, y + size)


def follow(detections, min_iou=0.3, max_gap_s=1.0, min_detections=2):
    tracks = associate(detections, TIMES, min_iou, max_gap_s)
    return [t for t in tracks if lasts(t, len(detections), min_detections, 0.5)]


def test_two_faces_keep_their_tracks_while_they_approach_each_other():
    steps = {10 * n: seen(box(200 - 8 * n), box(20 + 8 * n)) for n in range(8)}
    tracks = follow(steps)
    assert len(tracks) == 2
    left = [float(b[0]) for b in tracks[0].boxes]
    assert left == [20 + 8 * n for n in range(8)]


def test_a_short_gap_is_bridged_and_a_long_one_starts_a_new_track():
    short = {0: seen(box(50)), 10: seen(), 20: seen(box(52)), 30: seen(box(54))}
    assert [t.frames for t in follow(short)] == [[0, 20, 30]]
    long = {0: seen(box(50)), 10: seen(box(50)), 60: seen(box(52)), 70: seen(box(54))}
    assert [t.frames for t in follow(long)] == [[0, 10], [60, 70]]


@pytest.mark.parametrize(
    ("surest", "tracks"), [(0.49, []), (0.51, [[0, 10, 20]])], ids=["never sure", "sure once"]
)
def test_weak_detections_count_only_beside_a_sure_one(surest, tracks):
    steps = {n: seen(box(50), score=surest if n == 10 else 0.4) for n in (0, 10, 20)}
    assert [t.frames for t in follow(steps)] == tracks


def test_a_single_detection_is_a_false_alarm_unless_the_shot_is_short():
    assert follow({0: seen(box(50)), 10: seen(), 20: seen(), 30: seen()}) == []
    assert len(follow({0: seen(box(50)), 10: seen(), 20: seen()})) == 1
    assert len(follow({0: seen(box(50))})) == 1


def test_a_face_that_jumps_is_another_face():
    tracks = follow({0: seen(box(0)), 10: seen(box(150))}, min_detections=1)
    assert len(tracks) == 2


def test_a_path_fills_every_frame_and_marks_what_is_interpolated():
    (track,) = follow({0: seen(box(50)), 10: seen(box(60)), 20: seen(box(70))})
    path = path_of(track, 0, 24, TIMES, [0, 10, 20])
    assert path.start == 0
    assert len(path.boxes) == 25  # the last sample lies within one step of the shot's end
    assert np.flatnonzero(~path.interpolated).tolist() == [0, 10, 20]
    assert path.boxes[5, 0] == pytest.approx(55, abs=0.1)


def test_a_face_that_leaves_ends_half_way_to_the_next_sample():
    (track,) = follow({0: seen(box(50)), 10: seen(box(50)), 20: seen(), 30: seen()})
    path = path_of(track, 0, 100, TIMES, range(0, 101, 10))
    assert path.start + len(path.boxes) - 1 == 15


@pytest.mark.parametrize("step", [8, 9, 10])
def test_tracks_of_neighbouring_samples_share_no_frame_and_leave_none_out(step):
    samples = list(range(0, 6 * step, step))
    times = np.arange(samples[-1] + step) / 25
    paths = [
        path_of(track(samples[a:b], 50), 0, len(times) - 1, times, samples)
        for a, b in ((0, 3), (3, 6))
    ]
    first, second = ((p.start, p.start + len(p.boxes)) for p in paths)
    assert first[0] == 0
    assert first[1] == second[0]
    assert second[1] == len(times)


def test_smoothing_removes_jitter_but_keeps_the_ends():
    steps = {10 * n: seen(box(50 + (3 if n % 2 else -3))) for n in range(7)}
    (track,) = follow(steps)
    path = path_of(track, 0, 60, TIMES, range(0, 61, 10))
    at_samples = path.boxes[::10, 0]
    assert np.ptp(at_samples[1:-1]) < 0.1
    assert at_samples[0] == 47


def test_iou_of_known_pairs():
    a = np.array([[0, 0, 10, 10]], float)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], float)
    assert iou(a, b)[0] == pytest.approx([1, 1 / 3, 0])


def track(frames, x, size=40.0):
    boxes = [np.array([x, 50, x + size, 50 + size], np.float32)] * len(frames)
    return Track(list(frames), boxes, [0.9] * len(frames), [None] * len(frames))


def joined(*tracks, max_gap_s=1.0, alike=True):
    tracks = rejoin(
        list(tracks), TIMES, max_gap_s, lambda a, b: alike, lambda t: lasts(t, 9, 2, 0.5)
    )
    return [t.frames for t in tracks]


def test_a_track_that_breaks_off_and_goes_on_at_the_same_place_is_one():
    assert joined(track([0, 8, 16], 50), track([24, 32], 80)) == [[0, 8, 16, 24, 32]]


def test_a_single_detection_belongs_to_the_track_that_it_continues():
    """A large face that moves fast does not overlap in the first two samples."""
    single, others = track([0], 20), track([8, 16], 50)
    assert joined(single, others) == [[0, 8, 16]]
    assert joined(others, track([24], 80)) == [[8, 16, 24]]
    assert joined(single, others, alike=False) == [[8, 16]]
    assert joined(track([0], 200), others) == [[8, 16]]
    assert joined(track([0], 20), track([8], 50)) == []


def test_three_parts_of_one_face_become_one_track():
    parts = [track([0, 8], 50), track([16, 24], 75), track([32, 40], 100)]
    assert joined(*parts) == [[0, 8, 16, 24, 32, 40]]


@pytest.mark.parametrize(
    ("second", "alike"),
    [
        pytest.param(track([24, 32], 200), True, id="elsewhere"),
        pytest.param(track([24, 32], 50, 90), True, id="another size"),
        pytest.param(track([80, 88], 50), True, id="much later"),
        pytest.param(track([8, 24], 50), True, id="at the same time"),
        pytest.param(track([24, 32], 50), False, id="another face"),
    ],
)
def test_other_tracks_stay_apart(second, alike):
    first = track([0, 8, 16], 50)
    assert joined(first, second, alike=alike) == [first.frames, second.frames]


def test_a_track_goes_on_in_one_other_only_the_nearest_in_time():
    tracks = [track([0, 8], 50), track([16, 24], 60), track([20, 28], 60)]
    assert joined(*tracks) == [[0, 8, 16, 24], [20, 28]]


@pytest.mark.parametrize("seed", range(20))
def test_the_tracks_joined_are_those_that_a_comparison_of_all_pairs_joins(seed):
    random = np.random.default_rng(seed)
    tracks = []
    for start in sorted(random.integers(0, 150, 30).tolist()):
        frames = range(start, start + 8 * int(random.integers(1, 5)), 8)
        tracks.append(track(frames, float(random.choice([50, 70, 400]))))
    counts = [len(t.frames) > 1 for t in tracks]
    pairs = sorted(
        (TIMES[b.frames[0]] - TIMES[a.frames[-1]], i, j)
        for i, a in enumerate(tracks)
        for j, b in enumerate(tracks)
        if a.frames[-1] < b.frames[0] and (counts[i] or counts[j])
    )
    after = {}
    for gap, i, j in pairs:
        near = abs(float(tracks[i].boxes[0][0] - tracks[j].boxes[0][0])) <= 40
        if gap <= 0.6 + 1e-9 and near and i not in after and j not in after.values():
            after[i] = j
    expected = []
    for first in sorted({*range(len(tracks))} - {*after.values()}):
        last, frames = first, list(tracks[first].frames)
        while last in after:
            last = after[last]
            frames += tracks[last].frames
        if len(frames) > 1:
            expected.append(frames)
    assert after
    assert joined(*tracks, max_gap_s=0.6) == expected


@pytest.mark.parametrize("length", [1, 2], ids=["none counts", "all count"])
def test_tracks_hours_apart_are_not_compared(length):
    """In one fixed shot of hours, the memory grows with the number of tracks, not its square."""
    times = np.arange(40_000) / 25
    tracks = [track(range(n, n + length), 50) for n in range(0, 40_000, 20)]
    tracemalloc.start()
    rejoin(tracks, times, 1.0, lambda a, b: False, lambda t: len(t.frames) > 1)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1000 * len(tracks)
