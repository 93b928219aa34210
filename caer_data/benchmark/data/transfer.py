"""Transfer frames to the device: not needed on a CPU, in parallel with computing on a GPU."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


class Transfer(Protocol):
    """Sends tensors filled by reading threads to the device.

    Attributes:
        ahead: number of batches in transfer while one is computed.
    """

    ahead: int

    def begin_thread(self) -> None:
        """Prepare a reading thread; called once in each."""

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return host memory for a thread to fill."""
        ...

    def send(self, tensors: Tensors) -> Any:
        """Start the transfer to the device."""

    def receive(self, sent: Any) -> Tensors:
        """Return the transferred tensors, ready for computing."""
        ...


class NoCopy:
    """Transfer for a CPU, where no copy is needed."""

    ahead = 0

    def begin_thread(self) -> None:
        """Do nothing."""

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return ordinary memory."""
        return torch.empty(shape, dtype=dtype)

    def send(self, tensors: Tensors) -> Tensors:
        """Return the tensors themselves."""
        return tensors

    def receive(self, sent: Tensors) -> Tensors:
        """Return the tensors themselves."""
        return sent


class CopyStream:
    """Transfer from pinned memory on a separate stream, in parallel with computing on the GPU.

    torch's allocators prevent premature reuse: pinned memory is not reused before the copy from it
    has ended, and GPU memory of the copying stream is not reused before the computation registered
    with `record_stream` has ended.
    """

    ahead = 1

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def begin_thread(self) -> None:
        """Select the device, because a new thread would otherwise allocate memory on the first."""
        torch.cuda.set_device(self._device)

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return pinned memory, from which copies do not block the host."""
        return torch.empty(shape, dtype=dtype, pin_memory=True)

    def send(self, tensors: Tensors) -> tuple[Tensors, torch.cuda.Event]:
        """Start the copies; return the tensors with an event."""
        with torch.cuda.stream(self._stream):
            moved = {n: t.to(self._device, non_blocking=True) for n, t in tensors.items()}
        return moved, self._stream.record_event()

    def receive(self, sent: tuple[Tensors, torch.cuda.Event]) -> Tensors:
        """Return the tensors; the computing stream waits for the copies, but the host does not."""
        moved, copied = sent
        computing = torch.cuda.current_stream(self._device)
        computing.wait_event(copied)
        for tensor in moved.values():
            tensor.record_stream(computing)
        return moved
