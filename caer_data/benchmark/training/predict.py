"""Testing: probabilities of samples, averaged over their windows (paper, section 5.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from caer_data.benchmark.data.augment import inputs
from caer_data.benchmark.data.batches import Frames
from caer_data.benchmark.data.memory import is_out_of_memory
from caer_data.benchmark.data.store import Store
from caer_data.benchmark.data.windows import Indices, Pick, all_windows
from caer_data.benchmark.networks import Output
from caer_data.benchmark.recipe import ModelRecipe
from caer_data.benchmark.training.compiled import as_compiled
from caer_data.benchmark.training.runtime import input_type, precision_of
from caer_data.engine.errors import CaerError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Predictions:
    """A model's predictions for samples.

    Attributes:
        positions: (n,) positions in the store.
        probabilities: (n, K); each row sums to 1.
        weights: (n, 2) fusion weights of face and context, or None if the model has none.
        attention: (n, h, w) attention to the context's input, each map summing to 1 (mean over time
            and windows), or None if the model has none.
    """

    positions: Indices
    probabilities: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64] | None
    attention: npt.NDArray[np.float64] | None = None


def predict(
    network: nn.Module,
    recipe: ModelRecipe,
    store: Store,
    frames: Frames,
    positions: Indices,
    *,
    fabric: Fabric,
    bf16: bool | None = None,
) -> Predictions:
    """Return predictions from every window of the samples, computed by all processes together.

    `bf16` is the result of training's check; None uses the recipe's setting.
    """
    windows = all_windows(store, positions, recipe.input.frames, recipe.input.stride)
    mine = slice(fabric.global_rank, None, fabric.world_size)
    share = Pick(windows.samples[mine], windows.rows[mine])
    classes = len(store.source.classes)
    # the last two columns are the fusion weights, zero for a model that has none
    shape = (len(store.samples), classes + 2)
    # in double precision, because the order of additions on a GPU is not fixed
    sums = torch.zeros(shape, dtype=torch.float64, device=fabric.device)
    maps = _Maps(len(store.samples), fabric)
    for output, samples in outputs(network, recipe, frames, share, fabric.device, bf16):
        probabilities = torch.softmax(output.logits.float(), dim=1)
        weights = sums.new_zeros((len(samples), 2)) if output.weights is None else output.weights
        sums.index_add_(0, samples, torch.cat([probabilities, weights], dim=1).double())
        maps.add(output.attention, samples)
    total = fabric.all_reduce(sums, reduce_op="sum")
    assert isinstance(total, Tensor)  # noqa: S101 - for the type checker
    counts = np.bincount(windows.samples, minlength=len(store.samples))
    means = total.cpu().numpy()[positions] / counts[positions, None]
    weighted = means[:, classes:]
    return Predictions(
        positions,
        means[:, :classes],
        weighted if weighted.any() else None,
        maps.means(positions, counts),
    )


class _Maps:
    """Sums of attention maps by sample; the first map determines the size."""

    def __init__(self, samples: int, fabric: Fabric) -> None:
        self._samples = samples
        self._fabric = fabric
        self._sums: Tensor | None = None

    def add(self, attention: Tensor | None, samples: Tensor) -> None:
        """Add maps (N, T', h, w) of windows of samples."""
        if attention is None:
            return
        maps = attention.float().mean(1).double()
        if self._sums is None:
            self._sums = maps.new_zeros((self._samples, *maps.shape[1:]))
        self._sums.index_add_(0, samples, maps)

    def means(
        self, positions: Indices, counts: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64] | None:
        """Return mean maps (n, h, w) over all processes; None if there are none."""
        own = (0, 0) if self._sums is None else tuple(self._sums.shape[1:])
        size = torch.tensor(own, device=self._fabric.device)
        if self._fabric.world_size > 1:  # a process without a window does not know the size
            sizes = self._fabric.all_gather(size)
            assert isinstance(sizes, Tensor)  # noqa: S101 - for the type checker
            size = sizes.reshape(-1, 2).max(0).values
        if not int(size[0]):
            return None
        if self._sums is None:
            empty = (self._samples, int(size[0]), int(size[1]))
            self._sums = torch.zeros(empty, dtype=torch.float64, device=self._fabric.device)
        total = self._fabric.all_reduce(self._sums, reduce_op="sum")
        assert isinstance(total, Tensor)  # noqa: S101 - for the type checker
        return total.cpu().numpy()[positions] / counts[positions, None, None]


@torch.no_grad()
def outputs(
    network: nn.Module,
    recipe: ModelRecipe,
    frames: Frames,
    pick: Pick,
    device: torch.device,
    bf16: bool | None = None,
) -> Iterator[tuple[Output, Tensor]]:
    """Yield the network's deterministic outputs for picked windows, with their positions."""
    network.eval()
    if bf16 is None:
        bf16 = precision_of(recipe.compute.precision, device) == "bf16"
    size = recipe.train.batch_size
    for batch in frames.batches(pick.batches(size)):
        try:
            seen = inputs(batch, recipe, training=False, dtype=input_type(recipe, bf16))
            with (
                as_compiled(recipe.compute, full=len(batch.labels) == size),
                torch.autocast(device.type, torch.bfloat16, enabled=bf16),
            ):
                output = network(*seen)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise CaerError(
                f"{device} has too little memory to test batches of {size}: give a smaller "
                f"--batch-size, such as {max(size // 2, 2)}"
            ) from error
        yield output, batch.samples
