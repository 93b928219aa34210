"""Samples per second of CAER-Net, forward and training; the machine's limits and a plain port.

    python performance/train.py --out rows.jsonl         # the whole table, each row as it comes
    python performance/train.py --out rows.jsonl --minutes 8     # the most telling rows, then stop
    python performance/train.py --models caer-net-s --batches 32
    python performance/train.py --small --batches 4,8    # for a CPU: fewer frames, smaller pictures
    python performance/train.py --only "fp32; fp32 channels_last" --device cpu

The same command again skips rows that the file has from the same machine. It runs from a checkout;
`docs/benchmark-speed.md` lists the packages it needs. One run prints, for its machine:

- measured peaks: matrix products in the precision of the row, and memory copies;
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
import functools
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import checkout  # noqa: F401 - makes caer_data importable
import plain_port
import torch
import train_limits
from train_limits import limits_of, measure_peaks, training_flops
from train_measure import Row, build_store, measure, measure_plain
from train_rows import PLAIN, Rows, Wanted, in_order

from caer_data.benchmark.recipe import ModelRecipe, load, vary
from caer_data.benchmark.results.describe import describe
from caer_data.benchmark.training import runtime

OPTIONS = (
    *("channels_last", "fused_kernels", "pool_first", "pool_as_maximum", "compile", "cuda_graphs"),
)
NOT_OURS: dict[str, dict[str, bool]] = {
    "loop SGD": {"fused": False},
    "streamed": {"streamed": True},
}
VARIANTS = [
    "fp32",
    "fp32 channels_last",
    "fp32 pool_first",
    "fp32 channels_last, pool_first",
    "fp32 channels_last, fused_kernels",
    "fp32 compile",
    "bf16",
    "bf16 channels_last",
    "bf16 channels_last, fused_kernels",
    "bf16 channels_last, fused_kernels, loop SGD",
    "bf16 channels_last, fused_kernels, streamed",
    "bf16 pool_first",
    "bf16 channels_last, pool_first",
    "bf16 compile",
    "bf16 channels_last, compile",
    "bf16 channels_last, fused_kernels, compile",
    "bf16 channels_last, pool_as_maximum, compile",
    "bf16 pool_as_maximum, compile",
    "bf16 channels_last, pool_first, compile",
    "bf16 channels_last, cuda_graphs",
    "bf16 channels_last, fused_kernels, cuda_graphs",
    "bf16 channels_last, pool_as_maximum, cuda_graphs",
]
SMALL = {"face": (48, 48), "frame": (64, 86), "crop": (56, 56)}
ONE_ROW_S = {False: 15.0, True: 60.0}
"""Seconds that a row may take, uncompiled and compiled, before any was measured."""


def main() -> None:
    options = _options()
    if options.cpu_time:
        train_limits.clock = train_limits.time.process_time
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    where = {"machine": machine(device), "torch": torch.__version__, "small": options.small}
    print(f"{where['machine']}; torch {torch.__version__}, {torch.get_num_threads()} threads")
    labels = options.only or [PLAIN, *(v for v in VARIANTS if suited(v, device))]
    wanted = options.rows or in_order(options.models, options.batches, labels)
    for one in wanted:
        parse(one.label)
    rows = Rows(options.out, where)
    wanted = [one for one in wanted if one not in rows]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, device, Path(folder))
        left = within(options.minutes, wanted, lambda w: rows.add(w, bench.row(w)))
    if left:
        print("not run: " + "; ".join(map(str, left)))


def within(minutes: float | None, wanted: list[Wanted], run: Any) -> list[Wanted]:
    """Run what is wanted, in order, as long as the next one fits; returns what was not run."""
    end = time.perf_counter() + 60 * (minutes or 1e9)
    longest, left = dict(ONE_ROW_S), []
    for one in wanted:
        started = time.perf_counter()
        if started + longest[one.compiled] > end:
            left.append(one)  # a later one may be shorter
            continue
        run(one)
        longest[one.compiled] = max(longest[one.compiled], time.perf_counter() - started)
    return left


class Bench:
    """Synthetic clips and pictures, stores and limits, each created when a row first needs it."""

    def __init__(self, options: Any, device: torch.device, folder: Path) -> None:
        self.options, self.device, self.folder = options, device, folder
        self.fabric = runtime.start(device.type)
        self.recipe, self.files = functools.cache(self._recipe), functools.cache(self._files)
        self.store, self.peaks = functools.cache(self._store), functools.cache(self._peaks)
        self.limits = functools.cache(self._limits)

    def row(self, wanted: Wanted) -> Row:
        """Measure one; what it cannot do on this machine is the row's `failed`."""
        recipe = self.recipe(wanted.model)
        try:
            row = self._row(wanted, recipe)
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            return Row(wanted.label, "", wanted.batch, failed=f"{type(error).__name__}: {lines[0]}")
        row.limit = self.limits(wanted.model, row.precision)["arithmetic"]
        return row

    def _row(self, wanted: Wanted, recipe: ModelRecipe) -> Row:
        if wanted.label == PLAIN:
            files, boxes = self.files(recipe.clips)
            return measure_plain(files, boxes, recipe, wanted.batch, self.device, self.options)
        compute, how = parse(wanted.label)
        changed = vary(recipe, {"compute": compute, "train": {"batch_size": wanted.batch}})
        store = self.store(wanted.model)
        return measure(wanted.label, changed, store, self.fabric, self.options, **how)

    def _recipe(self, model: str) -> ModelRecipe:
        recipe = load(model, self.options.preset)
        if self.options.small:
            recipe = vary(recipe, {"input": {**SMALL, "frames": 8 if recipe.clips else 1}})
        return recipe

    def _files(self, clips: bool) -> Any:
        write = plain_port.write_clips if clips else plain_port.write_pictures
        folder = self.folder / ("clips" if clips else "pictures")
        folder.mkdir()
        return write(folder, self.options.samples)

    def _store(self, model: str) -> Any:
        recipe = self.recipe(model)
        return build_store(*self.files(recipe.clips), recipe, self.folder / model)

    def _peaks(self, precision: str) -> train_limits.Peaks:
        peaks = measure_peaks(self.device, precision)
        print(
            f"{precision} peaks measured: {peaks.flops / 1e12:.2f} TFLOP/s (matrix products), "
            f"{peaks.bytes / 1e9:.0f} GB/s (copies)"
        )
        return peaks

    def _limits(self, model: str, precision: str) -> dict[str, float]:
        recipe = self.recipe(model)
        found = describe(recipe)
        limits = limits_of(recipe, found, self.peaks(precision), precision)
        print(f"{model}, a training sample: {training_flops(found) / 1e9:.2f} GFLOP")
        for name, value in limits.items():
            print(f"{model} {precision} limit, {name}: {value:,.1f} samples/s")
        return limits


