"""Which batch size would fit, from the peaks of two small ones."""

from __future__ import annotations

import math

import pytest
import torch

from caer_data.benchmark.data.memory import MARGIN, batch_that_fits


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
    found = batch_that_fits(lambda n: 100 + 10 * n, math.ceil(available / MARGIN))
    assert found == size


def test_not_even_a_small_one() -> None:
    def full(size: int) -> int:
        raise torch.OutOfMemoryError

    assert batch_that_fits(full, 10**9) is None


def test_another_failure_is_not_taken_for_too_little_memory() -> None:
    def broken(size: int) -> int:
        raise RuntimeError("illegal memory access")

    with pytest.raises(RuntimeError, match="illegal"):
        batch_that_fits(broken, 10**9)
