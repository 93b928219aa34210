"""Another rip of a made-up video, known by its hashes, is found moment by moment."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from caer_data.media import alignment, windows
from caer_data.media.alignment import Known, align, likely
from caer_data.media.fields import Fields
from caer_data.media.scan import SIZE, Scan
from caer_data.media.shared_frame import RELEASED, SharedFrame

FPS = 25
SHOT = 3.0
LENGTH = 24.0


def look(seed, moment, size=(160, 90)):
    """A moment of a video: every three seconds another scenery, which the camera pans over."""
    number, rest = divmod(moment, SHOT)
    random = np.random.default_rng([seed, int(number)])
    world = random.integers(0, 255, (7, 16)).astype(np.uint8)
    wide = cv2.resize(world, (size[0] * 2, size[1]), interpolation=cv2.INTER_CUBIC)
    x = round(rest / SHOT * size[0] * 0.8)
    return wide[:, x : x + size[0]]


def known_of(seed=1, length=LENGTH):
    times = np.arange(0, length, 1 / 8)
    small = [cv2.resize(look(seed, t), (32, 18), interpolation=cv2.INTER_AREA) for t in times]
    hashes = windows.hashes(np.array(small), RELEASED)
    return Known(times, hashes, np.tile([0.0, 0.0, 1.0, 1.0], (len(times), 1)))


def scan_of(moments, seed=1, edit=lambda picture: picture):
    """A file that shows some moments, one a frame; None is a grey picture of something else."""
    shown = []
    for number, moment in enumerate(moments):
        picture = look(99, number / 5) if moment is None else look(seed, moment)
        shown.append(edit(picture))
    pictures = np.array([cv2.resize(p, SIZE, interpolation=cv2.INTER_AREA) for p in shown])
    pts = np.arange(len(moments))
    rough = np.arange(0, len(moments), 3)
    small = [cv2.resize(shown[n], (32, 18), interpolation=cv2.INTER_AREA) for n in rough]
    bars = np.tile(np.array([0, 0, 128, 72], np.uint8), (len(rough), 1))
    seen = rough, np.array(small), bars
    return Scan(pts, len(pts), pts / FPS, pictures, seen, False, Fields.FLAGGED, False)


def moments_of(start, end, speed=1.0):
    """What a file shows that runs so much slower, frame by frame."""
    return list(np.arange(start, end, 1 / FPS / speed))


@pytest.fixture(scope="module")
def known():
    return known_of()


@pytest.mark.parametrize("speed", [1.0, 24 / 25, 25 / 23.976])
def test_speeds_are_told_apart(known, speed):
    found = align(known, scan_of(moments_of(0, LENGTH, speed)))
    assert found.stretches[0].rate == pytest.approx(speed, abs=0.0015)
    for start in (1.0, 10.0, 20.0):
        span = found.find(start, start + 2)
        assert span.start == pytest.approx(start * speed, abs=0.08)
        assert span.end == pytest.approx((start + 2) * speed, abs=0.08)
        assert span.error_s is None or span.error_s < 0.1


def test_what_was_put_in_and_cut_out(known):
    moments = moments_of(0, 6) + [None] * 75 + moments_of(6, 12) + moments_of(15, LENGTH)
    found = align(known, scan_of(moments))
    assert found.find(2.0, 4.0).start == pytest.approx(2.0, abs=0.05)
    assert found.find(7.0, 9.0).start == pytest.approx(10.0, abs=0.05)
    assert found.find(17.0, 19.0).start == pytest.approx(17.0, abs=0.05)
    assert found.find(12.5, 14.5) is None
    assert found.find(5.0, 7.0) is None  # the advert lies in the middle of it
    assert found.find(11.0, 16.0) is None


@pytest.mark.parametrize(
    ("edit", "box"),
    [
        pytest.param(lambda p: p[4:-4, 8:-8], (-0.056, -0.049, 1.056, 1.049), id="crop"),
        pytest.param(
            lambda p: cv2.copyMakeBorder(p, 15, 15, 0, 0, cv2.BORDER_CONSTANT),
            (0.0, 0.125, 1.0, 0.875),
            id="letterbox",
        ),
        pytest.param(lambda p: cv2.resize(p, (120, 90)), (0.0, 0.0, 1.0, 1.0), id="squeezed"),
    ],
)
def test_where_the_frame_lies(known, edit, box):
    found = align(known, scan_of(moments_of(0, LENGTH), edit=edit))
    assert found.frame.box == pytest.approx(box, abs=0.03)
    assert found.find(10.0, 12.0).start == pytest.approx(10.0, abs=0.05)


def test_a_mirrored_file(known):
    found = align(known, scan_of(moments_of(0, LENGTH), edit=lambda p: p[:, ::-1]))
    assert found.frame.mirrored
    assert found.frame.moved((0.1, 0.2, 0.3, 0.4)) == pytest.approx((0.7, 0.2, 0.9, 0.4), abs=0.03)


def test_another_video_is_none(known):
    assert align(known, scan_of(moments_of(0, LENGTH), seed=2)) is None


def test_the_likely_ones_come_first(known):
    others = [known_of(seed, 12.0) for seed in range(3, 9)]
    videos = [*others[:4], known, *others[4:]]
    assert likely(videos, scan_of(moments_of(0, LENGTH)))[0] == 4
    assert likely(videos[:2], scan_of(moments_of(0, LENGTH))) == [0, 1]


def test_nothing_is_found_in_nothing(known):
    assert align(known, scan_of(moments_of(0, 0.1))) is None
    grey = scan_of(moments_of(0, 4), edit=lambda p: np.full_like(p, 90))
    assert align(known, grey) is None
    assert likely([known] * 4, grey) == []


def test_boxes_stay_within_the_frame_they_are_moved_to():
    frame = SharedFrame((-0.125, -0.125, 1.125, 1.125), 2, mirrored=False)
    assert frame.moved((0.0, 0.2, 0.5, 1.0)) == pytest.approx((0.0, 0.125, 0.5, 1.0))


def test_a_path_does_not_leave_for_a_moment():
    cost = np.full((40, 3), 30, np.float32)
    cost[:, 2] = alignment._ABSENT
    cost[:20, 0], cost[20:, 1] = 2, 2
    cost[8:10, 0] = 32  # two pictures that look like nothing
    assert alignment._path(cost) == [(0, slice(0, 20)), (1, slice(20, 40))]
