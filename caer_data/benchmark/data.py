"""From the store to the device: whole when it fits, else streamed while the device computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor

from caer_data.benchmark.store import Store
from caer_data.benchmark.windows import Pick

MOST_OF_MEMORY: Final = 0.5
"""Share of a GPU's free memory that the store may take; the rest is for training."""

AHEAD: Final = 3
READERS: Final = 4


@dataclass(frozen=True)
class Batch:
    """N windows of T frames on the device.

    Attributes:
        face: (N, T, h, w, 3) uint8, or None where the model reads no face.
        context: (N, T, H, W, 3) uint8, or None where it reads no context.
        boxes: (N, T, faces, 4) float32 x1, y1, x2, y2 in context pixels, the target first.
        labels: (N,) int64.
        samples: positions in the store.
    """

    face: Tensor | None
    context: Tensor | None
    boxes: Tensor
    labels: Tensor
    samples: Tensor


class Frames(Protocol):
    """Gives batches on the device."""

    def batches(self, picks: Iterable[Pick]) -> Iterator[Batch]:
        """One batch for every pick, in order."""
        ...


def open_frames(store: Store, device: torch.device, face: bool, context: bool) -> Frames:
    """Put the store on a GPU if it takes at most half of the free memory there, else stream it."""
    names = ["boxes", *(["face"] if face else []), *(["context"] if context else [])]
    size = sum(array.nbytes for name in names for array in store.shard_arrays(name))
    if device.type == "cuda" and size <= torch.cuda.mem_get_info(device)[0] * MOST_OF_MEMORY:
        return Resident(store, device, names)
    return Streamed(store, device, names)


class Resident:
    """All arrays lie on the device; a batch is one indexing operation."""

    def __init__(self, store: Store, device: torch.device, names: list[str]) -> None:
        self._device = device
        self._labels = torch.from_numpy(store.labels).to(device)
        self._arrays: dict[str, Tensor] = {}
        for name in names:
            shards = store.shard_arrays(name)
            rows = sum(len(shard) for shard in shards)
            kind = torch.float32 if name == "boxes" else torch.uint8
            whole = torch.empty((rows, *shards[0].shape[1:]), dtype=kind, device=device)
            start = 0
            for shard in shards:
                whole[start : start + len(shard)] = torch.from_numpy(shard[:].copy())
                start += len(shard)
            self._arrays[name] = whole

    def batches(self, picks: Iterable[Pick]) -> Iterator[Batch]:
        """One batch for every pick, in order."""
        for pick in picks:
            rows = torch.from_numpy(pick.rows).to(self._device, non_blocking=True)
            samples = torch.from_numpy(pick.samples).to(self._device, non_blocking=True)
            found = {name: array[rows] for name, array in self._arrays.items()}
            yield Batch(
                found.get("face"),
                found.get("context"),
                found["boxes"],
                self._labels[samples],
                samples,
            )


class Streamed:
    """A few threads read the next batches from the memory map into pinned memory."""

    def __init__(self, store: Store, device: torch.device, names: list[str]) -> None:
        self._store = store
        self._device = device
        self._names = names
        self._labels = store.labels

    def batches(self, picks: Iterable[Pick]) -> Iterator[Batch]:
        """One batch for every pick, in order."""
        waiting: deque[Future[dict[str, Tensor]]] = deque()
        with ThreadPoolExecutor(READERS) as readers:
            for pick in picks:
                waiting.append(readers.submit(self._read, pick))
                if len(waiting) > AHEAD:
                    yield self._batch(waiting.popleft().result())
            while waiting:
                yield self._batch(waiting.popleft().result())

    def _read(self, pick: Pick) -> dict[str, Tensor]:
        found = {n: torch.from_numpy(self._store.read(n, pick.rows)) for n in self._names}
        found["labels"] = torch.from_numpy(self._labels[pick.samples])
        found["samples"] = torch.from_numpy(pick.samples)
        if self._device.type == "cuda":
            found = {name: tensor.pin_memory() for name, tensor in found.items()}
        return found

    def _batch(self, found: dict[str, Tensor]) -> Batch:
        moved = {n: tensor.to(self._device, non_blocking=True) for n, tensor in found.items()}
        return Batch(
            moved.get("face"),
            moved.get("context"),
            moved["boxes"],
            moved["labels"],
            moved["samples"],
        )
