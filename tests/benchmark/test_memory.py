"""Which batch size would fit, from the peaks of two small ones."""

from __future__ import annotations

import pytest
import torch

from caer_data.benchmark.memory import batch_that_fits


@pytest.mark.parametrize(
    ("available", "size"),
    [
        pytest.param(100 + 10 * 64, 64, id="exactly"),
        pytest.param(100 + 10 * 64 - 1, 32, id="one byte less"),
        pytest.param(100 + 10 * 2, 2, id="the smallest"),
        pytest.param(100 + 10, None, id="none"),
    ],
)
def test_batch_that_fits(available: int, size: int | None) -> None:
    assert batch_that_fits(lambda n: 100 + 10 * n, available) == size


def test_not_even_a_small_one() -> None:
    def full(size: int) -> int:
        raise torch.OutOfMemoryError

    assert batch_that_fits(full, 10**9) is None
