"""Batches on the device: from a store that was copied there whole, or streamed during training."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from caer_data.benchmark.data.memory import available_memory
from caer_data.benchmark.data.store import Store
from caer_data.benchmark.data.transfer import CopyStream, NoCopy, Tensors, Transfer
from caer_data.benchmark.data.windows import Pick
from caer_data.engine.progress import Bar, Reporter

MAX_MEMORY_SHARE: Final = 0.5
"""Maximum share of a GPU's free memory for the store; the rest is for training."""

AHEAD: Final = 3
READERS: Final = 4

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True)
class Batch:
    """N windows of T frames on the device.

    Attributes:
        face: (N, T, h, w, 3) uint8, or None if the model reads no face.
        context: (N, T, H, W, 3) uint8, or None if it reads no context.
        boxes: (N, T, faces, 4) float32 x1, y1, x2, y2 in context pixels, the target first.
        labels: (N,) int64.
        samples: positions in the store.
        sound: (N, T, bands, columns) float32, NaN where unknown, or None if it uses no sound.
    """

    face: Tensor | None
    context: Tensor | None
    boxes: Tensor
    labels: Tensor
    samples: Tensor
    sound: Tensor | None = None

    def first(self, count: int) -> Batch:
        """Return the first `count` windows as a batch."""
        return Batch(
            None if self.face is None else self.face[:count],
            None if self.context is None else self.context[:count],
            self.boxes[:count],
            self.labels[:count],
            self.samples[:count],
            None if self.sound is None else self.sound[:count],
        )


class Frames(Protocol):
    """A source of batches on the device."""

    def batches(self, picks: Iterable[Pick]) -> Iterator[Batch]:
        """Yield one batch for every pick, in order."""
        ...


def open_frames(
    store: Store,
    device: torch.device,
    face: bool,
    context: bool,
    reporter: Reporter | None = None,
    kept: OnDevice | None = None,
    sound: bool = False,
) -> Frames:
    """Copy the store to a GPU if it fits into half of the free memory there, else stream it.

    Args:
        store: the decoded samples.
        device: device for the batches.
        face: whether batches need face crops.
        context: whether batches need frames.
        reporter: shows the progress of copying.
        kept: arrays left on the GPU by an earlier run, so that several runs over the same store,
            such as seeds, copy it only once.
        sound: whether batches need sound.

    Returns:
        The source of batches.
    """
    wanted = {"boxes": True, "face": face, "context": context, "sound": sound}
    names = [name for name, is_wanted in wanted.items() if is_wanted]
    if device.type != "cuda":
        return Streamed(store, names, NoCopy())
    kept = OnDevice() if kept is None else kept
    kept.forget_all_but(store)
    missing = {n: size_of(store, n) for n in names if n not in kept.arrays}
    if sum(missing.values()) > available_memory(device, empty=True) * MAX_MEMORY_SHARE:
        return Streamed(store, names, CopyStream(device))
    with (reporter or Reporter("quiet")).stage(
        "to GPU", total=sum(missing.values()) / 2**20, unit="MiB"
    ) as bar:
        for name in missing:
            shards = store.shard_arrays(name)
            kept.arrays[name] = (shards, DeviceArray(shards, device, bar))
    return Resident(store, device, {name: kept.arrays[name][1] for name in names})


def size_of(store: Store, name: str) -> int:
    """Return the size of all shards of an array, in bytes."""
    return sum(array.nbytes for array in store.shard_arrays(name))


