"""Strips that sound alike are found, and how their sound fits together."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from caer_data.media import fingerprints, sound_matches
from caer_data.media.matching import Strip

SECONDS = 4


def strip(sound: np.ndarray, start: float = 0.0, seconds: float = SECONDS) -> Strip:
    times = start + np.arange(round(seconds * fingerprints.RATE)) / fingerprints.RATE
    pictures = np.zeros((len(times), fingerprints.HEIGHT, fingerprints.WIDTH), np.uint8)
    return Strip(times, pictures, sound)


def sounds(count: int, seconds: float = SECONDS) -> np.ndarray:
    length = round(seconds * sound_matches.RATE)
    return np.random.default_rng(0).integers(1, 2**32, (count, length), dtype=np.uint32)


def worn(sound: np.ndarray, share: float) -> np.ndarray:
    """The fingerprints with this share of their bits turned."""
    turned = np.random.default_rng(1).random((len(sound), 32)) < share
    return sound ^ (turned * (1 << np.arange(32, dtype=np.uint64))).sum(axis=1).astype(np.uint32)


def found(strips: list[Strip]) -> set[tuple[int, int]]:
    return set(sound_matches.pairs(strips, np.arange(len(strips)), 16))


@pytest.mark.parametrize("share", [0.0, 0.04, 0.08])
@pytest.mark.parametrize("first", [8, 9])
def test_a_part_of_a_sound_is_found_in_another_codec(share, first):
    plain = sounds(50)
    part = strip(worn(plain[20, first : first + 40], share), seconds=2.5)
    assert found([*map(strip, plain), part]) == {(20, 50)}


def test_only_the_own_sound_of_a_shot_counts():
    plain = sounds(1, 40)[0]
    shots = [strip(plain, start) for start in (0, 10, 20)]
    copy = strip(plain[160:224])
    assert found([*shots, copy]) == {(1, 3)}


def test_silence_and_hum_are_not_alike():
    silent = strip(np.zeros(64, np.uint32))
    hum = strip(np.full(64, 1, np.uint32))
    assert found([silent, silent, hum, hum, strip(np.zeros(0, np.uint32))]) == set()


def test_strips_of_one_side_are_not_compared():
    strips = [strip(sound) for sound in (*sounds(1), *sounds(1), *sounds(1))]
    assert set(sound_matches.pairs(strips, np.array([0, 0, 1]), 16)) == {(0, 2), (1, 2)}


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_the_shift_of_two_sounds_is_found(share):
    plain = sounds(2)
    part = strip(worn(plain[0, 16:48], share), seconds=2)
    here, there = sound_matches.aligned(strip(plain[0]), part)
    assert here - there == 8  # a second
    assert sound_matches.aligned(strip(plain[1]), part) is None
    assert sound_matches.aligned(strip(np.zeros(64, np.uint32)), part) is None
    assert sound_matches.aligned(strip(plain[0]), strip(plain[0, :8], seconds=0.5)) is None


def test_shots_late_in_a_video_of_a_day_are_found():
    day = sounds(1, 86_400)[0]
    late = 23 * 3600
    shots = [strip(day), strip(day, late)]
    copy = strip(day[late * sound_matches.RATE :][:64])
    assert found([copy, *shots]) == {(0, 2)}
    assert found([*shots, copy]) == {(1, 2)}


def test_of_many_strips_with_the_same_music_only_the_most_alike_are_kept():
    music = sounds(1)[0]
    strips = [strip(worn(music, share)) for share in np.linspace(0, 0.05, 100)]
    mixed = [np.concatenate([own[:32], music[:32]]) for own in sounds(100)]
    strips += [*map(strip, mixed), strip(worn(mixed[50], 0.04))]
    sides = np.arange(len(strips))
    every, some = (sound_matches.pairs(strips, sides, most) for most in (len(strips), 8))
    assert len(every) > 5000
    assert len(some) <= 8 * len(strips)
    assert some.items() <= every.items()
    assert {at for pair in some for at in pair} == {at for pair in every for at in pair}
    assert (150, 200) in some


def test_memory_grows_with_the_length_of_a_still_shot_and_not_its_square():
    plain = sounds(1, 300)[0]
    whole, part = strip(plain, seconds=300), strip(plain[64:], seconds=296)
    tracemalloc.start()
    here, there = sound_matches.aligned(whole, part)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert here - there == 4 * fingerprints.RATE
    assert peak < 50e6  # the comparison of each with each takes 600e6
