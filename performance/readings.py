"""What the rows of `caer-data benchmark suite readings` change on the self-test's clips.

    python performance/readings.py --seeds 3 --jobs 4 --out readings.csv

CAER-Net-S at the self-test's sizes, a process of one thread for every row and seed. For each: test
accuracy, also on the clips that only face and context together tell (`both`), the share of the
attention on the coloured disc, and the face's fusion weight in clips that only the face tells. Rows
are written as they come; those in the file are not repeated.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import checkout  # noqa: F401 - makes caer_data importable

HEADS = ("reading", "seed", "all", "both", "attention", "face weight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", action="append", help="a row's name; repeatable")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path("readings.csv"))
    options = parser.parse_args()
    from caer_data.benchmark.results.suites import rows

    labels = options.only or [row.label for row in rows("readings")]
    if not options.out.exists():
        options.out.write_text(",".join(HEADS) + "\n")
    with options.out.open() as stream:
        done = {(row["reading"], int(row["seed"])) for row in csv.DictReader(stream)}
    todo = [(label, seed) for seed in range(options.seeds) for label in labels]
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        runs = [pool.submit(measured, *one) for one in todo if one not in done]
        for run in as_completed(runs):
            print(run.result(), flush=True)
            with options.out.open("a", newline="") as stream:
                csv.writer(stream).writerow(run.result())


def measured(label: str, seed: int) -> tuple[Any, ...]:
    """Train one reading from one seed and look at what it learned."""
    import torch

    torch.set_num_threads(1)
    from caer_data.benchmark.recipe import vary
    from caer_data.benchmark.results.compare import Bench
    from caer_data.benchmark.results.entries import Entry
    from caer_data.benchmark.results.suites import rows
    from caer_data.benchmark.selftest import statements, synthetic
    from caer_data.benchmark.training import runtime
    from caer_data.engine.progress import Reporter

    asked = next(row.recipe for row in rows("readings") if row.label == label)
    paper = rows("readings")[0].recipe
    mine = {
        section: {
            name: value
            for name, value in getattr(asked, section).model_dump().items()
            if value != getattr(paper, section).model_dump()[name]
        }
        for section in ("layers", "hide", "augment")
    }
    letter = {"layers": {"attention_bn_relu": True}, "name": "reading"}
    recipe = vary(vary(synthetic.recipe(), letter), mine)
    if "dropout" not in mine["layers"]:
        # the self-test has none; the row without it is the one that differs
        recipe = vary(recipe, {"layers": {"dropout": paper.layers.dropout}})
    clips = synthetic.make()
    store = synthetic.store(clips, recipe.input.face, recipe.input.frame)
    with tempfile.TemporaryDirectory() as folder:
        fabric = runtime.start("cpu")
        bench = Bench(Path(folder), range(seed, seed + 1), fabric, Reporter("quiet"))
        bench.runs(Entry(label, recipe), store)
        right = statements._right(bench, recipe, store)
        found = statements._check_streams(bench, recipe, store, clips)
    both = clips.kinds[store.of_split("test")] == synthetic.KINDS.index("both")
    attention = found[1].found.split(" ")[0]
    weight = found[2].found.split(" ")[2]
    return label, seed, f"{right.mean():.3f}", f"{right[both].mean():.3f}", attention, weight


if __name__ == "__main__":
    main()