class DeviceArray:
    """All shards of one array as one array on the device.

    A row is stored as 8-byte words if its size allows, because the cost of gathering on a GPU
    depends on the number of elements, not bytes.
    """

    def __init__(self, shards: list[Any], device: torch.device, bar: Bar | None = None) -> None:
        self.shape = shards[0].shape[1:]
        self.dtype = _dtype_of(shards[0])
        values = int(np.prod(self.shape))
        whole = torch.empty(
            (sum(len(shard) for shard in shards), values), dtype=self.dtype, device=device
        )
        start = 0
        for shard in shards:
            part = torch.from_numpy(np.array(shard).reshape(len(shard), values))
            whole[start : start + len(shard)] = part
            start += len(shard)
            if bar is not None:
                bar.advance(shard.nbytes / 2**20)
        words = values * whole.element_size() % 8 == 0
        self._rows = whole.view(torch.int64) if words else whole

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Return the rows at some positions, shape (*rows.shape, ...)."""
        return self._rows[rows].view(self.dtype).view(*rows.shape, *self.shape)


class OnDevice:
    """Arrays that stay on a GPU between runs, as long as this object exists.

    Attributes:
        arrays: for each name, the shards that an array was made from, and the array.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, tuple[list[Any], DeviceArray]] = {}

    def forget_all_but(self, store: Store) -> None:
        """Free arrays of any other store."""
        for name, (shards, _) in list(self.arrays.items()):
            if shards is not store.shard_arrays(name):
                del self.arrays[name]


class Resident:
    """Frames whose arrays are on the device; a batch is one gathering of rows."""

    def __init__(self, store: Store, device: torch.device, arrays: dict[str, DeviceArray]) -> None:
        self._device = device
        self._labels = torch.from_numpy(store.labels).to(device)
        self._arrays = arrays

    def batches(self, picks: Iterable[Pick]) -> Iterator[Batch]:
        """Yield one batch for every pick, in order."""
        # all positions are copied at once, because a copy in every step would stall the GPU
        todo = list(picks)
        if not todo:
            return
        sizes = [len(pick.samples) for pick in todo]
        all_rows = torch.from_numpy(np.concatenate([p.rows for p in todo])).to(self._device)
        all_samples = torch.from_numpy(np.concatenate([p.samples for p in todo])).to(self._device)
        split = zip(torch.split(all_rows, sizes), torch.split(all_samples, sizes), strict=True)
        for rows, samples in split:
            found = {name: array[rows] for name, array in self._arrays.items()}
            yield Batch(
                found.get("face"),
                found.get("context"),
                found["boxes"],
                self._labels[samples],
                samples,
                found.get("sound"),
            )


class Streamed:
    """Frames that a few threads read from the memory map and send to the device in advance."""

    def __init__(self, store: Store, names: list[str], transfer: Transfer) -> None:
        self._store = store
        self._names = names
        self._labels = torch.from_numpy(store.labels)
        self._transfer = transfer

    def batches(self, picks: Iterable[Pick]) -> Iterator[Batch]:
        """Yield one batch for every pick, in order."""
        transfer = self._transfer
        with ThreadPoolExecutor(READERS, initializer=transfer.begin_thread) as readers:
            reads = ahead(picks, lambda pick: readers.submit(self._read, pick), AHEAD)
            sent = ahead(reads, lambda reading: transfer.send(reading.result()), transfer.ahead)
            for moved in map(transfer.receive, sent):
                yield Batch(
                    moved.get("face"),
                    moved.get("context"),
                    moved["boxes"],
                    moved["labels"],
                    moved["samples"],
                    moved.get("sound"),
                )

    def _read(self, pick: Pick) -> Tensors:
        found: Tensors = {}
        for name in self._names:
            like = self._store.shard_arrays(name)[0]
            shape = (*pick.rows.shape, *like.shape[1:])
            found[name] = self._transfer.empty(shape, _dtype_of(like))
            self._store.read(name, pick.rows, out=found[name].numpy())
        positions = torch.from_numpy(pick.samples)
        for name, values in (("labels", self._labels[positions]), ("samples", positions)):
            found[name] = self._transfer.empty(values.shape, values.dtype).copy_(values)
        return found


def _dtype_of(array: Any) -> torch.dtype:
    return torch.from_numpy(np.empty(0, array.dtype)).dtype


def ahead(items: Iterable[T], start: Callable[[T], S], count: int) -> Iterator[S]:
    """Start all items in order, up to `count` ahead of the one whose result is yielded."""
    started: deque[S] = deque()
    for item in items:
        started.append(start(item))
        if len(started) > count:
            yield started.popleft()
    yield from started
