"""Suites: the rows of a table, each a recipe with its structural changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from caer_data.benchmark.recipe import ModelRecipe, Preset, load, vary
from caer_data.engine.errors import CaerError
from caer_data.engine.files import slug

Dataset = Literal["CAER", "CAER-S"]


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        label: title in the results table; unique in its suite.
        recipe: the recipe to train.
        paper: accuracy in the paper in percent, or None.
        paper_dataset: the dataset of that figure.
        note: a remark for readers, such as that no weights were given.
    """

    label: str
    recipe: ModelRecipe
    paper: float | None
    paper_dataset: Dataset
    note: str = ""


NAMES: Final = ("table3", "table4", "table5", "figure8", "readings", "modern")
"""The paper's tables; its Figure 8 (face not hidden); choices it leaves open; newer models."""

_TITLES: Final = {
    "caer-net": "CAER-Net",
    "caer-net-s": "CAER-Net-S",
    "alexnet": "AlexNet",
    "vgg": "VGGNet",
    "resnet": "ResNet",
    "c3d": "C3D",
}
_CAER_NETS: Final[dict[str, tuple[Dataset, float]]] = {
    "caer-net-s": ("CAER-S", 73.51),
    "caer-net": ("CAER", 77.04),
}
_OFF = {"face": False, "context": False, "context_attention": False, "fusion_attention": False}
_ABLATIONS: Final[dict[str, dict[str, bool]]] = {
    "F": {**_OFF, "face": True},
    "C+cA": {**_OFF, "context": True, "context_attention": True},
    "F+C": {**_OFF, "face": True, "context": True},
    "F+C+cA": {"fusion_attention": False},
    "F+C+fA": {"context_attention": False},
    "F+C+cA+fA": {},
}
"""Ablations are structural: disabled parts are not built (features are never set to zero)."""

_TABLE3: Final[dict[str, dict[str, float]]] = {
    "caer-net-s": {"F": 70.09, "C+cA": 65.65, "F+C+cA+fA": 73.51},
    "caer-net": {
        "F": 74.13,
        "C+cA": 71.94,
        "F+C": 74.36,
        "F+C+cA": 74.94,
        "F+C+fA": 75.57,
        "F+C+cA+fA": 77.04,
    },
}
_BASELINES: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "table4": {"alexnet": (47.36, 61.73), "vgg": (49.89, 64.85), "resnet": (57.33, 68.46)},
    "table5": {"c3d": (66.38, 71.02)},
}
"""Accuracy of each baseline with frozen and with fine-tuned features."""

_BACKBONES: Final = {
    "R(2+1)D-18": "r2plus1d",
    "R(2+1)D-18, face only": "face-only",
    "R(2+1)D-18, context only": "context-only",
}

_READINGS: Final[dict[str, dict[str, Any]]] = {
    "BN and ReLU on the logit": {"layers": {"attention_bn_relu": True}},
    "BN and ReLU, mean": {"layers": {"attention_bn_relu": True, "attention_pool": "mean"}},
    "plain logit": {"layers": {"attention_bn_relu": False}},
    "plain logit, mean": {"layers": {"attention_bn_relu": False, "attention_pool": "mean"}},
    "plain logit, mean-bn": {"layers": {"attention_bn_relu": False, "attention_pool": "mean-bn"}},
    "no dropout": {"layers": {"dropout": 0.0}},
    "face filled with the mean": {"hide": {"fill": "mean"}},
    "margin of a tenth": {"hide": {"margin": 0.1}},
    "all faces hidden": {"hide": {"faces": "all"}},
    "centre crop": {"augment": {"random_crop": False}},
}


