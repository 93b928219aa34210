"""Samples a second of CAER-Net, forward and training, beside the machine's limits and a plain port.

    python performance/train.py                          # the whole table: batches of 32 and 256
    python performance/train.py --model caer-net-s
    python performance/train.py --small --batches 4,8    # for a CPU: fewer frames, smaller pictures
    python performance/train.py --only "fp32; fp32 channels_last" --device cpu

One run prints, for the machine it runs on:

- its measured peaks: matrix products in the precision of the run, and memory copies;
- the limits they set (`train_limits.py` has the counting rules);
- for every variant and batch size: samples per second forward (evaluation) and in training
  (augmentation, forward, backward, SGD), the ratio to the plain port of the same run, the share of
  the arithmetic limit, the shares of a step that loading and augmentation take, peak memory;
- the same for `plain_port.py`: decoding each sample, transforms on the CPU, eager, fp32.

Variants name what is on; `loop SGD` and `streamed` name what the product would not do. Training is
timed over all steps together, the way it runs; the shares in a second pass that waits for the
device after every part.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import plain_port
import torch
import train_limits
from train_limits import limits_of, measure_peaks, training_flops
from train_measure import Row, build_store, measure, measure_plain

from caer_data.benchmark.recipe import load, vary
from caer_data.benchmark.results.describe import describe
from caer_data.benchmark.training import runtime
from caer_data.engine.errors import CaerError

OPTIONS = ("channels_last", "pool_first", "compile", "cuda_graphs")
NOT_OURS: dict[str, dict[str, bool]] = {
    "loop SGD": {"fused": False},
    "streamed": {"streamed": True},
}
VARIANTS = [
    "fp32",
    "fp32 channels_last",
    "fp32 pool_first",
    "fp32 channels_last, pool_first",
    "fp32 compile",
    "bf16",
    "bf16 channels_last",
    "bf16 channels_last, loop SGD",
    "bf16 channels_last, streamed",
    "bf16 pool_first",
    "bf16 channels_last, pool_first",
    "bf16 compile",
    "bf16 channels_last, compile",
    "bf16 pool_first, compile",
    "bf16 channels_last, pool_first, compile",
    "bf16 cuda_graphs",
    "bf16 channels_last, cuda_graphs",
    "bf16 channels_last, pool_first, cuda_graphs",
]
SMALL = {"face": (48, 48), "frame": (64, 86), "crop": (56, 56)}


def main() -> None:
    options = _options()
    if options.cpu_time:
        train_limits.clock = train_limits.time.process_time
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    fabric = runtime.start(device.type)
    recipe = load(options.model, options.preset)
    if options.small:
        recipe = vary(recipe, {"input": {**SMALL, "frames": 8 if recipe.clips else 1}})
    found = describe(recipe)
    print(f"machine: {machine(device)}")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"{recipe.name}, a training sample: {training_flops(found) / 1e9:.2f} GFLOP")
    variants = [v for v in options.only or VARIANTS if options.only or suited(v, device)]
    limits = {}
    for precision in dict.fromkeys(["fp32", *(v.split()[0] for v in variants)]):
        peaks = measure_peaks(device, precision)
        limits[precision] = limits_of(recipe, found, peaks, precision)
        print(
            f"{precision} peaks measured: {peaks.flops / 1e12:.2f} TFLOP/s (matrix products), "
            f"{peaks.bytes / 1e9:.0f} GB/s (copies)"
        )
        for name, value in limits[precision].items():
            print(f"{precision} limit, {name}: {value:,.1f} samples/s")
    if options.cpu_time:
        print("all figures are a second of processor time, not of wall time")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write = plain_port.write_clips if recipe.clips else plain_port.write_pictures
        files, boxes = write(folder, options.samples)
        store = build_store(files, boxes, recipe, folder)
        print(HEADER)
        for batch in options.batches:
            plain = measure_plain(files, boxes, recipe, batch, device, options)
            show(plain, limits, plain)
            rows.append(plain)
            for label in variants:
                compute, how = parse(label)
                changed = vary(recipe, {"compute": compute, "train": {"batch_size": batch}})
                try:
                    row = measure(label, changed, store, fabric, options, **how)
                except CaerError as error:  # too little memory, no compiler: the next may do
                    print(f"{label}: {error}")
                    continue
                show(row, limits, plain)
                rows.append(row)
    if options.json:
        values = {"machine": machine(device), "limits": limits, "rows": [vars(r) for r in rows]}
        Path(options.json).write_text(json.dumps(values, indent=1))


HEADER = (
    f"{'variant':46}{'batch':>6}{'forward/s':>12}{'training/s':>12}{'to plain':>10}"
    f"{'of limit':>9}{'loading':>9}{'augment':>9}{'GiB':>9}"
)


def show(row: Row, limits: dict[str, dict[str, float]], plain: Row) -> None:
    limit = limits[row.precision]["arithmetic"]
    print(
        f"{row.label:46}{row.batch:6}{row.forward:12,.2f}{row.training:12,.2f}"
        f"{row.training / plain.training:9.1f}x{row.training / limit:9.1%}"
        f"{row.loading:9.1%}{row.augmenting:9.1%}{row.memory / 2**30:9.2f}",
        flush=True,
    )


def parse(label: str) -> tuple[dict[str, Any], dict[str, bool]]:
    """The fields of `compute` that a label names, and how `measure` is called."""
    precision, _, rest = label.partition(" ")
    words = [word.strip() for word in rest.split(",") if word.strip()]
    unknown = set(words) - {*OPTIONS, *NOT_OURS}
    if precision not in ("fp32", "bf16") or unknown:
        raise SystemExit(f"no variant '{label}'; a precision, then {OPTIONS} or {tuple(NOT_OURS)}")
    how = {k: v for word in words for k, v in NOT_OURS.get(word, {}).items()}
    return {"precision": precision, **{name: name in words for name in OPTIONS}}, how


def suited(label: str, device: torch.device) -> bool:
    """On CPUs by default no bf16, whose gradients can be wrong, and nothing that compiles."""
    return device.type == "cuda" or not ("bf16" in label or "compile" in label)


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
    parser.add_argument("--model", default="caer-net", choices=["caer-net", "caer-net-s"])
    parser.add_argument("--preset", default="paper", choices=["paper", "tuned"])
    parser.add_argument("--device", choices=["cpu", "cuda"])
    parser.add_argument(
        "--batches", default="32,256", type=lambda s: [int(x) for x in s.split(",")]
    )
    parser.add_argument("--small", action="store_true", help="8 frames, face 48, context 56 pixels")
    parser.add_argument(
        "--only",
        type=lambda s: [x.strip() for x in s.split(";")],
        help=f"variants, between semicolons; of: {'; '.join(VARIANTS)}",
    )
    parser.add_argument("--steps", type=int, default=20, help="timed steps")
    parser.add_argument("--warm", type=int, default=5, help="steps before them")
    parser.add_argument("--samples", type=int, default=16, help="made-up clips of three seconds")
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
