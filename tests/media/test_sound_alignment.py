"""Sound that is known by its fingerprints is found in another file, also at another speed."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from notes import tune
from numbered_video import write

from caer_data.media import sound_alignment, sound_prints
from caer_data.media.probe import probe
from caer_data.media.scan import scan
from caer_data.media.sound_alignment import CHANCE, SoundAlignment

LENGTH = 30.0
TIMES = np.arange(2.0, LENGTH - 2.0, 0.5)
HERE = np.zeros(1)


@pytest.mark.parametrize("speed", [1.0, 24 / 25, 25 / 24])
def test_the_shift_is_found_at_the_speed_at_which_it_was_played(speed):
    known = sound_prints.of_samples(tune(1, LENGTH))
    noise = np.random.default_rng(0).normal(0, 400, int(LENGTH * speed * 8000))
    file = np.concatenate([tune(2, 7.0), (tune(1, LENGTH, speed) * 0.6 + noise).astype(np.int16)])
    sound = SoundAlignment(known, file)
    assert sound.shifts(speed)[0] == pytest.approx(7.0, abs=0.5)
    steps = np.round(np.arange(-0.6, 0.61, 0.01), 2)
    cost = sound.over(2.0, LENGTH - 2.0, speed, 7.0, steps)
    assert steps[cost.argmin()] == pytest.approx(0.0, abs=0.03)
    assert cost.min() < 14
    assert np.median(sound.cost(TIMES, speed, 3.0, HERE)) == pytest.approx(CHANCE, abs=6)


def test_other_sound_suggests_no_shift():
    known = sound_prints.of_samples(tune(1, LENGTH))
    assert len(SoundAlignment(known, tune(2, LENGTH)).shifts(1.0)) == 0


def test_silence_says_nothing():
    plain = tune(1, LENGTH)
    known = sound_prints.of_samples(plain)
    mute = plain.copy()
    mute[10 * 8000 : 20 * 8000] = 0
    cost = SoundAlignment(known, mute).cost(np.array([5.0, 15.0, 25.0, 500.0]), 1.0, 0.0, HERE)
    assert np.isfinite(cost[:, 0]).tolist() == [True, False, True, False]
    assert len(SoundAlignment(known, np.zeros(0, np.int16)).shifts(1.0)) == 0
    assert len(SoundAlignment(np.zeros(99, np.uint32), plain).shifts(1.0)) == 0


def test_the_sound_of_a_file_ends_with_its_pictures(tmp_path):
    loud = write(tmp_path / "loud.mp4", 75, sound=True)
    shown = scan(loud, probe(loud), sound=True)
    assert len(shown.sound) / sound_prints.SAMPLES == pytest.approx(3.0, abs=0.1)
    assert len(shown.sound) <= 3.0 * sound_prints.SAMPLES
    assert len(scan(loud, probe(loud)).sound) == 0


@pytest.mark.parametrize("count", [1, 2, 960, 999, 5000])
@pytest.mark.parametrize("pitch", sound_alignment.PITCHES)
@pytest.mark.parametrize("block", [1, 7, 24, 480, 1 << 20])
def test_sound_resampled_in_blocks_is_the_same_as_in_one_piece(count, pitch, block, monkeypatch):
    monkeypatch.setattr(sound_alignment, "_BLOCK", block)
    samples = np.random.default_rng(count).integers(-(2**15), 2**15, count, np.int16)
    at = np.arange(int(count / pitch)) * pitch
    whole = np.interp(at, np.arange(count), samples).astype(np.int16)
    made = sound_alignment._resampled(samples, pitch)
    assert made.dtype == np.int16
    assert made.tobytes() == whole.tobytes()


@pytest.mark.parametrize("pitch", [24 / 25, 25 / 24])
def test_resampling_holds_the_result_and_one_block(pitch):
    samples = np.zeros(12 << 20, np.int16)
    tracemalloc.start()
    made = sound_alignment._resampled(samples, pitch)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < made.nbytes + 64 * sound_alignment._BLOCK
