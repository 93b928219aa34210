"""All accuracy figures in one run, each with its aim beside it.

    python performance/accuracy.py DATA [--scrfd det_500m.onnx] [--embedder w600k_mbf.onnx]
        [--speaker-model lr-asd.onnx] [--odd-tools FOLDER] [--only cuts faces ...]
    python performance/accuracy.py DATA --films FOLDER [--scrfd det_500m.onnx] [--verbose]

DATA is laid out as `accuracy_faces.py` says. With `--films`, only the shots of your own labelled
films are counted: a folder of videos with a JSON file beside each, as in `shots_gt`. There, a shot
may also say `clear_target` (whether it shows one; else whether it shows one face) and `doubtful`.
What the material or the files for a figure are missing for is printed as "not measured", never left
out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import accuracy_faces
import accuracy_odd
import accuracy_shots
import accuracy_speech
from figures import Figure, missing, show

PARTS = ("cuts", "faces", "speech", "odd")


def cuts(given: argparse.Namespace) -> None:
    """Hard cuts, wipes and dissolves."""
    show("cuts", accuracy_shots.figures(given.data))


def faces(given: argparse.Namespace) -> None:
    """Shots sorted, kept clips and persons, by detector."""
    recipes = accuracy_faces.chosen(given.scrfd, given.embedder)
    for name, recipe in recipes.items():
        show(f"faces, {name}", accuracy_faces.figures(given.data, recipe, name))
    left: list[Figure] = []
    if not given.scrfd:
        left.append(missing("shots sorted right, SCRFD", "needs --scrfd", 0.97))
    if not given.embedder:
        left.append(missing("persons, F1 with ArcFace or SFace", "needs --embedder", 0.95))
    left += [
        missing("persons, F1, learnt show by show", "there is no such option", 0.85),
        missing("persons, F1, children", "no child in the material"),
        missing("persons, F1, situation comedies", "none in the material", 0.80),
    ]
    show("faces, what is missing", left)


def films(given: argparse.Namespace) -> None:
    """Shots sorted and kept clips of one's own films, by detector."""
    for name, recipe in accuracy_faces.chosen(given.scrfd, given.embedder).items():
        found = accuracy_faces.film_figures(given.films, recipe, name, given.verbose)
        show(f"{given.films.name}, {name}", found)


def speech(given: argparse.Namespace) -> None:
    """Voices, who speaks, and offsets of subtitles."""
    show("speech", accuracy_speech.figures(given.data, given.speaker_model))


def odd(given: argparse.Namespace) -> None:
    """Odd files, frame by frame, and sound."""
    show("odd files", accuracy_odd.figures(given.data, given.odd_tools))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--scrfd", help="file of SCRFD weights, to score that detector too")
    parser.add_argument("--embedder", help="file of ArcFace or SFace weights, to score it too")
    parser.add_argument("--speaker-model", help="ONNX file of LR-ASD, to score it too")
    parser.add_argument("--odd-tools", type=Path, help="folder of numbered.py and make.sh")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--films", type=Path, help="folder of labelled films: count their shots")
    parser.add_argument("--verbose", action="store_true", help="with --films, print every shot")
    given = parser.parse_args()
    if given.films:
        films(given)
        return
    measure: dict[str, Callable[[argparse.Namespace], None]] = {
        "cuts": cuts, "faces": faces, "speech": speech, "odd": odd,
    }  # fmt: skip
    for part in given.only:
        measure[part](given)


if __name__ == "__main__":
    main()
