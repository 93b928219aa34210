"""Repeated passages: edits are found, other moments and other scenes are not."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from moving import EDITS, crop, scene

from caer_data.engine.pool import run_map
from caer_data.media import fingerprints, matching, motions, overlapping, passages, windows
from caer_data.media.matching import Strip

SILENCE = np.zeros(0, np.uint32)


def strip(pictures: np.ndarray, start: float = 0.0, sound: np.ndarray = SILENCE) -> Strip:
    writer = fingerprints.Writer(Fraction(1, 25))
    for picture in pictures:
        small = cv2.resize(picture, (128, 72), interpolation=cv2.INTER_AREA)
        writer.add(fingerprints.Look.of(small))
    times = start + np.arange(len(pictures)) / fingerprints.RATE
    small = writer.finish()[1]
    stills, detailed = writer.details()
    return Strip(times, small, sound, times[stills], detailed)


def found(strips: list[Strip]) -> set[tuple[int, int]]:
    return {
        (one, other)
        for one, other, match in passages.shared(strips)
        if passages.repeated(match, strips[one], strips[other])
    }


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_found_among_others(edit):
    plain = [strip(scene(seed, 16)) for seed in range(8)]
    edited = strip(EDITS[edit](scene(3, 16)), 100.0)
    assert found([*plain, edited]) == {(3, 8)}


def test_a_crop_that_is_not_centred_is_found():
    plain = [strip(scene(seed, 16)) for seed in range(8)]
    cropped = np.array([cv2.resize(p[5:97, 26:180], (192, 108)) for p in scene(3, 16)])
    assert found([*plain, strip(cropped, 100.0)]) == {(3, 8)}


def test_another_moment_before_the_same_camera_is_no_repetition():
    assert not found([strip(scene(1, 16)), strip(scene(1, 16, 300))])


def test_times_say_what_is_repeated():
    whole, part = strip(scene(1, 24), 10.0), strip(scene(1, 8, 9), 50.0)
    [(_, _, match)] = passages.shared([whole, part])
    step = 1 / fingerprints.RATE
    assert match.one == pytest.approx((10 + 9 * step, 10 + 16 * step), abs=1.1 * step)
    assert match.other == pytest.approx((50.0, 50 + 7 * step), abs=1.1 * step)
    assert not match.place.mirrored
    assert match.motion > 0.8


def test_where_nothing_moves_the_sound_decides():
    random = np.random.default_rng(0)
    one, other = random.integers(1, 2**32, (2, 200), dtype=np.uint32)
    still = np.repeat(scene(5, 1), 16, axis=0)
    same = [strip(still, 0, one), strip(still, 0, one)]
    assert found(same) == {(0, 1)}
    assert not found([strip(still, 0, one), strip(still, 0, other)])
    assert found([strip(still, 0, one), strip(still)]) == {(0, 1)}


def card(name: str) -> np.ndarray:
    """A white card with lines of credits, as a still picture."""
    picture = np.full((108, 192), 235, np.uint8)
    for line, text in enumerate(("DIRECTED BY", name, "PRODUCED BY", name[::-1])):
        cv2.putText(picture, text, (30, 30 + 18 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 10, 1)
    return np.repeat(picture[None], 24, axis=0)


def test_other_cards_to_the_same_music_are_no_repetition():
    music = np.random.default_rng(0).integers(1, 2**32, 64, dtype=np.uint32)
    one, other = card("MARIA NOVAK"), card("CLARA BROOK")
    strips = [strip(one, 0, music), strip(other, 0, music), strip(crop(one, 0.05), 0, music)]
    matches = {(a, b): match for a, b, match in passages.shared(strips)}
    assert matches[0, 1].picture > 0.85  # they hardly differ in small
    assert matches[0, 1].sound > 0.99
    assert found(strips) == {(0, 2)}


def single(picture: np.ndarray) -> Strip:
    small, detailed = fingerprints.of_pictures([picture])
    return Strip(np.zeros(1), small, SILENCE, np.zeros(1), detailed)


def textured(seed: int, detail: int = 0) -> np.ndarray:
    """A picture of large patches, and details of a share of them."""
    made = []
    for size, number in (((5, 7), seed), ((27, 48), [seed, detail])):
        cells = np.random.default_rng(number).integers(0, 256, size).astype(np.uint8)
        made.append(cv2.resize(cells, (192, 108), interpolation=cv2.INTER_CUBIC))
    return np.uint8(0.7 * made[0] + 0.3 * made[1])


@pytest.mark.parametrize("edit", ["crop 5 %", "crop 10 %", "logo", "mirrored"])
def test_an_edited_picture_is_found_among_others(edit):
    plain = [single(textured(seed)) for seed in range(20)]
    copies = [single(EDITS[edit](textured(seed)[None])[0]) for seed in range(20)]
    pairs = found([*plain, *copies])
    assert pairs <= {(n, n + 20) for n in range(20)}
    assert len(pairs) >= 19


def test_pictures_that_differ_only_in_detail_are_no_copies():
    one, other = single(textured(1)), single(textured(1, detail=1))
    alike = Strip(one.times, one.pictures, SILENCE, other.stills, other.detailed)
    assert found([one, one]) == {(0, 1)}
    assert not found([one, alike])


def test_single_pictures_are_looked_up_by_fewer_bits_the_fewer_there_are():
    sizes = [len(windows.bands_among(count)[0]) for count in (1, 100, 10_000, 1_000_000)]
    assert sizes == [8, 8, 13, 16]
    assert len(windows.bands_among(100)) == 12


def test_pixels_under_a_logo_are_found():
    dark = np.uint8(scene(1, 16) // 6)
    marked = dark.copy()
    marked[:, 6:18, 150:180] = 255
    place = overlapping.Place(True, (0, 0, 1, 1), mirrored=False)
    plain, branded = overlapping.views(strip(dark).pictures, strip(marked).pictures, place)
    moments = np.tile(np.arange(16), (2, 1))
    for pair in ((plain, branded), (branded, plain)):
        covered = overlapping.overlaid(*pair, place, moments)
        assert covered.mean() < 0.1
        assert np.abs(plain - branded)[:, ~covered].max() < 16
    assert not overlapping.overlaid(plain, plain, place, moments).any()
    other = strip(scene(2, 16)).pictures.reshape(16, -1).astype(np.float32)
    assert not overlapping.overlaid(plain, other, place, moments).any()


def test_the_sound_tells_which_moment_of_a_still_shot_is_shown():
    random = np.random.default_rng(0)
    sound = random.integers(1, 2**32, 64, dtype=np.uint32)
    still = np.repeat(scene(5, 1), 32, axis=0)
    copy = strip(still[:12], 0, sound[16:40])
    strips = [strip(still, 0, sound), copy]
    [(_, _, match)] = passages.shared(strips)
    assert match.one[0] - match.other[0] == pytest.approx(1, abs=0.13)
    assert match.sound > 0.99
    assert passages.repeated(match, *strips)


def test_sound_is_compared_up_to_the_beginning_of_a_video():
    random = np.random.default_rng(0)
    sound = random.integers(1, 2**32, 64, dtype=np.uint32)
    whole, later = strip(scene(1, 24), 0, sound), strip(scene(1, 16), 0, sound[19:])
    # a quarter of a second too early, so that the first fingerprints have no counterpart
    assert matching._sound(whole, later, 16 / 16, 0.0, 12) == 1.0


def test_strips_with_one_sound_are_compared_whatever_their_pictures_are():
    random = np.random.default_rng(0)
    sounds = random.integers(1, 2**32, (60, 48), dtype=np.uint32)
    strips = [strip(scene(n, 16), 0, sound) for n, sound in enumerate(sounds)]
    copy = strip(scene(99, 12), 0, sounds[7, 8:32])
    chosen = passages._candidates([*strips, copy], None, 4, near=0)
    assert [pair for pair in chosen if 60 in pair] == [(7, 60)]
    tries = passages._tries(strips[7], copy, *chosen[7, 60])
    assert {a - b for a, b, _ in tries} == {4}
    assert passages._candidates([*strips, copy], [0] * 61, 4, near=0) == {}


def _match(
    picture: float,
    motion: float | None,
    sound: float | None,
    seconds: float = 1.875,
    least: float | None = None,
):
    place = overlapping.Place(True, (0, 0, 1, 1), mirrored=False)
    return matching.Match((0, seconds), (0, seconds), place, picture, motion, sound, least)


@pytest.mark.parametrize(
    ("match", "repeats"),
    [
        (_match(0.998, None, None), True),  # from cut to cut
        (_match(0.998, None, None, 1.2), False),  # another moment of a still room
        (_match(0.9999, None, None, 1.2), False),
        (_match(0.95, 0.62, None), False),  # another moment of a face
        (_match(0.95, 0.7, None), True),
        (_match(0.97, 0.9, None, least=0.35), False),  # another take: alike only as a whole
        (_match(0.97, 0.9, None, least=0.6), True),
        (_match(0.92, 0.5, 0.86), True),  # the sound tells
        (_match(0.92, 0.5, 0.86, least=0.3), True),
        (_match(0.92, 0.5, 0.64), False),
        (_match(0.92, 0.1, 0.86), False),  # the same music to something else
        (_match(0.92, 0.1, 0.99), False),
        (_match(0.92, 0.25, 0.95), True),  # hardly anything moves, but all of the sound is the same
        (_match(0.8, 0.25, 0.95), False),
    ],
)
def test_what_is_sure(match, repeats):
    one, other = strip(scene(1, 16)), strip(scene(1, 16))
    assert passages.repeated(match, one, other) == repeats


@pytest.mark.parametrize(("pictures", "repeats"), [(10, True), (16, False)])
def test_equal_pictures_of_still_footage_are_a_repetition_if_one_clip_shows_no_more(
    pictures, repeats
):
    match = _match(0.9999, None, None, 1.2)
    assert passages.repeated(match, strip(scene(1, 24)), strip(scene(1, pictures))) == repeats


def test_strips_of_which_only_one_moves_do_not_move_alike():
    random = np.random.default_rng(0)
    still = np.repeat(random.normal(size=(1, 576)), 16, axis=0)
    moving = still + random.normal(scale=0.2, size=still.shape)
    rows = [np.float32(100 * r) for r in (still, moving)]
    one, other = (matching._View.of(np.arange(16) / 8, r) for r in rows)
    assert matching.compare_motion(one, one, slice(0, 16), 0) == (None, None)
    found, _ = matching.compare_motion(one, other, slice(0, 16), 0)
    assert found is not None
    assert found < 0.5


def test_another_take_moves_alike_as_a_whole_but_not_from_moment_to_moment():
    """The spot takes the same way, but for a second in the middle it goes the other way round."""
    take = scene(1, 24)
    way = np.arange(24.0)
    way[8:16] = way[8:16][::-1]
    strips = [strip(take), strip(np.array([scene(1, 1, at)[0] for at in way]))]
    match = matching.compare(*strips, (0, 0), mirrored=False)
    assert match.picture > 0.9
    assert match.motion > 0.7
    assert match.least < 0.46
    assert not passages.repeated(match, *strips)
    same = matching.compare(strip(take), strip(EDITS["crop 5 %"](take), 50), (0, 0), False)
    assert same.least > 0.9


def test_pictures_taken_at_other_times_move_alike():
    """At 30 frames per second, pictures are 3 or 4 frames apart, and a cut shifts which."""

    def sampled(first: int) -> Strip:
        frames, due = [], 0.0
        for number in range(first, first + 90):
            if (number - first) / 30 >= due:
                frames.append(number)
                due += 1 / 8
        # a picture of the scene every third of a frame would be a slow motion of it
        pictures = np.array([scene(1, 1, 0.4 * f)[0] for f in frames])
        made = strip(pictures)
        return Strip((np.array(frames) - first) / 30, made.pictures, SILENCE)

    whole, later = sampled(0), sampled(5)
    match = matching.compare(whole, later, (4, 3), mirrored=False)
    assert match.motion > 0.95
    assert match.least > 0.9


def test_black_between_two_fades_does_not_end_a_passage():
    light = np.abs(np.linspace(-1, 1, 24))[:, None, None]  # black in the middle
    faded = np.uint8(scene(1, 24) * np.where(light < 0.2, 0, light))
    match = matching.compare(strip(faded), strip(EDITS["crop 5 %"](faded)), (1, 1), mirrored=False)
    assert match.length > 2.5
    assert match.motion > 0.9


def test_of_moments_before_one_camera_the_same_moves_alike():
    moments = [strip(scene(1, 16, 40 * n)) for n in range(12)]
    copy = strip(EDITS["crop 10 %"](scene(1, 12, 40 * 7 + 3)))
    moving = motions.Motions([*moments, copy])
    together = [moving.alike(number, 12, mirrored=False, window=2) for number in range(12)]
    scores = [found.score for found in together]
    assert int(np.argmax(scores)) == 7
    assert scores[7] > 0.9
    first, second = together[7].at
    assert first - second == pytest.approx(3, abs=1)


def test_a_moment_that_moves_alike_is_compared_though_all_share_a_picture():
    def opening(number: int) -> np.ndarray:
        return np.concatenate([scene(1, 1), scene(1, 15, 40 * number)])

    moments = [strip(opening(n)) for n in range(14)]
    copy = strip(opening(12))
    chosen = passages._candidates([*moments, copy], None, 4, passages.NEAR)
    assert (12, 14) in chosen


def test_a_still_shot_is_looked_up_twice_a_second():
    still = np.repeat(scene(5, 1), 16, axis=0)
    _, pictures, _ = passages._keyed([strip(still)])
    assert pictures.tolist() == [0, 4, 8, 12]


def test_strips_of_one_side_are_not_compared():
    twice = [strip(scene(1, 16)), strip(scene(1, 16))]
    assert list(passages.shared(twice, [7, 7])) == []
    assert [pair[:2] for pair in passages.shared(twice, [7, 8])] == [(0, 1)]


def test_flat_pictures_are_not_compared():
    black = np.zeros((16, 108, 192), np.uint8)
    assert not found([strip(black), strip(black)])


def test_what_is_everywhere_is_tied_to_the_first_of_them():
    title = [strip(scene(1, 8)) for _ in range(70)]
    pairs = found(title)
    assert {other for one, other in pairs if one < 48} == set(range(1, 70))
    assert len(pairs) < 70 * 69 / 2


def test_the_hash_of_the_mirrored_picture_follows():
    pictures = strip(scene(2, 6)).pictures
    turned = windows.hashes(pictures[:, :, ::-1].copy())
    assert (windows.mirrored(windows.hashes(pictures)) == turned).all()


def test_a_place_says_how_pictures_lie_in_each_other():
    plain, cropped = (strip(p).pictures[0] for p in (scene(1, 1), EDITS["crop 10 %"](scene(1, 1))))
    place = overlapping.locate(plain, cropped, False)
    assert place.inside
    assert place.box == pytest.approx((0.1, 0.1, 0.9, 0.9), abs=0.06)
    assert not overlapping.locate(cropped, plain, False).inside
    assert overlapping.locate(plain, strip(scene(9, 1)).pictures[0], False) is None


@pytest.mark.parametrize("share", [0.0, 0.02, 0.04, 0.08, 0.1])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_place_is_refined_to_a_fraction_of_a_pixel(share, mirrored):
    pictures = scene(2, 3)
    edited = EDITS["mirrored"](crop(pictures, share)) if mirrored else crop(pictures, share)
    plain, cropped = strip(pictures).pictures, strip(edited).pictures
    rough = overlapping.locate(plain[0], cropped[0], mirrored)
    place = overlapping.refined(plain, cropped, rough)
    assert place.box == pytest.approx((share, share, 1 - share, 1 - share), abs=0.012)
    first, second = overlapping.views(plain, cropped, place)
    assert first.shape == second.shape
    assert np.abs(first - second).mean() < 4  # of 255


def test_of_many_pictures_only_nearer_ones_are_looked_at_closely():
    assert passages.near_among(1_000) == passages.NEAR
    near = [passages.near_among(n) for n in (20_000, 200_000, 2_000_000)]
    assert near == sorted(near, reverse=True)
    assert near[0] > near[1] > near[2] >= 10


def test_fewer_unrelated_pictures_are_looked_at_closely_if_they_must_be_nearer():
    random = np.random.default_rng(0)
    cells = random.integers(0, 256, (400, 6, 8), np.uint8)
    size = fingerprints.WIDTH, fingerprints.HEIGHT
    pictures = [cv2.resize(c, size, interpolation=cv2.INTER_CUBIC)[None] for c in cells]
    strips = [Strip(np.zeros(1), picture, SILENCE) for picture in pictures]
    asked = [len(passages._candidates(strips, None, 6, near)) for near in (18, 14)]
    assert asked[0] > 0
    assert asked[1] < asked[0] / 2


def test_results_and_their_order_do_not_depend_on_the_number_of_processes(monkeypatch):
    monkeypatch.setattr(passages, "_PART", 5)
    title = [strip(scene(1, 8)) for _ in range(10)]
    strips = [*title, strip(scene(2, 16)), strip(crop(scene(2, 16), 0.05))]
    alone = list(passages.shared(strips))
    assert len(alone) > 5 * 5
    monkeypatch.setattr(passages, "_WORTH", 1)
    monkeypatch.setattr(passages, "_MOVED", 5)
    asked = []
    monkeypatch.setattr(
        passages, "run_map", lambda f, *given: asked.append(f) or run_map(f, *given)
    )
    assert list(passages.shared(strips, jobs=3)) == alone
    assert asked == [passages._alike, passages._compare]