def parse(label: str) -> tuple[dict[str, Any], dict[str, bool]]:
    """The fields of `compute` that a label names, and how `measure` is called."""
    if label == PLAIN:
        return {}, {}
    precision, _, rest = label.partition(" ")
    words = [word.strip() for word in rest.split(",") if word.strip()]
    unknown = set(words) - {*OPTIONS, *NOT_OURS}
    if precision not in ("fp32", "bf16") or unknown:
        raise SystemExit(f"no variant '{label}'; a precision, then {OPTIONS} or {tuple(NOT_OURS)}")
    how = {k: v for word in words for k, v in NOT_OURS.get(word, {}).items()}
    return {"precision": precision, **{name: name in words for name in OPTIONS}}, how


def suited(label: str, device: torch.device) -> bool:
    """On CPUs by default no bf16, whose gradients can be wrong, and nothing that compiles."""
    return device.type == "cuda" or not any(x in label for x in ("bf16", "compile", "kernels"))


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
    parser.add_argument("--models", default=["caer-net", "caer-net-s"], type=lambda s: s.split(","))
    parser.add_argument("--preset", default="paper", choices=["paper", "tuned"])
    parser.add_argument("--device", choices=["cpu", "cuda"])
    parser.add_argument("--batches", default=[32, 256], type=lambda s: [*map(int, s.split(","))])
    parser.add_argument("--small", action="store_true", help="8 frames, face 48, context 56 pixels")
    parser.add_argument(
        "--only",
        type=lambda s: [x.strip() for x in s.split(";")],
        help=f"variants, between semicolons; of: {'; '.join([PLAIN, *VARIANTS])}",
    )
    parser.add_argument(
        "--rows",
        type=lambda s: [Wanted.read(x) for x in s.split(";")],
        help="rows in this order, between semicolons: 'caer-net 256 bf16 channels_last; ...'",
    )
    parser.add_argument(
        "--profile", type=Path, help="add to this file where the time of a step goes, by kernel"
    )
    parser.add_argument("--steps", type=int, default=20, help="timed steps")
    parser.add_argument(
        "--longest", type=float, default=20, help="seconds of the plain port's timed steps at most"
    )
    parser.add_argument("--warm", type=int, default=5, help="steps before them")
    parser.add_argument("--samples", type=int, default=16, help="made-up clips of three seconds")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="of the plain port")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="processor time instead of wall time, for a CPU that others use at the same time; "
        "set OMP_NUM_THREADS=1 and --workers 0, so that all work is in one thread",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="add each row to this file of JSON lines as it comes, and the table in Markdown "
        "beside it; rows that are in the file are not measured again",
    )
    parser.add_argument("--minutes", type=float, help="start no row that would end later")
    return parser.parse_args()


if __name__ == "__main__":
    main()
