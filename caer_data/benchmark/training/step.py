"""One training step on the device: augment, forward, loss, backward, update.

A step never waits for the device, so that a GPU always has queued work: it reads no values back and
copies nothing from ordinary memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from caer_data.benchmark.data.augment import augmented, constants, draw_for_batch, inputs
from caer_data.benchmark.data.batches import Batch
from caer_data.benchmark.data.memory import (
    available_memory,
    batch_that_fits,
    is_out_of_memory,
    peak_memory,
)
from caer_data.benchmark.data.store import Store
from caer_data.benchmark.networks.pooled_norm import as_if_larger
from caer_data.benchmark.recipe import ModelRecipe
from caer_data.benchmark.training.compiled import (
    Whole,
    as_compiled,
    compiler_errors,
    faster,
    faster_update,
    is_compiled,
    set_learning_rate,
)
from caer_data.benchmark.training.numerics import check_bf16
from caer_data.benchmark.training.objective import Objective
from caer_data.benchmark.training.runtime import input_type, precision_of
from caer_data.engine.errors import CaerError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

CHECKED = 8
"""Number of samples in the numerics check."""


class TrainingStep:
    """A model with its optimiser on this process's device.

    Attributes:
        model: the plain model with the parameters.
        network: the model called in training with `arguments`: distributed over devices and, if
            the recipe says so, compiled together with the augmentation.
        optimizer: the recipe's optimiser of the trainable parameters.
        objective: the training loss.
        bf16: whether products are computed in bf16.
        numerics: result of comparing bf16 with fp32, None before the first step. If bf16 is not
            accepted, the run uses fp32 from then on.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: ModelRecipe,
        fabric: Fabric,
        store: Store | None = None,
    ) -> None:
        self.recipe = recipe
        self.fabric = fabric
        self.bf16 = precision_of(recipe.compute.precision, fabric.device) == "bf16"
        self.model = model.to(fabric.device)
        if recipe.compute.channels_last:
            _to_channels_last(self.model, recipe.clips)
        self.optimizer = optimizer_of(self.model, recipe)
        self.objective = Objective(recipe.train, store, fabric.device)
        self._whole: Whole | None = None
        trained = self._tested = self.model
        if is_compiled(recipe.compute):
            trained = self._whole = Whole(self.model, recipe, fabric.device)
            self._tested = self._faster(self.model)
            trained = self._faster(self._whole)
        self.network = fabric.setup_module(trained)
        self._update = faster_update(self.optimizer, recipe.compute, fabric.device)
        self.numerics: dict[str, float] | None = None

    def _faster(self, model: nn.Module) -> nn.Module:
        return faster(model, self.recipe.compute, self.fabric.device, self.fabric.world_size)

    @property
    def tested(self) -> nn.Module:
        """The model called in testing with `inputs`; its calls do not wait for other devices."""
        return self._tested if self.fabric.world_size == 1 else self.model

    def settle_precision(self, found: dict[str, float] | None) -> None:
        """Apply the result of the bf16 check, from this run or from before it was interrupted."""
        if found is not None and self.bf16:
            self.numerics = found
            self.bf16 = bool(found["trusted"])

    def share_statistics(self) -> None:
        """Copy the running statistics of the first device, as in its checkpoint, to all devices."""
        if self.fabric.world_size > 1:
            for buffer in self.model.buffers():
                torch.distributed.broadcast(buffer, 0)

    def learn(self, batch: Batch, rate: float, seed: int) -> Tensor:
        """Perform one step; return the loss times the number of samples, on the device.

        Args:
            batch: this device's share of a batch.
            rate: learning rate.
            seed: seed for augmentation and dropout.

        Raises:
            CaerError: there is too little memory.
        """
        torch.manual_seed(seed)
        set_learning_rate(self.optimizer, rate)
        try:
            return self._learn(batch)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        # The error is gone here, and with it the activations referenced by its frames.
        self.optimizer.zero_grad(set_to_none=True)
        raise CaerError(self._too_large(batch))

    def _learn(self, batch: Batch) -> Tensor:
        seen = self.arguments(batch)
        loss = self.loss(self.network, seen, batch.labels, batch.samples)
        with compiler_errors(self.recipe.compute):
            self.fabric.backward(loss)
            self._update()
        # freed before the next forward pass, when memory is needed most
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach() * len(batch.labels)

    def arguments(self, batch: Batch) -> tuple[Tensor | None, ...]:
        """Return the arguments of `network`; the first call also decides the precision."""
        draw = draw_for_batch(batch, self.recipe, training=True)
        fixed = constants(self.recipe, batch.boxes.device)
        if self.bf16 and self.numerics is None:
            seen = augmented(batch, draw, fixed, self.recipe, torch.float32)
            self.settle_precision(self._check_numerics(seen, batch.labels))
        dtype = input_type(self.recipe, self.bf16)
        if self._whole is not None:
            self._whole.dtype = dtype
            return self._whole.parts_of(batch, draw)
        return augmented(batch, draw, fixed, self.recipe, dtype)

    def loss(
        self,
        network: nn.Module,
        seen: tuple[Tensor | None, ...],
        labels: Tensor,
        samples: Tensor | None = None,
    ) -> Tensor:
        """Return the mean loss of a batch; `seen` are the arguments of `network`."""
        full = len(labels) * self.fabric.world_size == self.recipe.train.batch_size
        with (
            as_compiled(self.recipe.compute, full),
            torch.autocast(self.fabric.device.type, torch.bfloat16, enabled=self.bf16),
        ):
            logits = network(*seen).logits
        return self.objective(logits.float(), labels, samples)

    def _check_numerics(self, seen: tuple[Tensor | None, ...], labels: Tensor) -> dict[str, float]:
        some = tuple(None if x is None else x[:CHECKED] for x in seen)
        with as_if_larger(len(labels) / len(labels[:CHECKED])):  # computed as the batch will be
            found = check_bf16(self.model, some, labels[:CHECKED])
        # processes checked different samples, but must all decide the same
        mine = torch.tensor(float(found["trusted"]), device=labels.device)
        everyone = self.fabric.all_reduce(mine, reduce_op="sum")
        assert isinstance(everyone, Tensor)  # noqa: S101 - for the type checker
        return {**found, "trusted": float(everyone) == self.fabric.world_size}

    def _too_large(self, batch: Batch) -> str:
        """Return advice for too little memory; on a GPU, measured with small batches."""
        device, size = self.fabric.device, len(batch.labels)
        problem = f"{device} has too little memory for batches of {size}"
        if device.type != "cuda":
            return f"{problem}: give a smaller --batch-size, such as {max(size // 2, 2)}"
        devices = self.fabric.world_size

        def step(count: int) -> None:  # may change the weights, because the run ends here
            part = batch.first(count)
            # the plain model, because other devices do not take part
            dtype = input_type(self.recipe, self.bf16)
            seen = inputs(part, self.recipe, training=True, dtype=dtype)
            with as_if_larger(size / count):
                loss = self.loss(self.model, seen, part.labels, part.samples)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)

        fits = batch_that_fits(peak_memory(step, device), available_memory(device))
        if fits is None:
            return f"{problem} and for the smallest; free some of it, or use another device"
        return f"{problem}: --batch-size {min(fits, size // 2) * devices} would fit"


def optimizer_of(model: nn.Module, recipe: ModelRecipe) -> torch.optim.Optimizer:
    """Return stochastic gradient descent, or AdamW, for the trainable parameters."""
    learning = [p for p in model.parameters() if p.requires_grad]
    train, compiled = recipe.train, is_compiled(recipe.compute)
    # the compiler itself fuses the updates of all parameters
    fused = not compiled and all(p.is_cuda for p in learning)
    if train.optimizer == "adamw":
        return torch.optim.AdamW(
            learning,
            lr=train.scaled_learning_rate,
            betas=(train.momentum, 0.999),
            weight_decay=train.weight_decay,
            fused=fused,
            foreach=True if compiled else None,
            capturable=compiled,  # step count and learning rate are on the device
        )
    return torch.optim.SGD(
        learning,
        lr=train.scaled_learning_rate,
        momentum=train.momentum,
        weight_decay=train.weight_decay,
        fused=fused,
        foreach=True if compiled else None,
    )


def _to_channels_last(model: nn.Module, clips: bool) -> None:
    layout = torch.channels_last_3d if clips else torch.channels_last
    for parameter in model.parameters():
        if parameter.dim() == (5 if clips else 4):
            parameter.data = parameter.data.contiguous(memory_format=layout)
