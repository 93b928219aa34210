from __future__ import annotations

from fractions import Fraction

import numpy as np

from caer_data.faces.samples import Samples, SampleWriter, encoded


def spool(folder, times: list[Fraction], per_second: float) -> list[int]:
    writer = SampleWriter(folder, per_second)
    for number, time in enumerate(times):
        if writer.due(time):
            writer.add(number, encoded(np.full((36, 64, 3), number % 256, np.uint8)))
    writer.close()
    return Samples(folder).frames.tolist()


def test_samples_are_spaced_evenly_in_time(tmp_path):
    assert spool(tmp_path, [Fraction(n, 25) for n in range(51)], 2.5) == [0, 10, 20, 30, 40, 50]


def test_variable_rates_and_gaps_are_sampled_by_time(tmp_path):
    times = [Fraction(n, 10) for n in range(5)] + [Fraction(60) + Fraction(n, 10) for n in range(9)]
    assert spool(tmp_path, times, 2) == [0, 5, 10]


def test_slow_videos_give_every_frame(tmp_path):
    assert spool(tmp_path, [Fraction(n) for n in range(4)], 2.5) == [0, 1, 2, 3]


def test_pictures_come_back_by_frame(tmp_path):
    spool(tmp_path, [Fraction(n, 25) for n in range(100)], 5)
    samples = Samples(tmp_path)
    assert samples.between(10, 20) == [10, 15]
    assert samples.between(11, 15) == []
    assert abs(samples.picture(95).mean() - 95) < 2


def test_reading_is_told_once_a_picture(tmp_path):
    spool(tmp_path, [Fraction(n, 25) for n in range(100)], 5)
    told = []
    samples = Samples(tmp_path, lambda: told.append(1))
    for frame in (0, 5, 0, 10):
        samples.picture(frame)
    assert len(told) == 3
