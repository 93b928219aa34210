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
    classes = len(store.source.classes)
    # the last two columns are the fusion weights, zero in a model that has none
    sums = torch.zeros((len(store.samples), classes + 2), device=fabric.device)
    for output, samples in outputs(network, recipe, frames, share, fabric.device):
        probabilities = torch.softmax(output.logits.float(), dim=1)
        weights = sums.new_zeros((len(samples), 2)) if output.weights is None else output.weights
        sums.index_add_(0, samples, torch.cat([probabilities, weights.float()], dim=1))
    total = fabric.all_reduce(sums, reduce_op="sum")
    assert isinstance(total, Tensor)  # noqa: S101 - for the type checker
    counts = np.bincount(windows.samples, minlength=len(store.samples))
    means = total.double().cpu().numpy()[positions] / counts[positions, None]
    weighted = means[:, classes:]
    return Predictions(positions, means[:, :classes], weighted if weighted.any() else None)


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
