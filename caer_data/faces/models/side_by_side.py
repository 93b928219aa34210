"""A batch on several cores, with the same bytes on any number of them.

ONNX Runtime's own threads change the last digits of some models' answers: what a thread computes
depends on how many there are. So each session keeps to one thread, which processes a batch as it
answers its pictures one by one, and the pictures are shared out here.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np


class SideBySide:
    """A session of one thread whose `run` uses several, a picture of the batch each.

    Args:
        session: an onnxruntime.InferenceSession, whose inputs and outputs begin with the batch.
        threads: pictures that are processed at once.
    """

    def __init__(self, session: Any, threads: int) -> None:
        self._session = session
        self._pool = ThreadPoolExecutor(threads)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, outputs: Sequence[str] | None, feed: dict[str, Any]) -> list[Any]:
        """Answer a batch; as `InferenceSession.run`."""
        count = min(len(values) for values in feed.values())
        if count < 2:
            answer: list[Any] = self._session.run(outputs, feed)
            return answer
        ones = [{name: values[n : n + 1] for name, values in feed.items()} for n in range(count)]
        answers = self._pool.map(lambda one: self._session.run(outputs, one), ones)
        return [np.concatenate(parts) for parts in zip(*answers, strict=True)]
