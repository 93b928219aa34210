"""What Lightning Fabric costs a training step: the same step with and without it, turn by turn.

    python performance/train_fabric.py            # a step so small that the cost can be seen

The model is four small linear layers on the CPU, so that a step takes some hundred microseconds.
Both forms are timed in blocks one after the other, many times; the median of the differences of
neighbouring blocks is printed with its spread, so that other work on the machine hits both alike.
Set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from caer_data.benchmark.training import runtime

STEP_AT_THE_AIM_S = 32 / 4500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--blocks", type=int, default=101)
    parser.add_argument("--steps", type=int, default=50, help="a block")
    options = parser.parse_args()
    fabric = runtime.start("cpu")
    x = torch.randn(32, 64)
    plain, wrapped = layers(), layers()
    network = fabric.setup_module(wrapped)
    forms = {
        "plain": step(plain, plain, torch.Tensor.backward, x),
        "Fabric": step(wrapped, network, fabric.backward, x),
    }
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(options.blocks):
        for name, run in forms.items():
            started = time.process_time()
            for _ in range(options.steps):
                run()
            times[name].append((time.process_time() - started) / options.steps)
    for name, found in times.items():
        print(f"{name:8}{statistics.median(found) * 1e6:8.0f} us per step")
    more = [b - a for a, b in zip(times["plain"], times["Fabric"], strict=True)]
    low, middle, high = (q * 1e6 for q in statistics.quantiles(more, n=4))
    print(f"Fabric costs {middle:.0f} us per step (quartiles {low:.0f} to {high:.0f})")
    share = middle / 1e6 / STEP_AT_THE_AIM_S
    print(f"of a step of 32 at 4,500 samples per second: {share:.2%}")


def layers() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Linear(64, 64) for _ in range(4)))


def step(
    model: nn.Module, network: Callable, backward: Callable, x: torch.Tensor
) -> Callable[[], None]:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        backward(network(x).square().mean())
        optimizer.step()

    return run


if __name__ == "__main__":
    main()
