"""Windows of frames for training and testing."""

from __future__ import annotations

import numpy as np
import pytest
from made_up import tiny_store

from caer_data.benchmark.data.windows import all_windows, random_windows, window_starts


@pytest.mark.parametrize(
    ("length", "starts"),
    [
        pytest.param(5, [0], id="short clip"),
        pytest.param(16, [0], id="one window"),
        pytest.param(17, [0, 1], id="last one is aligned to the end"),
        pytest.param(24, [0, 8], id="exact"),
        pytest.param(35, [0, 8, 16, 19], id="aligned after exact ones"),
    ],
)
def test_window_starts(length: int, starts: list[int]) -> None:
    assert window_starts(length, 16, 8) == starts


def store_of(lengths: list[int]):
    store = tiny_store(train=len(lengths), validation=1, test=1)
    store.frames = np.array([*lengths, 1, 1])
    store.first = np.concatenate([[0], np.cumsum(store.frames)[:-1]])
    return store


def test_every_frame_is_seen_and_short_clips_repeat_their_last() -> None:
    pick = all_windows(store_of([3, 10]), np.array([0, 1]), frames=4, stride=2)
    assert pick.samples.tolist() == [0, 1, 1, 1, 1]
    assert pick.rows[0].tolist() == [0, 1, 2, 2]
    assert sorted(set(pick.rows[1:].ravel().tolist())) == list(range(3, 13))


def test_random_windows_stay_inside_and_reach_every_start() -> None:
    store = store_of([3, 10])
    starts = set()
    for epoch in range(200):
        pick = random_windows(store, np.array([0, 1]), 4, seed=0, epoch=epoch)
        rows = pick.rows[pick.samples == 1][0]
        assert (np.diff(rows) == 1).all()
        starts.add(int(rows[0]))
    assert starts == set(range(3, 10))


def test_windows_are_a_function_of_seed_and_epoch() -> None:
    store = store_of([20] * 10)

    def draw(seed: int, epoch: int) -> list[list[int]]:
        return random_windows(store, np.arange(10), 4, seed, epoch).rows.tolist()

    assert draw(0, 1) == draw(0, 1)
    assert draw(0, 1) != draw(0, 2)
    assert draw(0, 1) != draw(1, 1)
