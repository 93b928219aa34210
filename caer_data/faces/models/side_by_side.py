"""Runs a batch on several cores, with identical results for any number of cores.

With ONNX Runtime's own threads, the last digits of some models' results depend on the number of
threads. Each session therefore uses one thread, and this module distributes a batch's pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np


class SideBySide:
    """Wraps a single-threaded session so that `run` processes several pictures at once.

    Args:
        session: an onnxruntime.InferenceSession; the first axis of inputs and outputs is the batch.
        threads: number of pictures to process at once.
    """

    def __init__(self, session: Any, threads: int) -> None:
        self._session = session
        self._pool = ThreadPoolExecutor(threads)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, outputs: Sequence[str] | None, feed: dict[str, Any]) -> list[Any]:
        """Run a batch and return its outputs, as `InferenceSession.run` does."""
        count = min(len(values) for values in feed.values())
        if count < 2:
            answer: list[Any] = self._session.run(outputs, feed)
            return answer
        ones = [{name: values[n : n + 1] for name, values in feed.items()} for n in range(count)]
        answers = self._pool.map(lambda one: self._session.run(outputs, one), ones)
        return [np.concatenate(parts) for parts in zip(*answers, strict=True)]
