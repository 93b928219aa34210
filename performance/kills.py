"""Kill builds at random moments, and compare what is left with an undisturbed build.

    python performance/kills.py VIDEO... [--kills 100] [--seed 1] [-- OPTIONS OF BUILD]

Half of the kills (-9) hit the whole build, half one process below it: a worker, an ffmpeg, the
server that workers are forked from, with `-- --engine ray` a process of Ray. The same command is
then given again until it ends. Tables and clips are compared byte for byte.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

import kills
import scale_builds as scale


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, video in enumerate(arguments.videos):
            place = folder / "shows" / f"Show {number % 2}" / f"e{number}{video.suffix}"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(video, place)
        count = kills.run(
            folder / "shows",
            scale.write_recipe(folder),
            folder,
            arguments.kills,
            random.Random(arguments.seed),  # noqa: S311 - moments, not secrets
            tuple(word for word in more if word != "--"),
            _print,
        )
    print("done")
    for text in (*count.differing, *count.without_a_sentence):
        print(text)
    return bool(count.differing or count.leftovers or count.without_a_sentence)


def _print(count: kills.Count) -> None:
    """The count so far, on one line, so that a run that is stopped has said something."""
    print(
        f"kills: {dict(count.kills)}; builds that went to their end: {count.finished}; "
        f"files that differ from the undisturbed build: {len(count.differing)}; "
        f"temporary files left: {count.leftovers}; "
        f"commands that ended with a stack trace: {len(count.without_a_sentence)}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
