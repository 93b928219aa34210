"""`torch.compile` and CUDA graphs, where a recipe asks for them.

Only full batches are compiled, once for training and once for testing. The smaller last batch of a
pass runs as it is: a compiled form for every size would take longer than it saves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from caer_data.benchmark.recipe import Compute
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
        raise CaerError("compute.cuda_graphs: true needs --device cuda")
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
