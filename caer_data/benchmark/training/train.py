"""The resumable training loop (paper, section 5.1).

Every random choice of a step depends only on (seed, epoch, step, process), so a run that resumes
from its checkpoint gives the same result as an uninterrupted one.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor, nn

from caer_data.benchmark.data.batches import Frames
from caer_data.benchmark.data.store import Store
from caer_data.benchmark.data.windows import Indices, Pick, random_windows
from caer_data.benchmark.recipe import ModelRecipe, Train
from caer_data.benchmark.training import checkpoint
from caer_data.benchmark.training.checkpoint import Progress
from caer_data.benchmark.training.metrics import score
from caer_data.benchmark.training.predict import predict
from caer_data.benchmark.training.step import TrainingStep
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Bar

if TYPE_CHECKING:
    from lightning_fabric import Fabric

SAVE_EVERY_S: Final = 60.0
LOOK_EVERY: Final = 20
"""Number of steps between checks of the loss on a GPU, because a check waits for the device."""


class Trainer:
    """Trains one model with its data and folder.

    `fit` writes `checkpoint.safetensors` (at least once per minute) and `weights.safetensors` (the
    best epoch on validation) to the folder, and resumes from them if they exist.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: ModelRecipe,
        store: Store,
        frames: Frames,
        fabric: Fabric,
        *,
        folder: Path,
        seed: int,
        identity: str,
    ) -> None:
        self.recipe = recipe
        self.store = store
        self.frames = frames
        self.fabric = fabric
        self.folder = folder
        self.seed = seed
        self.identity = identity
        self.training_step = TrainingStep(model, recipe, fabric, store)

    @property
    def weights_path(self) -> Path:
        """File with the weights of the best epoch so far."""
        return self.folder / "weights.safetensors"

    @property
    def checkpoint_path(self) -> Path:
        """File from which an interrupted run resumes."""
        return self.folder / "checkpoint.safetensors"

    def fit(
        self, train: Indices, validation: Indices, bar: Bar, log: Callable[[Progress], None]
    ) -> Progress:
        """Train for the recipe's epochs, or the remaining ones; return the progress.

        Args:
            train: positions of the training samples.
            validation: positions of the samples for choosing the epoch.
            bar: advanced by the number of trained samples.
            log: called after each epoch.

        Raises:
            CaerError: the loss is NaN, or the device has too little memory.
        """
        progress = Progress()
        if self.checkpoint_path.is_file():
            progress = checkpoint.load_progress(
                self.checkpoint_path,
                self.training_step.model,
                self.training_step.optimizer,
                self.identity,
            )
            self.training_step.settle_precision(progress.numerics)
        bar.advance(progress.trained)
        while progress.epoch < self.recipe.train.epochs and not self._stalled(progress):
            self._epoch(train, progress, bar)
            entry = self._validate(validation, progress)
            if entry["value"] > progress.best:  # a tie keeps the earlier epoch
                progress.best, progress.best_epoch = entry["value"], progress.epoch
                self._save_weights(progress.epoch)
            progress.history.append(entry)
            progress.epoch, progress.step = progress.epoch + 1, 0
            progress.loss_sum, progress.seen = 0.0, 0
            self._save(progress)
            log(progress)
        return progress

    def _stalled(self, progress: Progress) -> bool:
        """Return whether there was no improvement for as many epochs as the recipe's patience."""
        patience = self.recipe.train.patience
        return 0 < patience <= progress.epoch - 1 - progress.best_epoch

    def _epoch(self, train: Indices, progress: Progress, bar: Bar) -> None:
        recipe, fabric = self.recipe, self.fabric
        pick = random_windows(self.store, train, recipe.input.frames, self.seed, progress.epoch)
        batches = shared_batches(pick, recipe.train.batch_size, fabric)
        self.training_step.network.train()
        losses = torch.zeros((), device=fabric.device)
        started = saved = time.monotonic()
        todo = batches[progress.step :]
        look_every = LOOK_EVERY if fabric.device.type == "cuda" else 1

        def settle() -> None:
            nonlocal started
            total = self._finite(self._over_processes(float(losses)), progress)
            progress.loss_sum += total
            losses.zero_()
            progress.seconds += time.monotonic() - started
            started = time.monotonic()

        for batch, picked in zip(self.frames.batches(todo), todo, strict=True):
            rate = learning_rate(recipe.train, progress.epoch, progress.step, len(batches))
            seed = step_seed(self.seed, progress.epoch, progress.step, fabric.global_rank)
            losses += self.training_step.learn(batch, rate, seed)
            progress.numerics = progress.numerics or self.training_step.numerics
            size = len(picked.samples) * fabric.world_size
            progress.step += 1
            progress.seen += size
            progress.trained += size
            bar.advance(size, f"epoch {progress.epoch + 1} of {recipe.train.epochs}")
            if progress.step % look_every and progress.step < len(batches):
                continue
            settle()
            if time.monotonic() - saved > SAVE_EVERY_S:
                self._save(progress)
                saved = started = time.monotonic()

    def _finite(self, loss: float, progress: Progress) -> float:
        if not math.isfinite(loss):
            kept = " (the last good checkpoint is kept)" if self.checkpoint_path.is_file() else ""
            raise CaerError(
                f"{self.folder}: the loss became {loss} in epoch {progress.epoch + 1}, step "
                f"{progress.step}; lower train.learning_rate or set compute.precision: fp32{kept}"
            )
        return loss

    def _validate(self, validation: Indices, progress: Progress) -> dict[str, float]:
        self.training_step.share_statistics()
        found = predict(
            self.training_step.tested,
            self.recipe,
            self.store,
            self.frames,
            validation,
            fabric=self.fabric,
            bf16=self.training_step.bf16,
        )
        labels = self.store.labels[validation]
        scores = score(labels, found.probabilities, len(self.store.source.classes))
        chosen = np.clip(found.probabilities[np.arange(len(labels)), labels], 1e-12, None)
        return {
            "epoch": progress.epoch + 1,
            "train_loss": progress.loss_sum / progress.seen,
            # the last step may have made the weights NaN, although its loss was finite
            "validation_loss": self._finite(float(-np.log(chosen).mean()), progress),
            "war": scores.war,
            "uar": scores.uar,
            "macro_f1": scores.macro_f1,
            "value": float(getattr(scores, self.recipe.train.select)),
        }

    def _over_processes(self, value: float) -> float:
        """Return the sum over all processes, so that all of them stop together."""
        mine = torch.tensor(value, dtype=torch.float64, device=self.fabric.device)
        total = self.fabric.all_reduce(mine, reduce_op="sum")
        assert isinstance(total, Tensor)  # noqa: S101 - for the type checker
        return float(total)

    def _save(self, progress: Progress) -> None:
        if self.fabric.is_global_zero:
            checkpoint.save_progress(
                self.checkpoint_path,
                self.training_step.model,
                self.training_step.optimizer,
                progress,
                self.identity,
            )

    def _save_weights(self, epoch: int) -> None:
        if self.fabric.is_global_zero:
            checkpoint.save_weights(
                self.weights_path,
                self.training_step.model,
                self.recipe,
                self.store.source.classes,
                seed=self.seed,
                epoch=epoch + 1,
                trained_on=self.store.source.name,
                made_up=self.store.source.made_up,
            )


