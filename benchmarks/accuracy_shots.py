"""Hard cuts found, against ground truth and against stress films made from photographs.

    python benchmarks/accuracy_shots.py FOLDER_WITH_GROUND_TRUTH

Each video of the folder has a JSON file of the same name: `cuts` (first frames of new shots, from
0 in decode order) and `gradual` (ranges of fades, dissolves and wipes, in which a cut is neither
right nor wrong). A cut is found if one lies within a frame of it; every true cut counts once.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from caer_data.build.shots import ShotDetector
from caer_data.media.decode import frames
from caer_data.media.probe import probe
from caer_data.recipe import Shots

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
import stress_shots

TOLERANCE = 1
MIN_F1 = 0.95


@dataclass(frozen=True)
class Score:
    """Cuts found, made up and missed."""

    found: int
    made_up: tuple[int, ...]
    missed: tuple[int, ...]

    @property
    def precision(self) -> float:
        return self.found / max(1, self.found + len(self.made_up))

    @property
    def recall(self) -> float:
        return self.found / max(1, self.found + len(self.missed))

    @property
    def f1(self) -> float:
        wrong = len(self.made_up) + len(self.missed)
        return 2 * self.found / max(1, 2 * self.found + wrong)


def cuts_of(path: Path, settings: Shots) -> list[int]:
    """First frames of all shots but the first, as the build finds them."""
    info = probe(path)
    detector = ShotDetector(settings, info)
    for frame in frames(path, info):
        detector.push(frame)
    return [row["start_frame"] for row in detector.finish()][1:]


def score(
    cuts: Sequence[int], truth: Sequence[int], gradual: Sequence[tuple[int, int]] = ()
) -> Score:
    """Match cuts one to one with the truth."""
    open_, found, made_up = set(truth), 0, []
    for cut in cuts:
        near = [t for t in open_ if abs(t - cut) <= TOLERANCE]
        if near:
            open_.discard(min(near, key=lambda t: abs(t - cut)))
            found += 1
        elif not any(a - TOLERANCE <= cut <= b + TOLERANCE for a, b in gradual):
            made_up.append(cut)
    return Score(found, tuple(made_up), tuple(sorted(open_)))


def together(scores: Sequence[Score]) -> Score:
    """Scores of several videos as one."""
    return Score(
        sum(s.found for s in scores),
        tuple(c for s in scores for c in s.made_up),
        tuple(c for s in scores for c in s.missed),
    )


def ground_truth(folder: Path, settings: Shots) -> Iterator[tuple[str, Score]]:
    """Score of every video with ground truth."""
    for truth_path in sorted(folder.glob("*.json")):
        truth = json.loads(truth_path.read_text(encoding="utf-8"))
        video = next(p for p in sorted(folder.glob(f"{truth_path.stem}.*")) if p != truth_path)
        gradual = [(g["start"], g["end"]) for g in truth["gradual"]]
        yield truth_path.stem, score(cuts_of(video, settings), truth["cuts"], gradual)


def stress(settings: Shots, seeds: Sequence[int] = (1, 2)) -> Iterator[tuple[str, Score]]:
    """Score of every kind of stress film."""
    with tempfile.TemporaryDirectory() as folder:
        for kind in stress_shots.KINDS:
            scores = []
            for seed in seeds:
                pictures, truth = stress_shots.film(kind, seed)
                path = stress_shots.write(Path(folder) / "film.mp4", pictures)
                scores.append(score(cuts_of(path, settings), truth))
            yield kind, together(scores)


def main(folder: Path) -> None:
    for title, settings in (
        ("PySceneDetect's adaptive", Shots(refine=False)),
        ("refined (the default)", Shots()),
    ):
        for what, scores in (
            ("ground truth", dict(ground_truth(folder, settings))),
            ("stress films", dict(stress(settings))),
        ):
            print(f"\n{title}, {what}")
            print(f"{'':32}{'P':>7}{'R':>7}{'F1':>7}  made up, missed")
            for name, s in {**scores, "all": together(list(scores.values()))}.items():
                wrong = f"{list(s.made_up)} {list(s.missed)}" if name != "all" else ""
                print(f"{name[:31]:32}{s.precision:7.3f}{s.recall:7.3f}{s.f1:7.3f}  {wrong}")
    reached = together([s for _, s in ground_truth(folder, Shots())]).f1
    print(f"\nhard cuts F1 {reached:.3f}, wanted {MIN_F1}: {'yes' if reached >= MIN_F1 else 'NO'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
