"""Measuring one variant of the training step, and the plain port, for `train.py`."""

from __future__ import annotations

import math
import shutil
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import plain_port
import torch
import train_limits
from train_limits import best_of, synchronize

from caer_data.benchmark.data import augment, windows
from caer_data.benchmark.data import store as stores
from caer_data.benchmark.data.batches import Streamed, open_frames
from caer_data.benchmark.data.samples import Sample, Source
from caer_data.benchmark.data.shards import Format, Work
from caer_data.benchmark.data.transfer import CopyStream, NoCopy
from caer_data.benchmark.networks import create
from caer_data.benchmark.recipe import ModelRecipe
from caer_data.benchmark.training import runtime
from caer_data.benchmark.training.compiled import as_compiled, is_compiled
from caer_data.benchmark.training.step import TrainingStep
from caer_data.engine.progress import Reporter


@dataclass
class Row:
    """Samples per second; shares of a step; peak bytes.

    Attributes:
        precision: of the products, as it was run.
        limit: training samples per second that arithmetic alone allows.
        note: where it did not run as its label says.
        numerics: what the check of bf16 found, where it ran.
        failed: why there are no figures.
    """

    label: str
    precision: str
    batch: int
    forward: float = 0.0
    training: float = 0.0
    loading: float = 0.0
    augmenting: float = 0.0
    memory: float = 0.0
    limit: float = 0.0
    note: str = ""
    numerics: dict[str, float] = field(default_factory=dict)
    failed: str = ""


def build_store(
    files: list[Path], boxes: np.ndarray, recipe: ModelRecipe, folder: Path
) -> stores.Store:
    samples = [
        Sample(path.name, path, "train", number % 7, np.array([[0, *box]], np.float32))
        for number, (path, box) in enumerate(zip(files, boxes, strict=True))
    ]
    kind = "clips" if recipe.clips else "images"
    source = Source(f"made-up {kind}", kind, tuple(samples), made_up=True)
    form = Format(recipe.input.face, recipe.input.frame, recipe.input.fps if recipe.clips else None)
    started = train_limits.clock()
    store = stores.build(
        [Work(s) for s in samples],
        source,
        form,
        folder / "store",
        reporter=Reporter("quiet"),
        workers=1,
    )
    print(f"store: {len(files)} {kind} decoded once, {train_limits.clock() - started:.1f} s")
    return store


def measure(
    label: str,
    recipe: ModelRecipe,
    store: stores.Store,
    fabric: Any,
    options: Any,
    *,
    fused: bool = True,
    streamed: bool = False,
) -> Row:
    """A recipe's own training step; not `fused`: SGD as a loop; `streamed`: not held on the GPU."""
    device, batch = fabric.device, recipe.train.batch_size
    torch.manual_seed(0)
    reset_memory(device)
    frames: Any = open_frames(store, device, face=True, context=True)
    if streamed:
        way = CopyStream(device) if device.type == "cuda" else NoCopy()
        frames = Streamed(store, ["boxes", "face", "context"], way)
    trainer = TrainingStep(create(recipe), recipe, fabric)
    if not fused:
        groups = trainer.optimizer.param_groups
        trainer.optimizer = torch.optim.SGD(
            groups[0]["params"], lr=0.005, momentum=0.9, fused=False, foreach=False
        )
        trainer._update = trainer.optimizer.step
    trainer.network.train()

    def batches(count: int) -> Any:
        random = np.random.default_rng(0)
        draws = [random.integers(0, len(store.samples), batch) for _ in range(count)]
        picks = [windows.random_windows(store, x, recipe.input.frames, 0, 0) for x in draws]
        return frames.batches(picks)

    for number, given in enumerate(batches(options.warm)):
        trainer.learn(given, 0.005, number)
    # as training runs: nobody waits for the device before the end
    synchronize(device)
    started = train_limits.clock()
    for number, given in enumerate(batches(options.steps)):
        trainer.learn(given, 0.005, number)
    synchronize(device)
    step_s = (train_limits.clock() - started) / options.steps
    memory = used_memory(device)
    # once more, waiting after every part
    loads, wholes = [], []
    coming = batches(options.steps)
    for number in range(options.steps):
        synchronize(device)
        started = train_limits.clock()
        given = next(coming)
        synchronize(device)
        loads.append(train_limits.clock() - started)
        trainer.learn(given, 0.005, number)
        synchronize(device)
        wholes.append(train_limits.clock() - started)
    if options.profile:
        _profile(lambda: trainer.learn(given, 0.005, 0), label, batch, options.profile)
    dtype = runtime.input_type(recipe, trainer.bf16)
    augment_s = 0.0  # compiled, it is part of the model's graph
    if not is_compiled(recipe.compute):
        augment_s = best_of(
            lambda: augment.inputs(given, recipe, training=True, dtype=dtype),
            device,
            5,
            statistics.median,
        )
    face, context = augment.inputs(given, recipe, training=False, dtype=dtype)
    trainer.tested.eval()

    def forward() -> None:
        with (
            torch.no_grad(),
            as_compiled(recipe.compute, full=True),
            torch.autocast(device.type, torch.bfloat16, enabled=trainer.bf16),
        ):
            trainer.tested(face, context)

    for _ in range(options.warm):
        forward()
    forward_s = best_of(forward, device, options.steps, statistics.median)
    lost = recipe.compute.precision == "bf16" and not trainer.bf16
    return Row(
        label,
        "bf16" if trainer.bf16 else "fp32",
        batch,
        batch / forward_s,
        batch / step_s,
        sum(loads) / sum(wholes),
        augment_s / statistics.median(wholes),
        memory,
        note="bf16 not trusted, ran in fp32" if lost else "",
        numerics=trainer.numerics or {},
    )


