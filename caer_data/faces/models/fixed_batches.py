"""Runs a model on a GPU so that its convolutions are planned once.

ONNX Runtime plans the convolutions of a model whenever its input has another shape than in the call
before, even if that shape is known (https://github.com/microsoft/onnxruntime/issues/23006). With
cuDNN, a plan takes 1 to 2 seconds in each process (measured on an H200 with ONNX Runtime 1.31), as
long as thousands of pictures take. Every shape therefore gets a session of its own. The number of
faces in a shot varies, so batches are filled up to one size, even for a single picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

BATCH: Final = 8
"""Pictures per batch."""
SHAPES: Final = 16
"""Shapes whose sessions are kept; more would need too much memory."""


class FixedBatches:
    """Wraps a session so that `run` only ever calls it with `BATCH` pictures of one shape.

    A picture's results do not depend on the pictures in its batch.

    Args:
        session: an onnxruntime.InferenceSession; the first axis of inputs and outputs is the batch.
        another: returns another session of the same model.
        one_by_one: the model takes one picture at a time, and is always given one.
    """

    def __init__(self, session: Any, another: Callable[[], Any], one_by_one: bool = False) -> None:
        self._session = session
        self._another = another
        self._one_by_one = one_by_one
        self._sessions: dict[Any, Any] = {}  # by shape, the one used last at the end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, outputs: Sequence[str] | None, feed: dict[str, Any]) -> list[Any]:
        """Run a batch and return its outputs, as `InferenceSession.run` does."""
        if self._one_by_one:
            answer: list[Any] = self._of(feed).run(outputs, feed)
            return answer
        count = min(len(values) for values in feed.values())
        answers = []
        for start in range(0, count, BATCH):
            part = {name: _filled(values[start : start + BATCH]) for name, values in feed.items()}
            wanted = min(BATCH, count - start)
            found = self._of(part).run(outputs, part)
            answers.append([output[:wanted] for output in found])
        return [np.concatenate(parts) for parts in zip(*answers, strict=True)]

    def _of(self, feed: dict[str, Any]) -> Any:
        """Return the session for inputs of these shapes."""
        shape = tuple((name, values.shape) for name, values in sorted(feed.items()))
        session = self._sessions.pop(shape, None)
        if session is None:
            if len(self._sessions) >= SHAPES:
                del self._sessions[next(iter(self._sessions))]
            session = self._another() if self._sessions else self._session
        self._sessions[shape] = session
        return session


def _filled(values: Any) -> Any:
    """Return a batch of `BATCH` pictures whose last ones repeat the last given one."""
    missing = BATCH - len(values)
    return np.concatenate([values, np.repeat(values[-1:], missing, axis=0)]) if missing else values
