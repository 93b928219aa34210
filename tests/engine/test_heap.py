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

# prints the pages that the system clears while 400 pictures are created and freed
PICTURES = """
import resource, sys
import numpy as np
from caer_data.engine.heap import reuse_pictures

if sys.argv[1] == "reuse":
    reuse_pictures()

def pages(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        [np.ones(3_000_000, np.uint8) for _ in range(4)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

pages(3)
print(pages(100))
"""

only_glibc = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"),
    reason="only glibc gives memory back on request",
)


@only_glibc
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


@only_glibc
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
    heap_module.reuse_pictures()


@only_glibc
def test_the_memory_of_freed_pictures_is_reused():
    def cleared(how: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", PICTURES, how], check=True, capture_output=True, text=True
        )
        return int(done.stdout)

    pages = 400 * 3_000_000 // 4096
    assert cleared("reuse") < pages / 20
    assert cleared("default") > pages / 2, "else `reuse_pictures` is no longer needed"
