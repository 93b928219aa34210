"""`torch.compile` and CUDA graphs, if the recipe enables them.

Only full batches are compiled, once for training and once for testing. The smaller last batch runs
uncompiled, because compiling for every size would take longer than it saves. In training, the
augmentation is part of the model's graph, and the update of the weights is compiled, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from caer_data.benchmark.data.augment import Constants, Draw, augmented, constants
from caer_data.benchmark.data.batches import Batch
from caer_data.benchmark.networks import Output
from caer_data.benchmark.recipe import Compute, ModelRecipe
from caer_data.engine.errors import CaerError


def is_compiled(compute: Compute) -> bool:
    """Return whether a recipe's model is compiled; CUDA graphs require the compiler, too."""
    return compute.compile or compute.cuda_graphs


def faster(model: nn.Module, compute: Compute, device: torch.device, devices: int) -> nn.Module:
    """Return the model, compiled according to `compute`; it shares the parameters.

    Raises:
        CaerError: CUDA graphs are enabled without a CUDA device, or with several.
    """
    if not is_compiled(compute):
        return model
    if compute.cuda_graphs and device.type != "cuda":
        raise CaerError("compute.cuda_graphs: true needs a CUDA device")
    if compute.cuda_graphs and devices > 1:
        raise CaerError("compute.cuda_graphs: true works on one device; set it to false for more")
    # Earlier compiled models would count towards the limit of recompilations, and their graphs
    # occupy memory.
    torch.compiler.reset()
    # this mode records compiled code as CUDA graphs
    mode = "reduce-overhead" if compute.cuda_graphs else "default"
    compiled: Any = torch.compile(model, mode=mode, dynamic=False)
    assert isinstance(compiled, nn.Module)  # noqa: S101 - for the type checker
    return compiled


class Whole(nn.Module):
    """A model preceded by the augmentation, from a batch's bytes to the output, as one graph.

    Random choices are inputs, so that the compiled and the plain model make the same ones.

    Attributes:
        dtype: type of the augmentation's output.
        mean: see `augment.Constants`.
        std: see `augment.Constants`.
        fill: see `augment.Constants`.
    """

    mean: Tensor
    std: Tensor
    fill: Tensor

    def __init__(self, model: nn.Module, recipe: ModelRecipe, device: torch.device) -> None:
        super().__init__()
        self.model = model
        self.dtype = torch.float32
        self._recipe = recipe
        for name, value in vars(constants(recipe, device)).items():
            self.register_buffer(name, value, persistent=False)

    def forward(
        self,
        face: Tensor | None,
        context: Tensor | None,
        boxes: Tensor,
        sound: Tensor | None,
        *drawn: Tensor,
    ) -> Output:
        """Return the output for parts of a `Batch` and of a `Draw`, as returned by `parts_of`."""
        batch = Batch(face, context, boxes, boxes, boxes, sound)  # labels are not used
        fixed = Constants(self.mean, self.std, self.fill)
        seen = augmented(batch, Draw(*drawn), fixed, self._recipe, self.dtype)
        found: Output = self.model(*seen)
        return found

    @staticmethod
    def parts_of(batch: Batch, draw: Draw) -> tuple[Tensor | None, ...]:
        """Return the arguments of `forward`."""
        seen = (batch.face, batch.context, batch.boxes, batch.sound)
        return (*seen, draw.flip, draw.scale, draw.shift, draw.top, draw.left)


def faster_update(
    optimizer: torch.optim.Optimizer, compute: Compute, device: torch.device
) -> Callable[[], object]:
    """Return the optimiser's step, compiled according to `compute`.

    The learning rate of a compiled step is a tensor, because a number would be recompiled with
    every change. The step is not part of CUDA graphs, because the gradients' addresses change.
    """
    if not is_compiled(compute):
        return optimizer.step
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(float(group["lr"]), device=device)
    update: Callable[[], object] = torch.compile(optimizer.step, dynamic=False)
    return update


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters, without waiting for the device."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


@contextmanager
def as_compiled(compute: Compute, full: bool) -> Iterator[None]:
    """Context for a call of a model from `faster`; `full`: the batch has the recipe's size.

    With CUDA graphs, the next call overwrites the returned tensors.

    Raises:
        CaerError: the compiler is missing or fails.
    """
    if not is_compiled(compute):
        yield
        return
    if compute.cuda_graphs:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
    with compiler_errors(compute), torch.compiler.set_stance("default" if full else "force_eager"):
        yield


@contextmanager
def compiler_errors(compute: Compute) -> Iterator[None]:
    """Context that turns compiler errors into advice; they may occur as late as in backward.

    Raises:
        CaerError: the compiler is missing or fails.
    """
    if not is_compiled(compute):
        yield
        return
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except TorchDynamoException as error:
        first = str(error).strip().splitlines()[0]
        raise CaerError(
            f"torch.compile failed ({first}); it needs a C++ compiler, and on GPUs Triton: install "
            "them or set compute.compile and compute.cuda_graphs to false"
        ) from error
