"""Another rip of a made-up video, known by its hashes, is found moment by moment."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from notes import tune

from caer_data.media import alignment, sound_prints, windows
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


def known_of(seed=1, length=LENGTH, sound=False):
    times = np.arange(0, length, 1 / 8)
    small = [cv2.resize(look(seed, t), (32, 18), interpolation=cv2.INTER_AREA) for t in times]
    hashes = windows.hashes(np.array(small), RELEASED)
    heard = sound_prints.of_samples(tune(seed, length) if sound else np.zeros(0, np.int16))
    return Known(times, hashes, np.tile([0.0, 0.0, 1.0, 1.0], (len(times), 1)), heard)


def scan_of(moments, seed=1, edit=lambda picture: picture, sound=()):
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
    samples = np.asarray(sound, np.int16)
    seen = rough, np.array(small), bars
    fields = Fields.FLAGGED
    return Scan(pts, len(pts), pts / FPS, pictures, seen, False, fields, False, samples)


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


def test_the_end_of_a_video_is_found_though_its_last_picture_is_some_time_before(known):
    """At 25 frames per second, pictures are 0.12 or 0.16 s apart."""
    rows = np.arange(len(known.times)) < len(known.times) - 1
    short = Known(known.times[rows], known.hashes[rows], known.inside[rows], known.sound)
    found = align(short, scan_of(moments_of(0, LENGTH)))
    end = LENGTH - 0.1  # the last picture is 0.15 s earlier
    assert found.find(end - 2, end).end == pytest.approx(end, abs=0.05)


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


def test_a_file_that_is_too_dark_to_recognise_is_known_by_its_sound():
    videos = [known_of(seed, sound=True) for seed in range(3, 8)]
    nearly_black = scan_of(moments_of(0, LENGTH), seed=5, edit=lambda p: p // 60 + 16)
    assert likely(videos, nearly_black) == []
    heard = scan_of(
        moments_of(0, LENGTH), seed=5, edit=lambda p: p // 60 + 16, sound=tune(5, LENGTH)
    )
    assert likely(videos, heard)[0] == 2
    slower = tune(5, LENGTH, 25 / 24)
    assert likely(videos, replace(heard, sound=slower))[0] == 2
    assert likely(videos, replace(heard, sound=tune(9, LENGTH))) == []


def test_how_much_of_each_other_two_files_contain(known):
    assert align(known, scan_of(moments_of(0, LENGTH))).share > 0.95
    half = align(known, scan_of(moments_of(6, 18)))
    assert half.share > 0.95, "it shows nothing else"
    part = align(known, scan_of([*moments_of(6, 9), *[None] * 21 * FPS]))
    assert part.share == pytest.approx(3 / 24, abs=0.03), "of either"


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


def smeared(picture):
    """A dull picture with shades that are not in it."""
    shades = (
        np.random.default_rng(int(picture[::7, ::7].sum())).normal(0, 33, (5, 9)).astype(np.float32)
    )
    wide = cv2.resize(shades, picture.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(picture * 0.35 + 60 + wide, 0, 255).astype(np.uint8)


def test_what_the_file_shows_twice_does_not_reverse_its_order(known):
    """Three seconds are left out; what was shown before them resembles them."""
    emissions = np.full((120, 3), 30, np.float32)
    emissions[:, 2] = alignment._ABSENT
    due, shifts = np.arange(120) / 8, np.array([0.0, -3.0])
    emissions[:48, 0] = 2
    emissions[72:, 1] = 2
    emissions[48:72, 1] = 1  # at 3 s to 6 s of the file, which the first stretch claims
    emissions[48:72, 0] = 30
    path = alignment._forward(emissions, due, shifts)
    assert [number for number, _ in path] == [0, 1]
    assert due[path[1][1].start] - 3.0 >= due[path[0][1].stop - 1] - alignment._OVERLAP


def test_order_is_kept_by_the_stretches_that_gain_most():
    spans = [(0.0, 10.0), (50.0, 52.0), (10.0, 20.0), (19.5, 30.0)]
    assert alignment._in_order(spans, [100, 30, 100, 2000]) == [0, 2, 3]
    assert alignment._in_order([], []) == []
    assert alignment._in_order(spans[1:3], [500, 100]) == [0]


def test_two_neighbours_do_not_claim_the_same_time():
    one, other = alignment.Stretch(0, 10, 1.0, 0.0), alignment.Stretch(12, 20, 1.0, -3.0)
    apart = alignment._apart([one, other])
    assert apart[0].at(apart[0].end) == pytest.approx(9.0)
    assert apart[1].at(apart[1].start) == pytest.approx(10.0)


def test_few_pictures_do_not_leave_their_stretch(known):
    some = np.ones(len(known.times), bool)
    some[82:94] = False
    few = Known(known.times[some], known.hashes[some], known.inside[some])
    found = align(few, scan_of(moments_of(0, LENGTH))).find(10.0, 12.0)
    assert found.start == pytest.approx(10.0, abs=0.03)
    assert found.error_s is None


@pytest.mark.parametrize("crop", [0.15, 0.2])
def test_a_narrow_crop(known, crop):
    x, y = int(160 * crop), int(90 * crop)
    found = align(known, scan_of(moments_of(0, LENGTH), edit=lambda p: p[y:-y, x:-x]))
    side = crop / (1 - 2 * crop)
    assert found.frame.box == pytest.approx((-side, -side, 1 + side, 1 + side), abs=0.05)
    assert found.find(10.0, 12.0).start == pytest.approx(10.0, abs=0.08)


def test_sound_tells_the_moment_of_pictures_that_are_hard_to_recognise(known):
    assert align(known, scan_of(moments_of(0, LENGTH), edit=smeared)) is None
    heard = scan_of(moments_of(0, LENGTH), edit=smeared, sound=tune(1, LENGTH))
    found = align(known_of(sound=True), heard)
    for start in np.arange(1.0, 21.0, 2.5):
        span = found.find(start, start + 2.0)
        assert span.start == pytest.approx(start, abs=0.08)
        assert span.sound < alignment._SOUNDS


def test_sound_alone_is_no_evidence_of_a_clip():
    known = known_of(sound=True)
    assert align(known, scan_of(moments_of(0, LENGTH), seed=2, sound=tune(2, LENGTH))) is None
    dubbed_over = scan_of(moments_of(0, LENGTH), seed=2, sound=tune(1, LENGTH))
    found = align(known, dubbed_over)
    assert found is None or [n for n in range(20) if found.find(n, n + 2)] == []
