from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from caer_data.engine import heap as heap_module
from caer_data.engine.heap import Heap

# small results, and between them arrays too small for pages of their own; prints MB given back
FRAGMENT = """
import psutil
from caer_data.engine.heap import Heap

rss = psutil.Process().memory_info
heap = Heap()
large, small = [], []
for _ in range(2500):
    large.append(bytearray(100_000))
    small.append(bytearray(2_000))
full = rss().rss
large.clear()
heap.tidy()
print((full - rss().rss) // 10**6, len(small))
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"),
    reason="only glibc gives memory back on request",
)
def test_room_between_small_results_is_given_back():
    # in a process of its own: what other tests left free would be used first
    done = subprocess.run(
        [sys.executable, "-c", FRAGMENT], check=True, capture_output=True, text=True
    )
    given_back, kept = map(int, done.stdout.split())
    assert given_back > 150
    assert kept == 2500


def test_a_process_that_has_not_grown_is_left_alone(monkeypatch):
    heap = Heap()
    monkeypatch.setattr(heap, "_trim", lambda _: pytest.fail("trimmed"))
    heap.tidy()


TABLES = """
import psutil, pyarrow as pa
from caer_data.engine import heap

rss = psutil.Process().memory_info
tables = [pa.array([f"{n}" * 20 for n in range(200_000)]).dictionary_encode() for _ in range(4)]
tables.clear()
full = rss().rss
heap.return_unused()
print((full - rss().rss) // 10**6, pa.total_allocated_bytes())
"""


def test_memory_of_tables_that_are_gone_is_given_back():
    done = subprocess.run(
        [sys.executable, "-c", TABLES], check=True, capture_output=True, text=True
    )
    given_back, in_use = map(int, done.stdout.split())
    assert given_back > 80
    assert in_use == 0


def test_other_systems_do_without(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    heap_module.return_unused()
    monkeypatch.setattr(heap_module, "_GROWTH", -(1024**4))
    Heap().tidy()
