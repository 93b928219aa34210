"""Working ahead of a consumer: frames are decoded and prepared while it examines earlier ones.

Decoders, OpenCV and NumPy release Python's global lock while they compute, so threads suffice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Final, TypeVar

from caer_data.media.probe import VideoInfo

ResultT = TypeVar("ResultT")

_BYTES: Final = 32 * 1024**2
"""Memory of the frames that each thread adds to those held."""
_FRAMES: Final = 16
"""Maximum number of frames that each thread adds; more would save no time."""
_PIXEL: Final = 3
"""Bytes of a pixel: at most two for brightness and one for colour, in the common 4:2:0 formats."""


def depth_of(info: VideoInfo, threads: int) -> int:
    """Return how many frames of a video may be held ahead of the consumer, at least two."""
    frame = max(1, info.stored_width * info.stored_height * _PIXEL)
    return max(2, threads * min(_FRAMES, _BYTES // frame))


def ahead(calls: Iterator[Callable[[], ResultT]], threads: int, depth: int) -> Iterator[ResultT]:
    """Make calls ahead of the consumer and yield their results, in order.

    The iterator of calls runs in a thread of its own. An exception that it or a call raises is
    raised here after the results of all earlier calls. Leaving the iteration early ends all
    threads.

    Args:
        calls: what to call.
        threads: number of threads that make the calls; with one, nothing runs ahead: every call is
            made in the consumer's thread when its result is wanted.
        depth: maximum number of calls whose results have not been consumed.
    """
    if threads < 2:
        for call in calls:
            yield call()
        return
    free, results = Semaphore(depth), SimpleQueue[Future[ResultT] | None]()
    left: list[bool] = []
    with ThreadPoolExecutor(threads, "prepare") as pool:

        def read() -> None:
            try:
                while free.acquire() and not left and (call := next(calls, None)):
                    results.put(pool.submit(call))
            except BaseException as error:  # raised in the consumer's thread
                failed = Future[ResultT]()
                failed.set_exception(error)
                results.put(failed)
            finally:
                results.put(None)

        reader = Thread(target=read, name="read ahead", daemon=True)
        reader.start()
        try:
            while (result := results.get()) is not None:
                yield result.result()
                free.release()
        finally:
            left.append(True)
            free.release()
            reader.join()
            pool.shutdown(cancel_futures=True)