def rows(
    suite: str,
    preset: Preset = "paper",
    weights: Mapping[str, str] | None = None,
    encoder: str | None = None,
) -> list[Row]:
    """Return the rows of a suite, in the paper's order.

    Args:
        suite: one of `NAMES`.
        preset: preset of the recipes; in the suite `modern`, only of CAER-Net's.
        weights: weight file of each baseline (`{"vgg": "vgg16.pth"}`). A baseline without one has
            a single row, trained from scratch, instead of the paper's two.
        encoder: ONNX file of the probe in the suite `modern`; without it, the row is omitted.

    Raises:
        CaerError: there is no such suite, or a model with weights is not one of its baselines.
    """
    if suite not in NAMES:
        raise CaerError(f"{suite}: no such suite; known are {', '.join(NAMES)}")
    if encoder and suite != "modern":
        raise CaerError(f"{suite} has no row for an encoder; --suite modern has one")
    if suite == "modern":
        return _modern(preset, weights or {}, encoder)
    if unknown := sorted(set(weights or {}) - set(_BASELINES.get(suite, {}))):
        raise CaerError(
            f"--features: the suite {suite} has no baseline {unknown[0]} to give weights to"
        )
    if suite == "table3":
        return [
            _caer_net(name, preset, label, {"streams": _ABLATIONS[label]}, accuracy)
            for name, figures in _TABLE3.items()
            for label, accuracy in figures.items()
        ]
    if suite == "figure8":
        return [
            _caer_net(name, preset, label, {"hide": {"faces": faces}}, accuracy)
            for name, (_, accuracy_hidden) in _CAER_NETS.items()
            for label, faces, accuracy in (
                ("face hidden", "target", accuracy_hidden),
                ("face not hidden", "none", None),
            )
        ]
    if suite == "readings":
        return [
            _caer_net("caer-net", preset, label, changes, None)
            for label, changes in _READINGS.items()
        ]
    ours = "caer-net-s" if suite == "table4" else "caer-net"
    return [
        *_baselines(suite, preset, weights or {}),
        _caer_net(ours, preset, "", {}, _CAER_NETS[ours][1]),
    ]


def _modern(preset: Preset, weights: Mapping[str, str], encoder: str | None) -> list[Row]:
    """Return CAER-Net, with the paper's schedule and with AdamW, and newer models."""
    if unknown := sorted(set(weights) - {"r2plus1d"}):
        raise CaerError(
            f"--features: the suite modern has no baseline {unknown[0]} to give weights to"
        )
    # newer models do not depend on CAER-Net's preset
    newer = load("r2plus1d").train.model_dump()
    found = [
        _caer_net("caer-net", preset, "", {}, None),
        _caer_net("caer-net", preset, "AdamW, cosine", {"train": newer}, None),
        Row("CAER-Net with sound", load("caer-net-sound"), None, "CAER"),
        Row("Sound alone", load("sound"), None, "CAER"),
    ]
    features = {"baseline": {"weights": weights.get("r2plus1d")}}
    note = "" if weights else "no Kinetics weights were given: all layers learn from scratch"
    for title, name in _BACKBONES.items():
        found.append(Row(title, vary(load(name), features), None, "CAER", note))
    if encoder:
        probe = vary(load("onnx-probe"), {"baseline": {"encoder": encoder}})
        found.append(Row("Frozen encoder, probe", probe, None, "CAER"))
    return found


def _caer_net(
    name: str, preset: Preset, label: str, changes: Mapping[str, Any], accuracy: float | None
) -> Row:
    title = f"{_TITLES[name]} {label}".strip()
    recipe = vary(load(name, preset), {**changes, "name": slug(title)})
    return Row(title, recipe, accuracy, _CAER_NETS[name][0])


def _baselines(suite: str, preset: Preset, weights: Mapping[str, str]) -> list[Row]:
    """Return frozen rows, then fine-tuned ones; without weights, one row from scratch."""
    source, dataset = _sources(suite)
    frozen, tuned = [], []
    for name, (paper_frozen, paper_tuned) in _BASELINES[suite].items():
        title, recipe = _TITLES[name], load(name, preset)
        if name not in weights:
            note = f"no {source} weights were given: all layers learn from scratch"
            tuned.append(Row(f"{title} from scratch", recipe, None, dataset, note))
            continue
        features = {"weights": weights[name], "frozen": False}
        fixed = vary(recipe, {"name": f"{name}-frozen", "baseline": {**features, "frozen": True}})
        frozen.append(Row(f"{source}-{title}", fixed, paper_frozen, dataset))
        moved = vary(recipe, {"name": f"{name}-fine-tuned", "baseline": features})
        tuned.append(Row(f"Fine-tuned {title}", moved, paper_tuned, dataset))
    return [*frozen, *tuned]


def _sources(suite: str) -> tuple[str, Dataset]:
    return ("ImageNet", "CAER-S") if suite == "table4" else ("Sports-1M", "CAER")