def _profile(step: Any, label: str, batch: int, out: Path) -> None:
    """Three steps by kernel; on a GPU sorted by its own time."""
    kinds = [torch.profiler.ProfilerActivity.CPU]
    gpu = torch.cuda.is_available()
    kinds += [torch.profiler.ProfilerActivity.CUDA] if gpu else []
    with torch.profiler.profile(activities=kinds) as found:
        for _ in range(3):
            step()
    key = "self_device_time_total" if gpu else "self_cpu_time_total"
    table = found.key_averages().table(sort_by=key, row_limit=25, max_name_column_width=90)
    with out.open("a") as stream:
        stream.write(f"{label}, batch {batch}\n{table}\n\n")


def measure_plain(
    files: list[Path],
    boxes: np.ndarray,
    recipe: ModelRecipe,
    batch: int,
    device: torch.device,
    options: Any,
) -> Row:
    reset_memory(device)
    size = recipe.input
    times = -(-batch * (options.warm + options.steps) // len(files))
    labels = [number % 7 for number in range(len(files))]
    clips = plain_port.Clips(
        files, boxes, labels, size.face, size.frame, size.crop, size.frames, times
    )
    workers = _workers(batch, recipe, options.workers)
    marks = [train_limits.clock()]
    for number, _ in enumerate(plain_port.training_steps(clips, batch, workers, device), start=1):
        marks.append(train_limits.clock())
        timed = number - options.warm
        if timed == options.steps:
            break
        if timed >= 2 and marks[-1] - marks[options.warm] > options.longest:
            break
    step_s = (marks[-1] - marks[options.warm]) / timed
    memory = used_memory(device)
    time = (size.frames,) if recipe.clips else ()
    shapes = [(3, *time, *size.face), (3, *time, *size.crop)]
    model, inputs = plain_port.forward_samples(batch, shapes, device)

    def forward() -> None:
        with torch.no_grad():
            model(*inputs)

    forward_s = best_of(forward, device, options.steps, statistics.median)
    # without its loader: the steps that a batch already loaded would take
    model.train()

    def step() -> None:
        model(*inputs).logsumexp(1).sum().backward()

    alone_s = best_of(step, device, options.steps, statistics.median)
    loading = max(1 - alone_s / step_s, 0)
    few = f"{workers} workers" if workers < options.workers else ""
    return Row(
        "plain port",
        "fp32",
        batch,
        batch / forward_s,
        batch / step_s,
        loading,
        memory=memory,
        note=few,
    )


def _workers(batch: int, recipe: ModelRecipe, wanted: int) -> int:
    """As many as shared memory has room for: each has two batches there, and one is on its way."""
    shared = Path("/dev/shm")  # noqa: S108 - where torch's workers put batches, on Linux
    if not (wanted and shared.is_dir()):
        return wanted
    size = recipe.input
    pixels = size.frames * (math.prod(size.face) + math.prod(size.crop))
    one = batch * 3 * pixels * 4
    return min(wanted, int(shutil.disk_usage(shared).free / one - 1) // 2)


def reset_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the peak of this process


def used_memory(device: torch.device) -> float:
    """Peak bytes: of the GPU, or of this process (Linux; 0 elsewhere)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
    return float(line.split()[1]) * 1024
