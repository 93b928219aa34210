"""What the rows of `caer-data benchmark suite readings` change on the self-test's clips.

    python performance/readings.py --out readings.csv              # one seed of every row
    python performance/readings.py --seeds 3 --only "plain logit"  # more seeds of one

CAER-Net-S as the self-test trains it, but for the reading: a process of one thread for every row
and seed. Two rows differ from the suite. The self-test has no dropout, since so few steps would not
be enough with it: the first row has none either, and the row `no dropout` is turned round and
called `dropout 0.5`. The row `all faces hidden` is left out, because the clips show one face each.

For each row: accuracy on the test clips with its 95 % interval over clips (Wilson), accuracy on
those that only face and context together tell (`both`), the share of the attention on the coloured
disc, the face's fusion weight in clips that only the face tells, and processor time. The interval
says nothing about seeds: repeat the first row with others to see what they change. Rows are written
as they come; those in the file are not repeated.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import checkout  # noqa: F401 - makes caer_data importable

if TYPE_CHECKING:
    from caer_data.benchmark.recipe import ModelRecipe

HEADS = (
    "reading", "seed", "clips", "all", "low", "high", "both", "attention", "face weight", "cpu s"
)  # fmt: skip
PREFIX = "CAER-Net "
TURNED = {"no dropout": "dropout 0.5"}
LEFT_OUT = ("all faces hidden",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--clips", type=int, default=1600, help="that are learned from")
    parser.add_argument("--only", action="append", help="a row's name; repeatable")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path("readings.csv"))
    options = parser.parse_args()
    from caer_data.benchmark.results.suites import rows

    known = [row.label.removeprefix(PREFIX) for row in rows("readings")]
    labels = options.only or [label for label in known if label not in LEFT_OUT]
    if unknown := sorted(set(labels) - set(known)):
        parser.error(f"no row {unknown[0]}; known are {', '.join(known)}")
    if not options.out.exists():
        options.out.write_text(",".join(HEADS) + "\n")
    with options.out.open() as stream:
        done = {
            (row["reading"], int(row["seed"]), int(row["clips"])) for row in csv.DictReader(stream)
        }
    todo = [
        (label, seed, options.clips)
        for seed in range(options.seeds)
        for label in labels
        if (TURNED.get(label, label), seed, options.clips) not in done
    ]
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        runs = [pool.submit(measured, *one) for one in todo]
        for run in as_completed(runs):
            print(run.result(), flush=True)
            with options.out.open("a", newline="") as stream:
                csv.writer(stream).writerow(run.result())


def measured(label: str, seed: int, count: int) -> tuple[Any, ...]:
    """Train one reading from one seed and look at what it learned."""
    import torch

    torch.set_num_threads(1)
    from caer_data.benchmark.results import intervals
    from caer_data.benchmark.results.compare import Bench
    from caer_data.benchmark.results.entries import Entry
    from caer_data.benchmark.selftest import statements, synthetic
    from caer_data.benchmark.training import runtime
    from caer_data.engine.progress import Reporter

    started = time.process_time()
    recipe = _recipe(label)
    clips = synthetic.make(train=count)
    store = synthetic.store(clips, recipe.input.face, recipe.input.frame)
    with tempfile.TemporaryDirectory() as folder:
        fabric = runtime.start("cpu")
        bench = Bench(Path(folder), range(seed, seed + 1), fabric, Reporter("quiet"))
        bench.runs(Entry(label, recipe), store)
        right = statements._right(bench, recipe, store)
        found = statements._check_streams(bench, recipe, store, clips)
    both = clips.kinds[store.of_split("test")] == synthetic.KINDS.index("both")
    low, high = intervals.wilson(float(right.mean()), len(right))
    shares = (f"{share:.3f}" for share in (right.mean(), low, high, right[both].mean()))
    attention, weight = found[1].found.split(" ")[0], found[2].found.split(" ")[2]
    seconds = f"{time.process_time() - started:.0f}"
    return TURNED.get(label, label), seed, count, *shares, attention, weight, seconds


def _recipe(label: str) -> ModelRecipe:
    """The self-test's recipe with what the row changes."""
    from caer_data.benchmark.recipe import vary
    from caer_data.benchmark.results.suites import rows
    from caer_data.benchmark.selftest import synthetic

    known = {row.label.removeprefix(PREFIX): row.recipe for row in rows("readings")}
    asked, paper = known[label], rows("readings")[0].recipe
    changes: dict[str, dict[str, Any]] = {
        section: {
            name: value
            for name, value in getattr(asked, section).model_dump().items()
            if value != getattr(paper, section).model_dump()[name]
        }
        for section in ("layers", "hide", "augment")
    }
    if "dropout" in changes["layers"]:
        changes["layers"]["dropout"] = paper.layers.dropout
    letter = {"layers": {"attention_bn_relu": True}, "name": "reading"}
    return vary(vary(synthetic.recipe(), letter), changes)


if __name__ == "__main__":
    main()
