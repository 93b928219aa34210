"""One run: train a recipe with one seed, choose the epoch on validation, test once, save results.

<results>/<dataset>/<recipe>-<hash>/seed-<n>/
  recipe.yaml              the recipe as used
  weights.safetensors      the best epoch
  checkpoint.safetensors   where an interrupted run resumes
  predictions.parquet      probabilities of validation and test
  predictions-on-NAME.parquet   those of another release's test split
  tensorboard/             curves, if TensorBoard is installed
  result.json              all figures; written last, so its presence marks a finished run
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pandas as pd
import torch

from caer_data.benchmark.data.batches import Frames, OnDevice, open_frames
from caer_data.benchmark.data.samples import SPLITS
from caer_data.benchmark.data.store import Store
from caer_data.benchmark.networks import create, own_class_errors
from caer_data.benchmark.recipe import ModelRecipe
from caer_data.benchmark.training import checkpoint, numerics
from caer_data.benchmark.training.checkpoint import Progress
from caer_data.benchmark.training.logs import open_log
from caer_data.benchmark.training.metrics import Scores, majority, score
from caer_data.benchmark.training.predict import Predictions, predict
from caer_data.benchmark.training.train import Trainer, identity_of, samples_an_epoch
from caer_data.engine import section
from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path, sha256_of, slug, write_text
from caer_data.engine.hashing import digest
from caer_data.engine.progress import Reporter

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Result = dict[str, Any]

FROM_SCRATCH: Final = "No weight file was given: all layers learn from scratch."

ABOUT_A_SAMPLE: Final = ("show", "episode", "video", "person", "votes")
"""Columns of a release that predictions repeat; empty if the release lacks them."""


def folder_of(
    results: Path, recipe: ModelRecipe, store: Store, seed: int, weights: Path | None = None
) -> Path:
    """Return the folder of a run, which depends on recipe, data and given weights."""
    identity = identity_of(recipe, store.fingerprint, 0)
    recipe_and_data = digest(identity, 8)
    name = f"seed-{seed}"
    if weights is not None:
        name = f"weights-{sha256_of(weights)[:8]}"
    return results / slug(store.source.name) / f"{slug(recipe.name)}-{recipe_and_data}" / name


def predictions_file(tested_on: str = "") -> str:
    """Return the name of the file of predictions on the run's own data, or on other data."""
    return f"predictions-on-{slug(tested_on)}.parquet" if tested_on else "predictions.parquet"


@dataclass(frozen=True)
class Context:
    """Settings shared by all runs of a command.

    Attributes:
        results: folder of all results.
        fabric: device and processes.
        reporter: shows progress.
        on_device: data kept on the GPU between runs; None keeps nothing.
    """

    results: Path
    fabric: Fabric
    reporter: Reporter
    on_device: OnDevice | None = None


class Elsewhere(NamedTuple):
    """A test on data other than the training data."""

    name: str
    store: Store
    found: Predictions


def run(
    recipe: ModelRecipe,
    store: Store,
    seed: int,
    context: Context,
    *,
    title: str = "",
    also_test: Mapping[str, Store] | None = None,
    weights: Path | None = None,
) -> Result:
    """Perform or resume one run, and return its figures (see `docs/benchmark.md`).

    Args:
        recipe: model and training.
        store: data with its splits.
        seed: seed for weights, order, windows, augmentation and dropout.
        context: settings shared with other runs.
        title: title of the run for progress; default: recipe and seed.
        also_test: other data, by name, whose test split is tested with the same weights.
        weights: weights to test without training.

    Raises:
        CaerError: see `Trainer.fit`, `create`, `load_weights` and `own_class_errors`.
    """
    folder = folder_of(context.results, recipe, store, seed, weights)
    done = folder / "result.json"
    if done.is_file():
        return dict(json.loads(done.read_text()))
    with own_class_errors(recipe):
        trainer = _trainer(recipe, store, seed, folder, context)
        progress = Progress()
        if weights is None:
            progress = _train(trainer, context.reporter, title or f"{recipe.name} {seed}")
        header = checkpoint.load_weights(
            weights or trainer.weights_path,
            trainer.training_step.model,
            recipe,
            store.source.classes,
        )
        own = {
            split: _test(trainer, store, trainer.frames, split) for split in ("validation", "test")
        }
        others = [
            Elsewhere(name, other, _test_elsewhere(trainer, other, context.on_device))
            for name, other in (also_test or {}).items()
        ]
    result = {
        **_about(trainer, progress),
        "weights_trained_on": header.get("trained_on"),
        **_figures(store, own["test"], trained=store),
        "also_tested": {
            other.name: _figures(other.store, other.found, trained=store) for other in others
        },
    }
    if context.fabric.is_global_zero:
        _write(folder, store, own, others)
        write_text(done, json.dumps(result, indent=1) + "\n")
    context.fabric.barrier()
    return result


def _write(
    folder: Path, store: Store, own: Mapping[str, Predictions], others: Sequence[Elsewhere]
) -> None:
    """Write the predictions, and the samples that could not be used."""
    _write_predictions(folder / predictions_file(), store, own)
    for name, other, found in others:
        _write_predictions(folder / predictions_file(name), other, {"test": found})
    if store.left_out:
        write_text(folder / "left-out.csv", store.left_out_as_csv())


def _trainer(
    recipe: ModelRecipe, store: Store, seed: int, folder: Path, context: Context
) -> Trainer:
    """Return a trainer with a new model and its data."""
    torch.manual_seed(seed)
    model = create(recipe, len(store.source.classes))
    sees = recipe.sees_face, recipe.sees_context
    fabric = context.fabric
    frames = open_frames(
        store, fabric.device, *sees, context.reporter, context.on_device, recipe.hears
    )
    same = identity_of(recipe, store.fingerprint, seed)
    return Trainer(model, recipe, store, frames, fabric, folder=folder, seed=seed, identity=same)


