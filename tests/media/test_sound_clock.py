from __future__ import annotations

import pytest

from caer_data.media.sound_clock import SoundClock

HOUR = 3600 * 1000


@pytest.mark.parametrize(
    ("times", "ahead"),
    [
        ([0, 20, 40, 60], [0, 0, 0, 0]),
        ([0, 20, 1040, 1060], [0, 0, 1000, 0]),
        ([HOUR, HOUR + 20, 0, 20, 1040], [0, 0, 0, 0, 1000]),
        ([0, 20, 20 * HOUR, 20 * HOUR + 20], [0, 0, 0, 0]),
        ([0, 20, 6 * HOUR, 6 * HOUR + 20], [0, 0, 6 * HOUR - 40, 0]),
        ([HOUR, HOUR + 20, 0, HOUR + 60, HOUR + 80], [0, 0, 0, 0, 0]),
        ([0, 20, 20 * HOUR, 60, 80], [0, 0, 0, 0, 0]),
        ([0, 20, 0, 40], [0, 0, -40, -20]),
    ],
    ids=["even", "gap", "falls", "turns", "long-gap", "one-low", "one-high", "overlaps"],
)
def test_gaps_and_falls(times: list[int], ahead: list[int]) -> None:
    clock, here, found = SoundClock(1000), times[0], []
    for time in times:
        found.append(clock.ahead(time, here) if time != times[0] or found else 0)
        here += max(0, found[-1]) + 20
    assert found == ahead
