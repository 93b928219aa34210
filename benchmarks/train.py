"""Samples a second of CAER-Net, forward and training, beside the machine's limits and a plain port.

    python benchmarks/train.py                          # batches of 32 and 256
    python benchmarks/train.py --small --batches 4,8    # for a CPU: fewer frames, smaller pictures
    python benchmarks/train.py --only base,pool_first   # some of the variants

One run prints, for the machine it runs on:

- its measured peaks: matrix products in the precision of the run, and memory copies;
- the limits they set (arithmetic, memory, both one after the other), with the counting rule;
- for every variant of `compute` and batch size: samples a second forward (evaluation) and in
  training (augmentation, forward, backward, SGD), the share of the arithmetic limit, the share of
  the step spent waiting for data, peak memory;
- the same for `plain_port.py`: decoding each sample, transforms on the CPU, eager, fp32.

Ratios are to the plain port of the same run and batch size. Times are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import plain_port
import torch
import train_limits
from train_limits import best_of, limits_of, measure_peaks, synchronize, training_flops

from caer_data.benchmark import augment, runtime, windows
from caer_data.benchmark import store as stores
from caer_data.benchmark.checkpoint import Progress
from caer_data.benchmark.data import Streamed, open_frames
from caer_data.benchmark.describe import describe
from caer_data.benchmark.models import create
from caer_data.benchmark.recipe import ModelRecipe, load, vary
from caer_data.benchmark.samples import Sample, Source
from caer_data.benchmark.shards import Format, Work
from caer_data.benchmark.train import Trainer
from caer_data.errors import CaerError
from caer_data.progress import Reporter

NOTHING = {"channels_last": False, "pool_first": False, "compile": False, "cuda_graphs": False}
VARIANTS: dict[str, dict[str, Any]] = {
    "fp32": {"precision": "fp32"},
    "bf16": {"precision": "bf16"},
    "bf16 channels_last": {"precision": "bf16", "channels_last": True},
    "bf16 pool_first": {"precision": "bf16", "pool_first": True},
    "bf16 channels_last pool_first": {
        "precision": "bf16",
        "channels_last": True,
        "pool_first": True,
    },
    "fp32 channels_last": {"precision": "fp32", "channels_last": True},
    "fp32 pool_first": {"precision": "fp32", "pool_first": True},
    "fp32 channels_last pool_first": {
        "precision": "fp32",
        "channels_last": True,
        "pool_first": True,
    },
    "bf16 compile": {"precision": "bf16", "compile": True},
    "bf16 compile pool_first": {"precision": "bf16", "compile": True, "pool_first": True},
    "bf16 cuda_graphs": {"precision": "bf16", "cuda_graphs": True},
    "bf16 cuda_graphs channels_last": {
        "precision": "bf16",
        "cuda_graphs": True,
        "channels_last": True,
    },
}
SMALL = {"frames": 8, "face": (48, 48), "frame": (64, 86), "crop": (56, 56)}


def main() -> None:
    options = _options()
    if options.cpu_time:
        train_limits.clock = time.process_time
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    fabric = runtime.start(device.type)
    recipe = load(options.model)
    if options.small:
        recipe = vary(recipe, {"input": SMALL})
    found = describe(recipe)
    print(f"machine: {machine(device)}")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"a training sample: {training_flops(found) / 1e9:.2f} GFLOP")
    limits = {}
    for precision in ("fp32", "bf16"):
        peaks = measure_peaks(device, precision)
        limits[precision] = limits_of(found, peaks, precision)
        print(
            f"{precision} peaks measured: {peaks.flops / 1e12:.2f} TFLOP/s (matrix products), "
            f"{peaks.bytes / 1e9:.0f} GB/s (copies)"
        )
        for name, value in limits[precision].items():
            print(f"{precision} limit, {name}: {value:,.1f} samples/s")
    if options.cpu_time:
        print("all figures are a second of processor time, not of wall time")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files, boxes = plain_port.write_clips(folder, options.clips)
        store = build_store(files, boxes, recipe, folder)
        print(HEADER)
        for batch in options.batches:
            plain = measure_plain(files, boxes, recipe, batch, device, options)
            plain.show(limits, plain)
            rows.append(vars(plain))
            for label, compute in VARIANTS.items():
                if unsuited(label, compute, device, options):
                    continue
                changed = vary(
                    recipe, {"compute": {**NOTHING, **compute}, "train": {"batch_size": batch}}
                )
                try:
                    row = measure(label, changed, store, batch, fabric, folder, options)
                except CaerError as error:  # too little memory for this batch: the next may fit
                    print(f"{label}: {error}")
                    continue
                row.show(limits, plain)
                rows.append(vars(row))
    if options.json:
        Path(options.json).write_text(
            json.dumps({"machine": machine(device), "limits": limits, "rows": rows}, indent=1)
        )


@dataclass
class Row:
    label: str
    precision: str
    batch: int
    forward: float
    training: float
    waiting: float
    memory: float

    def show(self, limits: dict[str, dict[str, float]], plain: Row) -> None:
        limit = limits[self.precision]["arithmetic"]
        print(
            f"{self.label:32}{self.batch:6}{self.forward:12,.2f}{self.training:12,.2f}"
            f"{self.training / plain.training:9.1f}x{self.training / limit:9.1%}"
            f"{self.waiting:9.1%}{self.memory / 2**30:10.2f}",
            flush=True,
        )


HEADER = (
    f"{'variant':32}{'batch':>6}{'forward/s':>12}{'training/s':>12}{'to plain':>10}"
    f"{'of limit':>9}{'waiting':>9}{'GiB':>10}"
)


# ---- measurements ----------------------------------------------------------------------------


def build_store(files: list[Path], boxes: np.ndarray, recipe: ModelRecipe, folder: Path) -> Any:
    samples = [
        Sample(path.name, path, "train", number % 7, np.array([[0, *box]], np.float32))
        for number, (path, box) in enumerate(zip(files, boxes, strict=True))
    ]
    source = Source("made-up clips", "clips", tuple(samples), made_up=True)
    form = Format(recipe.input.face, recipe.input.frame, recipe.input.fps)
    started = train_limits.clock()
    store = stores.build(
        [Work(s) for s in samples],
        source,
        form,
        folder / "store",
        reporter=Reporter("quiet"),
        workers=1,
    )
    print(f"store: {len(files)} clips decoded once, {train_limits.clock() - started:.1f} s")
    return store


def measure(
    label: str, recipe: ModelRecipe, store: Any, batch: int, fabric: Any, folder: Path, options: Any
) -> Row:
    device = fabric.device
    torch.manual_seed(0)
    reset_memory(device)
    frames = open_frames(store, device, face=True, context=True)
    trainer = Trainer(
        create(recipe), recipe, store, frames, fabric, folder=folder, seed=0, identity=""
    )
    random = np.random.default_rng(0)

    def picks() -> Any:
        while True:
            drawn = random.integers(0, len(store.samples), batch)
            yield windows.random_windows(store, drawn, recipe.input.frames, 0, 0)

    # a bounded number of picks: the streamed reader takes them ahead
    steps, waits = [], []
    todo = [pick for pick, _ in zip(picks(), range(options.warm + options.steps), strict=False)]
    batches = frames.batches(todo)
    trainer.network.train()
    for number in range(len(todo)):
        synchronize(device)
        started = train_limits.clock()
        given = next(batches)
        waited = train_limits.clock() - started
        trainer._step(given, Progress(step=number))
        synchronize(device)
        if number >= options.warm:
            steps.append(train_limits.clock() - started)
            waits.append(waited)
    memory = used_memory(device)
    face, context = augment.inputs(given, recipe, training=False)
    trainer.network.eval()

    def forward() -> None:
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=trainer.bf16):
            trainer.network(face, context)

    for _ in range(options.warm):
        forward()
    forward_s = best_of(forward, device, options.steps, statistics.median)
    step_s = statistics.median(steps)
    if isinstance(frames, Streamed):
        label = f"{label} (streamed)" if device.type == "cuda" else label
    return Row(
        label,
        recipe.compute.precision,
        batch,
        batch / forward_s,
        batch / step_s,
        sum(waits) / sum(steps),
        memory,
    )


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
    marks = [train_limits.clock()]
    for number, _ in enumerate(plain_port.training_steps(clips, batch, options.workers, device)):
        marks.append(train_limits.clock())
        if number + 1 == options.warm + options.steps:
            break
    step_s = statistics.median(np.diff(marks[options.warm :]).tolist())
    memory = used_memory(device)
    shapes = [(3, size.frames, *size.face), (3, size.frames, *size.crop)]
    model, inputs = plain_port.forward_samples(batch, shapes, device)

    def forward() -> None:
        with torch.no_grad():
            model(*inputs)

    forward_s = best_of(forward, device, options.steps, statistics.median)
    # without its loader: the steps that a batch at hand would take
    model.train()

    def step() -> None:
        model(*inputs).logsumexp(1).sum().backward()

    alone_s = best_of(step, device, options.steps, statistics.median)
    return Row(
        "plain port",
        "fp32",
        batch,
        batch / forward_s,
        batch / step_s,
        max(1 - alone_s / step_s, 0),
        memory,
    )


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


def unsuited(label: str, compute: dict[str, Any], device: torch.device, options: Any) -> bool:
    if options.only:
        return label not in options.only
    # on CPUs: no graphs, a compiler is needed, and bf16 gradients can be wrong (see the docs)
    only_cuda = compute["precision"] == "bf16" or compute.get("compile")
    return device.type != "cuda" and only_cuda


def machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        name = lines[0].split(": ", 1)[1] if lines else name
    return f"{name}, {os.cpu_count()} cores"


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="caer-net", choices=["caer-net"])
    parser.add_argument("--device", choices=["cpu", "cuda"])
    parser.add_argument(
        "--batches", default="32,256", type=lambda s: [int(x) for x in s.split(",")]
    )
    parser.add_argument("--small", action="store_true", help="8 frames, face 48, context 56 pixels")
    parser.add_argument("--only", type=lambda s: s.split(","), help=f"of: {', '.join(VARIANTS)}")
    parser.add_argument("--steps", type=int, default=20, help="timed steps")
    parser.add_argument("--warm", type=int, default=5, help="steps before them")
    parser.add_argument("--clips", type=int, default=16, help="made-up clips of three seconds")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="of the plain port")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="processor time in place of wall time, for a CPU that others use at the same time; "
        "set OMP_NUM_THREADS=1 and --workers 0, so that all work is in one thread",
    )
    parser.add_argument("--json", help="write the figures there, too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
