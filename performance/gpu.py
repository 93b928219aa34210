"""Does every model learn on this device, in the precision that a user gets, what it learns in fp32?

    python performance/gpu.py                         # all recipes on the GPU, a few minutes
    python performance/gpu.py --device cpu --batch 4 --models caer-net-s
    python performance/gpu.py --release made          # writes made-up clips, to try a suite on

For each shipped recipe (and ResNet-18): its logits on the device against the CPU's, both fp32; what
the check of bf16 against fp32 says of its first step; and its loss before and after many steps on
one batch of noise, in the precision that `auto` gives and in fp32, each the median of three runs
that draw differently. Speed is that of 20 of these steps. Exits with 1 where logits differ, bf16
was not trusted, or the loss is higher than fp32's by more than noise.
"""

from __future__ import annotations

import argparse
import copy
import math
import sys
import time
from pathlib import Path
from typing import Any

import checkout  # noqa: F401 - makes caer_data importable
import torch

from caer_data.benchmark.data import augment
from caer_data.benchmark.data.batches import Batch
from caer_data.benchmark.networks import create
from caer_data.benchmark.networks.pooled_norm import as_if_larger
from caer_data.benchmark.recipe import MELS, ModelRecipe, columns_of, load, shipped, vary
from caer_data.benchmark.selftest import synthetic, synthetic_release
from caer_data.benchmark.training import runtime
from caer_data.benchmark.training.step import TrainingStep

CLOSE = 1e-2
"""Relative difference of fp32 logits between devices: TF32 keeps 10 bits of each factor."""
HIGHER = 0.5
"""How far the loss may be above fp32's; on an H200, two runs of CAER-Net were 0.65 apart."""
RUNS = 3
VARIANTS = {"resnet-18": ("resnet", {"baseline": {"variant": "18"}})}
WARM_UP, TIMED = 4, 20  # steps


def main() -> None:
    options = _options()
    if options.release:
        clips = synthetic.make_ordered(train=64, validation=16, test=32)
        synthetic_release.write(clips, options.release)
        print(f"{options.release}: 112 made-up clips")
        return
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    fabric = runtime.start(device)
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}")
    print(f"{'model':14}{'precision':>10}{'to CPU':>10}{'bf16 logits':>13}{'floor':>8}", end="")
    print(f"{'cosine':>9}{'floor':>8}{'loss':>8}{'then':>8}{'fp32':>8}{'samples/s':>11}")
    failed = [name for name in options.models or _models() if not _check(name, fabric, options)]
    print(f"failed: {', '.join(failed)}" if failed else "every model passed")
    sys.exit(bool(failed))


def _models() -> list[str]:
    return [name for name in shipped() if name != "onnx-probe"] + [*VARIANTS]


def _check(name: str, fabric: Any, options: Any) -> bool:
    try:
        return _learns(name, fabric, options)
    except Exception as error:
        print(f"{name:14} {type(error).__name__}: {error}", flush=True)
        return False


def _learns(name: str, fabric: Any, options: Any) -> bool:
    own, changes = VARIANTS.get(name, (name, {}))
    recipe = vary(load(own, "paper"), changes)
    recipe = vary(recipe, {"train": {"batch_size": options.batch}})
    torch.manual_seed(0)
    model = create(recipe)
    batch = _noise(recipe, options.batch)
    apart = _apart(model, recipe, batch, fabric.device)
    batch = _moved(batch, fabric.device)
    exact = vary(recipe, {"compute": {"precision": "fp32"}})
    _, _, last_exact, _, _ = _median(model, exact, fabric, batch, options)
    speed, first, last, numerics, bf16 = _median(model, recipe, fabric, batch, options)
    found = numerics or {}
    keys = ("logits_error", "floor_logits_error", "gradient_cosine", "floor_gradient_cosine")
    error, floor, cosine, floor_cosine = (found.get(key, float("nan")) for key in keys)
    wanted = runtime.precision_of(recipe.compute.precision, fabric.device)
    print(
        f"{name:14}{'bf16' if bf16 else 'fp32':>10}{apart:10.1e}{error:13.4f}{floor:8.4f}"
        f"{cosine:9.3f}{floor_cosine:8.3f}{first:8.3f}{last:8.3f}"
        f"{last_exact:8.3f}{speed:11,.0f}",
        flush=True,
    )
    return apart < CLOSE and last < last_exact + HIGHER and bf16 == (wanted == "bf16")


def _median(
    model: Any, recipe: ModelRecipe, fabric: Any, batch: Batch, options: Any
) -> tuple[float, float, float, dict[str, float] | None, bool]:
    """The run of `_trained` with the median last loss, from the same weights, and its precision."""
    runs = []
    for seed in range(RUNS):
        step = TrainingStep(copy.deepcopy(model).train(), recipe, fabric)
        runs.append((*_trained(step, batch, options, seed), step.numerics, step.bf16))
        if not math.isfinite(runs[-1][2]):
            return runs[-1]
    return sorted(runs, key=lambda run: run[2])[RUNS // 2]


def _trained(
    step: TrainingStep, batch: Batch, options: Any, seed: int
) -> tuple[float, float, float]:
    """Samples per second, and the first and the last loss of always the same batch and draws."""
    rate = step.recipe.train.scaled_learning_rate
    first = step.learn(batch, rate, seed).item()
    for _ in range(WARM_UP):
        step.learn(batch, rate, seed).item()
    started = time.perf_counter()
    losses = [step.learn(batch, rate, seed) for _ in range(TIMED)]
    losses[-1].item()  # waits for the device
    speed = TIMED * options.batch / (time.perf_counter() - started)
    for _ in range(max(1, options.steps - 1 - WARM_UP - TIMED)):
        last = step.learn(batch, rate, seed)
    return speed, first / options.batch, last.item() / options.batch


def _noise(recipe: ModelRecipe, count: int) -> Batch:
    size = recipe.input

    def pixels(height: int, width: int) -> torch.Tensor:
        return torch.randint(0, 256, (count, size.frames, height, width, 3), dtype=torch.uint8)

    boxes = torch.zeros(count, size.frames, 8, 4)
    boxes[:, :, 0] = torch.tensor([20.0, 20.0, 60.0, 70.0])
    numbers = torch.arange(count)
    sound = None
    if recipe.hears:
        sound = torch.randn(count, size.frames, MELS, columns_of(size.fps))
    face = pixels(*size.face) if recipe.sees_face else None
    context = pixels(*size.frame) if recipe.sees_context else None
    return Batch(face, context, boxes, numbers % 7, numbers, sound)


def _apart(model: Any, recipe: ModelRecipe, batch: Batch, device: torch.device) -> float:
    """Relative distance of the device's logits from the CPU's, of two samples, in evaluation."""
    logits = []
    for where in (torch.device("cpu"), device):
        few = _moved(batch.first(2), where)
        with torch.no_grad(), as_if_larger(recipe.train.batch_size / 2):
            found = model.to(where).eval()(*augment.inputs(few, recipe, training=False))
        logits.append(found.logits.double().cpu())
    return float((logits[1] - logits[0]).norm() / logits[0].norm())


def _moved(batch: Batch, device: torch.device) -> Batch:
    parts = (batch.face, batch.context, batch.boxes, batch.labels, batch.samples, batch.sound)
    return Batch(*(None if x is None else x.to(device) for x in parts))


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"])
    parser.add_argument("--models", type=lambda s: s.split(","), help="of the shipped recipes")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=75, help="on a batch, at least 26")
    parser.add_argument("--release", type=Path, help="write made-up clips there, and nothing else")
    return parser.parse_args()


if __name__ == "__main__":
    main()
