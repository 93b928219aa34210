"""Kill builds at random moments, and compare what the same command then makes of them.

    python performance/kills.py VIDEO... [--kills 100] [--seed 1] [--engines local,shards,ray]
        [--at-once 1]

Each kill (-9) hits a whole command, one process below it (a worker, an ffmpeg, the server that
workers are forked from, a process of Ray), or Ray's node. Then the same command is given again, and
tables and clips are compared byte for byte with an undisturbed build. Half of the killed commands
continue what an earlier kill left. Shards are two commands at once, and the build after them. With
--at-once 3, three datasets are built and killed at the same time.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

import kills
import scale_builds as scale


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engines", default="local,shards,ray")
    parser.add_argument("--at-once", type=int, default=1)
    arguments = parser.parse_args()
    engines = arguments.engines.split(",")
    if unknown := set(engines) - kills.ENGINES.keys():
        parser.error(
            f"--engines {','.join(sorted(unknown))}: give some of {', '.join(kills.ENGINES)}"
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, video in enumerate(arguments.videos):
            place = folder / "shows" / f"Show {number % 2}" / f"e{number}{video.suffix}"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(video, place)
        count = _run(folder, engines, arguments.kills, arguments.at_once, arguments.seed)
    print("done: every kill cost only time" if count.is_good else "done: not all is well")
    return not count.is_good


def _run(folder: Path, engines: list[str], most: int, at_once: int, seed: int) -> kills.Count:
    """Kill so many times, in so many datasets at once."""
    recipe = scale.write_recipe(folder)
    counts = [kills.Count()] * at_once

    def one(number: int) -> None:
        draw = random.Random(seed * 1000 + number)  # noqa: S311 - moments, not secrets
        own = folder / str(number)
        own.mkdir()

        def show(count: kills.Count) -> None:
            counts[number] = count
            _print(sum(counts, kills.Count()))

        share = most // at_once + (number < most % at_once)
        kills.Killer(folder / "shows", recipe, own, draw, engines).run(share, show)

    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(one, range(at_once)))
    return sum(counts, kills.Count())


def _print(count: kills.Count) -> None:
    """The count so far, on one line, and what is wrong, so that a run may be stopped."""
    print(
        f"{sum(count.kills.values())} kills: {dict(sorted(count.kills.items()))}; "
        f"of what another kill left: {count.from_killed}; equal afterwards: {count.equal}; "
        f"different: {len(count.differing)}; temporary files left: {count.leftovers}; processes "
        f"left: {len(count.processes)}; stack traces: {len(count.traces)}",
        flush=True,
    )
    for text in (*count.differing, *count.processes, *count.traces):
        print(f"    {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