def _train(trainer: Trainer, reporter: Reporter, title: str) -> Progress:
    """Train, or resume training, and show and log progress."""
    recipe, fabric, folder = trainer.recipe, trainer.fabric, trainer.folder
    if fabric.is_global_zero:
        write_text(folder / "recipe.yaml", section.dump(recipe))
    train, validation = (trainer.store.of_split(split) for split in ("train", "validation"))
    each = samples_an_epoch(len(train), recipe.train.batch_size, fabric.world_size)
    log = open_log(folder / "tensorboard", fabric.is_global_zero, reporter)
    total = recipe.train.epochs * each
    with reporter.stage(title, total=total, unit="samples") as bar, log as write:
        progress = trainer.fit(train, validation, bar, write)
    if progress.numerics is not None and not progress.numerics["trusted"]:
        reporter.warn(f"{title}: {numerics.sentence(progress.numerics)}")
    fabric.barrier()
    return progress


def _test(trainer: Trainer, store: Store, frames: Frames, split: str) -> Predictions:
    return predict(
        trainer.training_step.tested,
        trainer.recipe,
        store,
        frames,
        store.of_split(split),
        fabric=trainer.fabric,
        bf16=trainer.training_step.bf16,
    )


def _test_elsewhere(trainer: Trainer, store: Store, on_device: OnDevice | None) -> Predictions:
    recipe, fabric = trainer.recipe, trainer.fabric
    if store.source.classes != trainer.store.source.classes:
        raise CaerError(f"{store.source.name} has other classes than {trainer.store.source.name}")
    sees = recipe.sees_face, recipe.sees_context
    frames = open_frames(store, fabric.device, *sees, kept=on_device, sound=recipe.hears)
    return _test(trainer, store, frames, "test")


def _about(trainer: Trainer, progress: Progress) -> Result:
    recipe, store, fabric = trainer.recipe, trainer.store, trainer.fabric
    short = store.frames < recipe.input.frames
    source = store.source
    notes = list(source.notes)
    if not recipe.is_caer_net and recipe.baseline.weights is None:
        notes.append(FROM_SCRATCH)
    train = recipe.train
    if train.scaled_learning_rate != train.learning_rate:
        notes.append(
            f"Batches of {train.batch_size} instead of 32: the learning rate is "
            f"{train.scaled_learning_rate:g} instead of {train.learning_rate:g}."
        )
    if progress.numerics is not None and not progress.numerics["trusted"]:
        found = numerics.sentence(progress.numerics)
        notes.append(f"{found[0].upper()}{found[1:]}.")
    parameters = sum(p.numel() for p in trainer.training_step.model.parameters())
    return {
        "model": recipe.name,
        "recipe": recipe.model_dump(mode="json"),
        "seed": trainer.seed,
        "dataset": source.name,
        "made_up": source.made_up,
        "data": store.fingerprint,
        "classes": list(source.classes),
        "split_sizes": {split: len(store.of_split(split)) for split in SPLITS},
        "left_out": {s: sum(x.sample.split == s for x in store.left_out) for s in SPLITS},
        "shorter_than_a_window": {s: int(short[store.of_split(s)].sum()) for s in SPLITS},
        "notes": notes,
        "parameters": parameters,
        "epochs": len(progress.history),
        "best_epoch": progress.best_epoch + 1,
        "history": progress.history,
        "samples_per_s": progress.trained / progress.seconds if progress.seconds else None,
        "device": fabric.device.type,
        "devices": fabric.world_size,
        "precision": "bf16" if trainer.training_step.bf16 else "fp32",
        "numerics": progress.numerics,
    }


def _figures(store: Store, found: Predictions, trained: Store) -> Result:
    classes = store.source.classes
    labels = store.labels[found.positions]
    scores: Scores = score(labels, found.probabilities, len(classes))
    common, baseline = majority(trained.labels[trained.of_split("train")], labels, len(classes))
    figures: Result = {
        "war": scores.war,
        "uar": scores.uar,
        "macro_f1": scores.macro_f1,
        "majority": baseline,
        "majority_class": classes[common],
        "per_class": {
            name: None if math.isnan(recall) else recall
            for name, recall in zip(classes, scores.recalls, strict=True)
        },
        "confusion": scores.confusion.tolist(),
    }
    if found.weights is not None:
        figures["face_weight"] = {
            name: float(found.weights[labels == label, 0].mean())
            for label, name in enumerate(classes)
            if (labels == label).any()
        }
    return figures


def _write_predictions(path: Path, store: Store, found: Mapping[str, Predictions]) -> None:
    tables = []
    for split, predictions in found.items():
        samples = [store.samples[i] for i in predictions.positions]
        columns: dict[str, Any] = {
            "sample_id": [s.sample_id for s in samples],
            "clip_id": [s.clip_id for s in samples],
            "split": split,
            **{name: [getattr(s, name) for s in samples] for name in ABOUT_A_SAMPLE},
            "label": [s.label for s in samples],
        }
        for label, name in enumerate(store.source.classes):
            columns[f"p_{name}"] = predictions.probabilities[:, label]
        if predictions.weights is not None:
            columns["face_weight"] = predictions.weights[:, 0]
        if predictions.attention is not None:
            columns["attention"] = [one.round(5).tolist() for one in predictions.attention]
        tables.append(pd.DataFrame(columns))
    with atomic_path(path) as temporary:
        pd.concat(tables, ignore_index=True).to_parquet(temporary)
