"""Ways of read frames to the device: none on a CPU, beside the computing on a GPU."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


class Transfer(Protocol):
    """Takes what reading threads filled to the device.

    Attributes:
        ahead: how many batches are on their way while one is computed.
    """

    ahead: int

    def begin_thread(self) -> None:
        """Called once in every reading thread."""

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Host memory for a thread to fill."""
        ...

    def send(self, tensors: Tensors) -> Any:
        """Start the way to the device."""

    def receive(self, sent: Any) -> Tensors:
        """What was sent, safe to compute with."""
        ...


class NoCopy:
    """On a CPU everything is where it is needed."""

    ahead = 0

    def begin_thread(self) -> None:
        """Nothing is needed."""

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Ordinary memory."""
        return torch.empty(shape, dtype=dtype)

    def send(self, tensors: Tensors) -> Tensors:
        """The same."""
        return tensors

    def receive(self, sent: Tensors) -> Tensors:
        """The same."""
        return sent


class CopyStream:
    """Pinned memory, copied on a stream of its own while the GPU computes on another.

    torch's allocators keep both ends safe: pinned memory is given to nobody else before a copy from
    it has ended, and memory of the GPU, which belongs to the copying stream, not before the
    computing that `record_stream` told of has ended.
    """

    ahead = 1

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def begin_thread(self) -> None:
        """A new thread's own device is the first one, where it would take memory."""
        torch.cuda.set_device(self._device)

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Pinned memory: only from there a copy does not stop the host."""
        return torch.empty(shape, dtype=dtype, pin_memory=True)

    def send(self, tensors: Tensors) -> tuple[Tensors, torch.cuda.Event]:
        """Start the copies."""
        with torch.cuda.stream(self._stream):
            moved = {n: t.to(self._device, non_blocking=True) for n, t in tensors.items()}
        return moved, self._stream.record_event()

    def receive(self, sent: tuple[Tensors, torch.cuda.Event]) -> Tensors:
        """Have the computing wait for the copies; the host does not."""
        moved, copied = sent
        computing = torch.cuda.current_stream(self._device)
        computing.wait_event(copied)
        for tensor in moved.values():
            tensor.record_stream(computing)
        return moved
