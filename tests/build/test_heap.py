from __future__ import annotations

import ctypes
import sys

import psutil
import pytest

from caer_data.build import heap as heap_module
from caer_data.build.heap import Heap


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"),
    reason="only glibc gives memory back on request",
)
def test_room_between_small_results_is_given_back(monkeypatch):
    monkeypatch.setattr(heap_module, "_GROWTH", 16 * 1024**2)
    heap = Heap()
    # too small for pages of their own, with something that stays after each
    large, small = [], []
    for _ in range(1000):
        large.append(bytearray(100_000))
        small.append(bytearray(2_000))
    full = psutil.Process().memory_info().rss
    large.clear()
    heap.tidy()
    assert psutil.Process().memory_info().rss < full - 50_000_000
    assert len(small) == 1000


def test_a_process_that_has_not_grown_is_left_alone(monkeypatch):
    heap = Heap()
    monkeypatch.setattr(heap, "_trim", lambda _: pytest.fail("trimmed"))
    heap.tidy()


def test_other_systems_do_without(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(heap_module, "_GROWTH", -(1024**4))
    Heap().tidy()
