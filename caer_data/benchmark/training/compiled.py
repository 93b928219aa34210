"""`torch.compile` and CUDA graphs, where a recipe asks for them.

Only full batches are compiled, once for training and once for testing. The smaller last batch of a
pass runs as it is: a compiled form for every size would take longer than it saves. In training, the
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
    """Whether a recipe's model is compiled; CUDA graphs come from the compiler, too."""
    return compute.compile or compute.cuda_graphs


def faster(model: nn.Module, compute: Compute, device: torch.device, devices: int) -> nn.Module:
    """The model in the form that the recipe's `compute` asks for; parameters are shared.

    Raises:
        CaerError: CUDA graphs without a CUDA device, or on several.
    """
    if not is_compiled(compute):
        return model
    if compute.cuda_graphs and device.type != "cuda":
        raise CaerError("compute.cuda_graphs: true needs a CUDA device")
    if compute.cuda_graphs and devices > 1:
        raise CaerError("compute.cuda_graphs: true works on one device; set it to false for more")
    # What was compiled for the models before would count against this one's limit, and their
    # graphs hold memory.
    torch.compiler.reset()
    # this mode records what it compiled as CUDA graphs
    mode = "reduce-overhead" if compute.cuda_graphs else "default"
    compiled: Any = torch.compile(model, mode=mode, dynamic=False)
    assert isinstance(compiled, nn.Module)  # noqa: S101 - for the type checker
    return compiled


class Whole(nn.Module):
    """A model with the augmentation before it: from a batch's bytes to the output, in one graph.

    What is random is drawn outside and given, so that the compiled form draws what the other does.

    Attributes:
        dtype: what the augmentation gives to the model.
        mean: and
        std: and
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
        """Parts of a `Batch` and of a `Draw`, as `parts_of` gives them."""
        batch = Batch(face, context, boxes, boxes, boxes, sound)  # labels are not read
        fixed = Constants(self.mean, self.std, self.fill)
        seen = augmented(batch, Draw(*drawn), fixed, self._recipe, self.dtype)
        found: Output = self.model(*seen)
        return found

    @staticmethod
    def parts_of(batch: Batch, draw: Draw) -> tuple[Tensor | None, ...]:
        """What `forward` takes."""
        seen = (batch.face, batch.context, batch.boxes, batch.sound)
        return (*seen, draw.flip, draw.scale, draw.shift, draw.top, draw.left)


def faster_update(
    optimizer: torch.optim.Optimizer, compute: Compute, device: torch.device
) -> Callable[[], object]:
    """The optimiser's step in the form that the recipe's `compute` asks for.

    The learning rate of a compiled one is a tensor: a number would be compiled anew whenever it
    changes. It is left out of CUDA graphs, since gradients lie elsewhere in every step.
    """
    if not is_compiled(compute):
        return optimizer.step
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(float(group["lr"]), device=device)
    update: Callable[[], object] = torch.compile(optimizer.step, dynamic=False)
    return update


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set it for all parameters, without a copy that would wait for the device."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


@contextmanager
def as_compiled(compute: Compute, full: bool) -> Iterator[None]:
    """Around a call of a model that `faster` gave; `full`: the batch has the recipe's size.

    With CUDA graphs, what the call returns is overwritten by the next call.

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
    """Say what to do where the compiler fails, which may be as late as in a backward pass.

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
