"""Devices and processes of a run.

Lightning Fabric starts the processes, on one or several machines, and combines their gradients; the
training loop remains explicit. `docs/benchmark.md` explains why Fabric was chosen.
"""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

import torch

from caer_data.engine.errors import CaerError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from caer_data.benchmark.recipe import ModelRecipe

MAX_WAIT: Final = timedelta(days=2)
"""Maximum time to wait for other processes, for example while the first decodes a dataset."""

LOOK_FOR_PARENT_S: Final = 2.0

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of mallopt, in glibc's malloc.h

BY_HAND: Final = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")
"""Environment variables with the address of other processes, if there is no launcher."""


def start(device: str = "auto", devices: int = 1, nodes: int = 1) -> Fabric:
    """Start the processes of a benchmark, one per device; each returns from this function.

    Raises:
        CaerError: there is no such device, there are too few of them, or several machines are
            requested without a launcher.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    kind = "cuda" if device == "auto" and torch.cuda.is_available() else device
    kind = "cpu" if kind == "auto" else kind
    if kind == "cuda" and torch.cuda.device_count() < devices:
        raise CaerError(
            f"--device cuda --devices {devices}: torch {torch.__version__} sees "
            f"{torch.cuda.device_count()} CUDA devices; use --device cpu, or install torch for CUDA"
        )
    if nodes > 1 and not _launched():
        raise CaerError(
            f"--nodes {nodes}: nothing starts the other machines; run the command with torchrun or "
            f"srun on each of them, or set {', '.join(BY_HAND)} there"
        )
    strategy: DDPStrategy | str = "auto"
    if devices * nodes > 1:
        strategy = DDPStrategy(timeout=MAX_WAIT)
    fabric = Fabric(accelerator=kind, devices=devices, num_nodes=nodes, strategy=strategy)
    fabric.launch()
    if fabric.local_rank > 0:  # started by the first process of the machine, or by torchrun
        _end_with_parent()
    if kind == "cuda":
        torch.backends.cudnn.benchmark = True  # input sizes never change
    else:
        _keep_freed_memory()
    return fabric


def _keep_freed_memory() -> None:
    """Let this process reuse the memory of freed tensors instead of returning it to the system.

    Otherwise, every large tensor of a step is new memory, which Linux fills with zeros page by
    page: a fifth of the processor time of training. Elsewhere, PyTorch's allocator has no such
    setting.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, -1)  # never


def _launched() -> bool:
    """Return whether a launcher known to Fabric, or the user, set up this process.

    Otherwise, Fabric would wait for the other machines at an address that they do not know.
    """
    from lightning_fabric.plugins.environments.lsf import LSFEnvironment
    from lightning_fabric.plugins.environments.mpi import MPIEnvironment
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    launchers = (TorchElasticEnvironment, SLURMEnvironment, LSFEnvironment, MPIEnvironment)
    return any(launcher.detect() for launcher in launchers) or os.environ.keys() >= set(BY_HAND)


def _end_with_parent() -> None:
    """End this process when its parent has ended, instead of waiting for it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_FOR_PARENT_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def precision_of(
    wanted: Literal["auto", "fp32", "bf16"], device: torch.device
) -> Literal["fp32", "bf16"]:
    """Return the precision of a run: the recipe's, or bf16 on CUDA devices that support it."""
    if wanted != "auto":
        return wanted
    if device.type != "cuda":
        return "fp32"
    # older GPUs emulate bf16, which is slower than fp32
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"


def input_type(recipe: ModelRecipe, bf16: bool) -> torch.dtype:
    """Return the type of a model's inputs.

    CAER-Net's first layers are convolutions, whose inputs autocast would convert to bf16 anyway, so
    writing bf16 halves the memory traffic. Other models may process their inputs in fp32 first.
    """
    short = bf16 and recipe.is_caer_net and not recipe.is_own_class
    return torch.bfloat16 if short else torch.float32
