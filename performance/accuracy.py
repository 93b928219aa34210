"""All accuracy figures in one run: cuts, faces counted, targets, persons told apart.

    python performance/accuracy.py DATA [--scrfd scrfd_500m.onnx]

DATA is laid out as `accuracy_faces.py` says.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import accuracy_faces
import accuracy_shots

from caer_data.engine import recipe as recipes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--scrfd", help="file of SCRFD weights, to score that detector too")
    given = parser.parse_args()
    accuracy_shots.main(given.data)
    accuracy_faces.report(given.data, recipes.load("caer"), verbose=False)
    accuracy_faces.report(given.data, accuracy_faces.with_detector("mmod"), verbose=False)
    if given.scrfd:
        accuracy_faces.report(given.data, accuracy_faces.with_scrfd(given.scrfd), verbose=False)


if __name__ == "__main__":
    main()
