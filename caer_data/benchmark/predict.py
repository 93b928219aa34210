"""Testing: probabilities of samples, averaged over their windows (paper, section 5.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from caer_data.benchmark.augment import inputs
from caer_data.benchmark.data import Frames
from caer_data.benchmark.models import Output
from caer_data.benchmark.recipe import ModelRecipe
from caer_data.benchmark.runtime import precision_of
from caer_data.benchmark.store import Store
from caer_data.benchmark.windows import Indices, Pick, all_windows

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Predictions:
    """What a model says of samples.

    Attributes:
        positions: (n,) positions in the store.
        probabilities: (n, K), each row sums to 1.
        weights: (n, 2) fusion weights of face and context, or None where the model has none.
    """

    positions: Indices
    probabilities: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64] | None


def predict(
    network: nn.Module,
    recipe: ModelRecipe,
    store: Store,
    frames: Frames,
    positions: Indices,
    *,
    fabric: Fabric,
) -> Predictions:
    """Show every window of the samples; each process takes a share and all get the result."""
    windows = all_windows(store, positions, recipe.input.frames, recipe.input.stride)
    mine = slice(fabric.global_rank, None, fabric.world_size)
    share = Pick(windows.samples[mine], windows.rows[mine])
    sums: Tensor | None = None
    counts = np.bincount(windows.samples, minlength=len(store.samples))
    for output, samples in outputs(network, recipe, frames, share, fabric.device):
        found = torch.softmax(output.logits.float(), dim=1)
        if output.weights is not None:
            found = torch.cat([found, output.weights.float()], dim=1)
        if sums is None:
            sums = found.new_zeros((len(store.samples), found.shape[1]))
        sums.index_add_(0, samples, found)
    if fabric.world_size > 1:
        sums = _sum_over_processes(sums, fabric, len(store.samples))
    if sums is None:
        raise ValueError("there are no samples to predict")
    means = sums.double().cpu().numpy()[positions] / counts[positions, None]
    classes = len(store.source.classes)
    weights = means[:, classes:] if means.shape[1] > classes else None
    return Predictions(positions, means[:, :classes], weights)


@torch.no_grad()
def outputs(
    network: nn.Module, recipe: ModelRecipe, frames: Frames, pick: Pick, device: torch.device
) -> Iterator[tuple[Output, Tensor]]:
    """The network's outputs for picked windows without any randomness, with their positions."""
    network.eval()
    bf16 = precision_of(recipe.compute.precision, device) == "bf16"
    for batch in frames.batches(pick.batches(recipe.train.batch_size)):
        face, context = inputs(batch, recipe, training=False)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            output = network(face, context)
        yield output, batch.samples


def _sum_over_processes(sums: Tensor | None, fabric: Fabric, samples: int) -> Tensor:
    """Add up all shares; a process without windows does not know the width and asks the others."""
    width = torch.tensor([0 if sums is None else sums.shape[1]], device=fabric.device)
    widths = fabric.all_gather(width)
    assert isinstance(widths, Tensor)  # noqa: S101 - for the type checker
    columns = int(widths.max())
    if sums is None:
        sums = torch.zeros((samples, columns), device=fabric.device)
    total = fabric.all_reduce(sums, reduce_op="sum")
    assert isinstance(total, Tensor)  # noqa: S101 - for the type checker
    return total
