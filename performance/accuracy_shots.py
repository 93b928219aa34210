"""Hard cuts found, against ground truth and against films made to be hard.

    python performance/accuracy_shots.py DATA

DATA/shots_gt holds videos with a JSON file each: `cuts` (first frames of new shots, from 0 in
decode order) and `gradual` (ranges of fades, dissolves and wipes, in which a cut is neither right
nor wrong). A cut is found if one lies within a frame of it; every true cut counts once.

Films are made of photographs (`tests/helpers/stress_shots.py`) and of the real footage in
DATA/shots_gt and DATA/videos (`edited_films.py`): the refined detector's constants were chosen with
footage of the first half, its figures for the second half are those to believe.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import edited_films
import numpy as np
from figures import Figure, share

from caer_data.engine.recipe import Shots
from caer_data.media.decode import frames
from caer_data.media.probe import probe
from caer_data.shots.detect import ShotDetector

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
    for frame in frames(path, info, for_analysis=True):
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


def edited(
    takes: list[edited_films.Take], settings: Shots
) -> Iterator[tuple[str, Score, tuple[int, int]]]:
    """Score of every kind of edited film, and how many of its gradual transitions were cut."""
    with tempfile.TemporaryDirectory() as folder:
        for number, kind in enumerate(edited_films.KINDS):
            film = edited_films.film(kind, takes, np.random.default_rng(number))
            crf = 40 if kind == "crushed" else 24
            path = stress_shots.write(Path(folder) / "film.mp4", film.frames, crf)
            cuts = cuts_of(path, settings)
            reached = sum(any(a - 1 <= c <= b + 1 for c in cuts) for a, b in film.gradual)
            yield kind, score(cuts, film.cuts, film.gradual), (reached, len(film.gradual))


def report_edited(data: Path) -> None:
    """Print the scores of the edited films of both halves, two detectors side by side."""
    for half, takes in zip(("first half", "second half"), edited_films.footage(data), strict=True):
        print(f"\nedited films, footage of the {half}; gradual: transitions that were cut")
        print(f"{'F1 of hard cuts':18}{'adaptive':>10}{'gradual':>9}{'default':>10}{'gradual':>9}")
        rows = [list(edited(takes, settings)) for settings in (Shots(refine=False), Shots())]
        for (kind, theirs, peer), (_, ours, own) in zip(*rows, strict=True):
            soft = [f"{a} of {n}" if n else "" for a, n in (peer, own)]
            wrong = f"  {list(ours.made_up)} {list(ours.missed)}" if ours.f1 < 1 else ""
            print(f"{kind:18}{theirs.f1:10.3f}{soft[0]:>9}{ours.f1:10.3f}{soft[1]:>9}{wrong}")
        theirs, ours = (together([s for _, s, _ in row]) for row in rows)
        print(f"{'all':18}{theirs.f1:10.3f}{'':9}{ours.f1:10.3f}")


def figures(data: Path) -> list[Figure]:
    """Hard cuts of all films, and gradual transitions that were cut, of the half kept apart."""
    found = together([s for _, s in ground_truth(data / "shots_gt", Shots())])
    result = [
        Figure("hard cuts, F1, shared films", found.f1, MIN_F1, note=f"{found.found} cuts"),
        Figure("made-up cuts, shared films", len(found.made_up), 0, most=True),
        Figure("hard cuts, F1, stress films", together([s for _, s in stress(Shots())]).f1, MIN_F1),
    ]
    _, takes = edited_films.footage(data)
    rows = {kind: (s, soft) for kind, s, soft in edited(takes, Shots())}
    every = together([s for s, _ in rows.values()])
    result += [
        Figure("hard cuts, F1, edited films, half kept apart", every.f1, MIN_F1),
        Figure("the same, whips", rows["whip"][0].f1),
        Figure("the same, pale pictures in fast motion", rows["pastel"][0].f1),
        Figure("the same, snow in whips", rows["snow"][0].f1),
        share("dissolves cut", *rows["dissolve"][1]),
        share("fades cut", *rows["fade"][1]),
    ]
    wipes = [rows[kind] for kind in edited_films.WIPES]
    reached, count = (sum(soft[n] for _, soft in wipes) for n in (0, 1))
    result.append(share("wipes cut, all kinds", reached, count))
    result += [share(f"  {kind}", *rows[kind][1]) for kind in edited_films.WIPES]
    return result


def main(data: Path) -> None:
    folder = data / "shots_gt"
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
    report_edited(data)
    reached = together([s for _, s in ground_truth(folder, Shots())]).f1
    print(f"\nhard cuts F1 {reached:.3f}, wanted {MIN_F1}: {'yes' if reached >= MIN_F1 else 'NO'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
