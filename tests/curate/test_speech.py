"""From what the model hears, window by window, to spans of speech and shares of clips."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from caer_data.curate import speech
from caer_data.media.hearing import UNKNOWN, Block, Heard

A_SECOND = 16_000 / 512


def heard(*parts: tuple[float, int], start: float = 0.0) -> Heard:
    """One block: seconds, and what is heard in all their windows."""
    windows = [np.full(round(s * A_SECOND), value, np.uint8) for s, value in parts]
    return Heard(blocks=[Block(round(start * 1e6), np.concatenate(windows))])


def test_short_pauses_belong_to_speech_and_short_bursts_do_not() -> None:
    told = heard((1, 0), (1, 180), (0.09, 10), (1, 180), (1, 0), (0.1, 190), (1, 0), (1, 50))
    ((start, end),) = speech.spoken(told, 0.0)
    assert start == pytest.approx(1.0, abs=0.04)
    assert end == pytest.approx(3.1, abs=0.04)


def test_faint_speech_counts_from_the_moment_in_which_it_is_likely_enough() -> None:
    told = heard((1, 45), (1, 65), (1, 45), (1, 35))
    ((start, end),) = speech.spoken(told, 0.0)
    assert (start, end) == pytest.approx((1.0, 3.0), abs=0.04)


def test_sound_that_starts_late_is_unknown_before() -> None:
    told = heard((2, 180), (2, 0), start=13.0)
    spoken, audible = speech.spoken(told, 10.0), speech.audible(told, 10.0)
    rows = speech.rows(spoken, audible, 8.0)
    assert [(row["state"], round(row["start_s"]), round(row["end_s"])) for row in rows] == [
        ("unknown", 0, 3),
        ("speech", 3, 5),
        ("unknown", 7, 8),
    ]
    clips = pd.DataFrame({"start_s": [0.0, 3.0, 2.0], "end_s": [3.0, 7.0, 4.5]}, index=[5, 6, 7])
    shares = speech.shares(clips, spoken, audible)
    assert list(shares.index) == [5, 6, 7]
    assert np.isnan(shares[5])
    assert shares[6] == pytest.approx(0.5, abs=0.02)
    assert shares[7] == pytest.approx(1.0)
    assert speech.share_of_all(spoken, audible) == pytest.approx(0.5, abs=0.02)


def test_digital_silence_is_unknown_but_not_a_pause() -> None:
    told = heard((2, 180), (1, UNKNOWN), (2, 180), (6, UNKNOWN), (1, 0))
    spoken, audible = speech.spoken(told, 0.0), speech.audible(told, 0.0)
    assert speech.share(spoken, audible, (0, 5)) == pytest.approx(0.8, abs=0.02)
    assert speech.share(spoken, audible, (6, 10)) is None
    empty = heard((3, UNKNOWN))
    assert speech.audible(empty, 0.0) == []
    assert speech.share_of_all([], []) is None
    assert speech.rows([], [], 3.0) == [{"start_s": 0.0, "end_s": 3.0, "state": "unknown"}]