def learning_rate(train: Train, epoch: int, step: int, steps: int) -> float:
    """Return a step's learning rate: stepwise or half-cosine decay after a linear warm-up."""
    if train.schedule == "cosine":
        past = (epoch + step / steps) / train.epochs
        rate = train.scaled_learning_rate * (1 + math.cos(math.pi * past)) / 2
    else:
        rate = train.scaled_learning_rate * train.lr_gamma ** (epoch // train.lr_step_epochs)
    warmup_steps = train.warmup_epochs * steps
    done = epoch * steps + step + 1
    return rate * min(1.0, done / warmup_steps) if warmup_steps else rate


def samples_an_epoch(count: int, batch_size: int, devices: int) -> int:
    """Return how many of `count` training samples an epoch uses: those in `shared_batches`."""
    share, size = count // devices, batch_size // devices
    return (share - (share > size and share % size == 1)) * devices


def step_seed(seed: int, epoch: int, step: int, rank: int) -> int:
    """Return the seed of a step's augmentation and dropout."""
    state = np.random.SeedSequence([seed, epoch, step, rank]).generate_state(1, np.uint64)[0]
    return int(state) & (2**63 - 1)


def shared_batches(pick: Pick, batch_size: int, fabric: Fabric) -> list[Pick]:
    """Return this process's part of every batch; all processes get the same sizes.

    A last batch with one sample per process is dropped, because batch normalisation needs two.
    """
    world, rank = fabric.world_size, fabric.global_rank
    if batch_size % world:
        raise CaerError(f"a batch of {batch_size} cannot be divided evenly among {world} devices")
    if batch_size // world < 2:
        raise CaerError(
            f"a batch of {batch_size} leaves one sample for each of {world} devices; use a larger "
            "batch or fewer devices"
        )
    even = len(pick.samples) // world * world
    mine = Pick(pick.samples[rank:even:world], pick.rows[rank:even:world])
    batches = list(mine.batches(batch_size // world))
    if len(batches) > 1 and len(batches[-1].samples) == 1:
        batches.pop()
    if not batches or len(batches[0].samples) < 2:
        raise CaerError(
            "fewer than two training samples per device; add clips or use fewer devices"
        )
    return batches


def identity_of(recipe: ModelRecipe, data: str, seed: int) -> str:
    """Return a value that must be equal for a checkpoint to belong to the same run."""
    settings = recipe.model_dump(mode="json")
    # how a device computes it changes no model; runs of earlier versions name no kernels, and false
    # as the order of pooling
    compute = settings["compute"]
    del compute["fused_kernels"]
    compute["pool_first"] = compute["pool_first"] is True
    return json.dumps([settings, data, seed], sort_keys=True)
