"""Runs a model on a GPU in batches of one size.

For every new size of batch, cuDNN first plans the convolutions, which takes 1 to 2 seconds in each
process (measured on an H200 with ONNX Runtime 1.31), as long as thousands of pictures take. The
number of faces in a shot varies, so batches are filled up to one size, even for a single picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

BATCH: Final = 8
"""Pictures per batch."""


class FixedBatches:
    """Wraps a session so that `run` only ever calls it with `BATCH` pictures.

    A picture's results do not depend on the pictures in its batch.

    Args:
        session: an onnxruntime.InferenceSession; the first axis of inputs and outputs is the batch.
        one_by_one: the model takes one picture at a time, and is always given one.
    """

    def __init__(self, session: Any, one_by_one: bool = False) -> None:
        self._session = session
        self._one_by_one = one_by_one

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, outputs: Sequence[str] | None, feed: dict[str, Any]) -> list[Any]:
        """Run a batch and return its outputs, as `InferenceSession.run` does."""
        count = min(len(values) for values in feed.values())
        if self._one_by_one:
            answer: list[Any] = self._session.run(outputs, feed)
            return answer
        answers = []
        for start in range(0, count, BATCH):
            part = {name: _filled(values[start : start + BATCH]) for name, values in feed.items()}
            wanted = min(BATCH, count - start)
            answers.append([output[:wanted] for output in self._session.run(outputs, part)])
        return [np.concatenate(parts) for parts in zip(*answers, strict=True)]


def _filled(values: Any) -> Any:
    """Return a batch of `BATCH` pictures whose last ones repeat the last given one."""
    missing = BATCH - len(values)
    return np.concatenate([values, np.repeat(values[-1:], missing, axis=0)]) if missing else values
