"""From the store to the device: both ways give the same, in order, and in time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from made_up import tiny_store

from caer_data.benchmark.data import batches as data
from caer_data.benchmark.data import transfer
from caer_data.benchmark.data.batches import DeviceArray, Resident, Streamed, ahead
from caer_data.benchmark.data.store import Store
from caer_data.benchmark.data.transfer import CopyStream, NoCopy
from caer_data.benchmark.data.windows import Pick, random_windows

CPU = torch.device("cpu")
NAMES = ["boxes", "face", "context"]


def picks(store: Store) -> list[Pick]:
    return list(random_windows(store, np.arange(len(store.samples)), 1, 0, 0).batches(8))


def test_whole_and_streamed_give_the_same_batches() -> None:
    store = tiny_store(43, 4, 4)  # the last batch is smaller
    arrays = {name: DeviceArray(store.shard_arrays(name), CPU) for name in NAMES}
    whole = Resident(store, CPU, arrays).batches(picks(store))
    streamed = Streamed(store, NAMES, NoCopy()).batches(picks(store))
    count = 0
    for pick, one, other in zip(picks(store), whole, streamed, strict=True):
        for name in ("face", "context", "boxes", "labels", "samples"):
            assert torch.equal(getattr(one, name), getattr(other, name)), name
        assert one.samples.tolist() == pick.samples.tolist()
        assert np.array_equal(one.face, store.read("face", pick.rows))
        count += 1
    assert count == 7


@pytest.mark.parametrize("size", [(16, 16), (7, 5)], ids=["in words of 8 bytes", "byte by byte"])
def test_rows_come_back_whatever_their_size(size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    shards = [random.integers(0, 256, (n, *size, 3), np.uint8) for n in (3, 0, 5)]
    array = DeviceArray(shards, CPU)
    rows = torch.tensor([[7, 0], [3, 3], [2, 6]])
    assert np.array_equal(array[rows], np.concatenate(shards)[rows])


def test_ahead_starts_the_next_before_the_first_is_wanted() -> None:
    started: list[int] = []
    results = ahead(range(4), lambda i: (started.append(i), i)[1], 2)
    assert next(results) == 0
    assert started == [0, 1, 2]
    assert list(results) == [1, 2, 3]


class Recording(NoCopy):
    """A way to the device that writes down when what happens."""

    ahead = 1

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []

    def send(self, tensors: dict[str, torch.Tensor]) -> Any:
        self.events.append(("send", int(tensors["samples"][0])))
        return tensors

    def receive(self, sent: Any) -> Any:
        self.events.append(("receive", int(sent["samples"][0])))
        return sent


def test_a_batch_is_sent_before_the_one_before_it_is_computed() -> None:
    store, way = tiny_store(), Recording()
    for batch in Streamed(store, NAMES, way).batches(picks(store)):
        way.events.append(("compute", int(batch.samples[0])))
    firsts = [int(pick.samples[0]) for pick in picks(store)]
    for this, following in pairwise(firsts):
        at = way.events.index
        assert at(("send", this)) < at(("receive", this)) < at(("compute", this))
        assert at(("send", following)) < at(("compute", this))


def test_a_reader_that_fails_is_heard_and_a_stop_ends_the_threads() -> None:
    store = tiny_store()
    bad = [*picks(store), Pick(np.array([0]), np.array([[10**6]]))]
    with pytest.raises(IndexError):
        list(Streamed(store, NAMES, NoCopy()).batches(bad))
    stopped: Iterator[Any] = Streamed(store, NAMES, NoCopy()).batches(picks(store))
    next(stopped)
    stopped.close()  # returns: no thread waits for a reader


def test_copies_run_on_their_own_stream_and_memory_is_kept_until_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The order of calls, with CUDA played by a recorder."""
    cuda, tensor = MagicMock(), MagicMock()
    monkeypatch.setattr(transfer.torch, "cuda", cuda)
    device = torch.device("cuda", 3)
    copying = CopyStream(device)
    copying.begin_thread()
    cuda.set_device.assert_called_once_with(device)
    sent = copying.send({"face": tensor})
    cuda.stream.assert_called_once_with(cuda.Stream.return_value)
    tensor.to.assert_called_once_with(device, non_blocking=True)
    assert not cuda.current_stream.return_value.wait_event.called
    moved = copying.receive(sent)
    computing = cuda.current_stream.return_value
    computing.wait_event.assert_called_once_with(cuda.Stream.return_value.record_event.return_value)
    moved["face"].record_stream.assert_called_once_with(computing)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A GPU played by ordinary memory: how much is free, and which arrays were put there."""
    found: dict[str, Any] = {"free": 10**9, "made": []}

    def put(shards: list[Any], device: object, bar: object) -> object:
        found["made"].append(shards)
        return DeviceArray(shards, CPU)

    monkeypatch.setattr(data, "DeviceArray", put)
    monkeypatch.setattr(data, "CopyStream", lambda device: NoCopy())
    monkeypatch.setattr(data, "Resident", lambda store, device, arrays: ("resident", arrays))
    monkeypatch.setattr(data, "available_memory", lambda device, empty: found["free"])
    return found


def test_a_store_that_fits_is_put_on_the_gpu_once_for_all_runs(gpu: dict[str, Any]) -> None:
    store, other, device = tiny_store(), tiny_store(), torch.device("cuda", 0)
    kept = data.OnDevice()
    data.open_frames(store, device, face=True, context=False, kept=kept)
    data.open_frames(store, device, face=True, context=True, kept=kept)
    split_again = store.with_splits(["train"] * len(store.samples), "fold")
    _, arrays = data.open_frames(split_again, device, face=True, context=True, kept=kept)
    assert set(arrays) == {"boxes", "face", "context"}
    assert len(gpu["made"]) == 3, "each array once"
    data.open_frames(other, device, face=True, context=False, kept=kept)
    assert len(gpu["made"]) == 5
    assert set(kept.arrays) == {"boxes", "face"}, "what the other store needs"


def test_a_store_that_does_not_fit_is_streamed(gpu: dict[str, Any]) -> None:
    store = tiny_store()
    size = sum(data.size_of(store, name) for name in NAMES)
    gpu["free"] = size * 2 - 1
    found = data.open_frames(store, torch.device("cuda", 0), face=True, context=True)
    assert isinstance(found, Streamed)
    gpu["free"] = size * 2
    assert data.open_frames(store, torch.device("cuda", 0), True, True)[0] == "resident"
