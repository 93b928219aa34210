"""Edit a small labelled dataset at random, hundreds of times, and count what was looked at.

    python performance/identity.py --steps 300 --seed 7

After every edit it must hold that no label stands on frames or a target other than those rated, no
answer vanished, and no file that a build did not write is gone (tests/helpers/random_edits.py).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from random_edits import World


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), given.seed)
        for _ in range(given.steps):
            world.step()
        print(f"{given.steps} edits, {world.answers} answers, {len(world.foreign)} own files")
        for name, count in sorted(world.counts.items()):
            print(f"  {name}: {count}")


if __name__ == "__main__":
    main()
