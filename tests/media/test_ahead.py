from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import numbered_video as numbered
import pytest

from caer_data.media.ahead import ahead, depth_of
from caer_data.media.decode import frames
from caer_data.media.probe import probe


def running() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name.startswith(("prepare", "read ahead"))}


def slow(number: int) -> int:
    time.sleep(0.002 * (number * 7 % 5))
    return number


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_result_once_and_in_order(threads: int) -> None:
    calls = (partial(slow, number) for number in range(100))
    assert list(ahead(calls, threads, 8)) == list(range(100))
    assert not running()


def test_the_next_frames_are_prepared_while_one_is_examined() -> None:
    prepared = threading.Event()
    calls: list[Callable[[], object]] = [int, int, prepared.set, int]
    for number, _ in enumerate(ahead(iter(calls), 2, 3)):
        if number == 0:
            assert prepared.wait(30), "the third call is made before the first result is consumed"


def test_with_one_thread_nothing_runs_ahead() -> None:
    made: list[int] = []
    calls = (partial(made.append, number) for number in range(3))
    for number, _ in enumerate(ahead(calls, 1, 8)):
        assert made == list(range(number + 1))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_an_error_comes_after_the_results_before_it(threads: int) -> None:
    def failing(number: int) -> int:
        if number == 6:
            raise ValueError("call")
        return slow(number)

    def breaking_off() -> Iterator[Callable[[], int]]:
        for number in range(6):
            yield partial(slow, number)
        raise OSError("iterator")

    cases: list[tuple[Iterator[Callable[[], int]], str]] = [
        ((partial(failing, n) for n in range(9)), "call"),
        (breaking_off(), "iterator"),
    ]
    for calls, says in cases:
        seen = []
        with pytest.raises((ValueError, OSError), match=says):
            for number in ahead(calls, threads, 4):
                seen.append(number)
        assert seen == list(range(6))
        assert not running()


def test_no_more_frames_are_held_than_allowed() -> None:
    lock, held, most = threading.Lock(), 0, 0

    def calls() -> Iterator[Callable[[], int]]:
        nonlocal held, most
        for number in range(60):
            with lock:
                held += 1
                most = max(most, held)
            yield partial(slow, number)

    for _ in ahead(calls(), 3, 5):
        time.sleep(0.001)
        with lock:
            held -= 1
    assert 2 <= most <= 5 + 1, "the one being examined is not yet released"


@pytest.mark.parametrize("threads", [2, 5])
def test_leaving_early_ends_all_threads(tmp_path: Path, threads: int) -> None:
    path = numbered.write(tmp_path / "a.mp4", 200)
    calls = (partial(lambda frame: frame.index, f) for f in frames(path, probe(path)))
    for index in ahead(calls, threads, 4):
        assert running()
        if index == 20:
            break
    del calls
    assert not running()
    with pytest.raises(ZeroDivisionError):
        for number in ahead((partial(slow, n) for n in count()), threads, 4):
            assert 1 / (20 - number)
    assert not running()
    endless = ahead((partial(slow, n) for n in count()), threads, 4)
    assert next(endless) == 0
    endless.close()  # type: ignore[attr-defined]
    assert not running()


def test_fewer_large_frames_are_held(tmp_path: Path) -> None:
    info = probe(numbered.write(tmp_path / "a.mp4", 2))
    sizes = ((320, 240), (1280, 720), (1920, 1080), (7680, 4320))
    two, eight = (
        [depth_of(replace(info, stored_width=w, stored_height=h), threads) for w, h in sizes]
        for threads in (2, 8)
    )
    assert two == [32, 24, 10, 2]
    assert eight == [128, 96, 40, 2]
