"""How well faces are counted and persons told apart, on videos with ground truth by hand.

    python performance/accuracy_faces.py DATA [--scrfd scrfd_500m.onnx]

DATA holds `shots_gt/*.mp4|mov` with a JSON beside each (`shots`: start, end, faces, people),
`identities/intel_asl/*.mkv`, one person per file, named `<person>_<sign>.mkv`,
`identities/face_recognition`, photographs named `<person>__*` or `<person>_AND_<person>__*`, and
what `composed_scenes.py` names in `videos` and `weights`.

Composed scenes come in two halves of different people. Both were seen while detector sizes and
thresholds were chosen, as were the photographs, the signers and the films: expect less elsewhere.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import composed_scenes
import numpy as np
import pandas as pd

from caer_data.curate import filter as filter_stage
from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.faces import find as faces_stage
from caer_data.faces import people as people_stage
from caer_data.faces.bars import find_bars
from caer_data.faces.models.choose import create_detector, create_embedder
from caer_data.faces.samples import LONGEST_SIDE, Samples, SampleWriter
from caer_data.faces.search import Frames, Models
from caer_data.media.decode import frames
from caer_data.media.probe import probe

ANIMATED = "anim_"  # drawn faces are not scored


def find_faces(
    path: Path, video_id: str, spans: list[tuple[int, int]] | None, models: Models, recipe: Any
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray, filter_stage.Timing]:
    """Shots (as given; without spans the whole video is one), tracks, embeddings, frame times."""
    info = probe(path)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writer = SampleWriter(folder, recipe.faces.samples_per_second)
        pts, end = [], 0
        for frame in frames(path, info, for_analysis=True):
            pts.append(frame.pts)
            end = frame.pts + frame.duration
            if writer.due((frame.pts - pts[0]) * info.time_base):
                writer.add(frame.index, frame.picture(LONGEST_SIDE))
        writer.close()
        seconds = (np.array([*pts, end]) - pts[0]) * float(info.time_base)
        timing = filter_stage.Timing(Fraction(info.fps), info.time_base, np.array([*pts, end]))
        shots = _shots(video_id, spans or [(0, len(pts))], timing.pts, seconds)
        samples = Samples(folder)
        bars = find_bars(samples)
        seen = Frames(samples, seconds[:-1], info.width, info.height, bars)
        tracks, vectors, _ = _found(shots, seen, models, recipe)
        return shots, tracks, vectors, timing


def _shots(
    video_id: str, spans: list[tuple[int, int]], pts: np.ndarray, seconds: np.ndarray
) -> pd.DataFrame:
    rows = [
        {
            "shot_id": f"{video_id}.s{n:04d}", "video_id": video_id,
            "start_frame": a, "end_frame": b, "start_pts": pts[a], "end_pts": pts[b],
            "start_s": seconds[a], "end_s": seconds[b],
        }
        for n, (a, b) in enumerate(spans, 1)
    ]  # fmt: skip
    return tables.frame(tables.SHOTS, rows)


def _found(
    shots: pd.DataFrame, seen: Frames, models: Models, recipe: Any
) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame]:
    """Tracks, embeddings and boxes of shots."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        faces_stage.find(shots, seen, models, recipe.faces, out, lambda _: None)
        return (
            tables.read(tables.TRACKS, out / "tracks.parquet"),
            np.load(out / "embeddings.npy"),
            tables.read(tables.FACES, out / "faces.parquet"),
        )


@dataclass(frozen=True)
class Composed:
    """Results in composed scenes: one row per scene, and the true and found persons of tracks."""

    scenes: pd.DataFrame
    truth: list[str]
    found: list[str]


def judge_scenes(scenes: list[composed_scenes.Scene], models: Models, recipe: Any) -> Composed:
    """Find, cluster and filter composed scenes, as a build does with the shots of a video."""
    spans = composed_scenes.spans(scenes)
    pts = np.arange(spans[-1][1] + 1)
    seconds = pts / composed_scenes.FPS
    shots = _shots("v", spans, pts, seconds)
    spool: Any = composed_scenes.Spool(scenes)
    seen = Frames(spool, seconds[:-1], composed_scenes.WIDTH, composed_scenes.HEIGHT)
    tracks, vectors, boxes = _found(shots, seen, models, recipe)
    tracks, _ = people_stage.cluster("s", "s", tracks, vectors, threshold_of(models, recipe))
    timing = filter_stage.Timing(
        Fraction(composed_scenes.FPS), Fraction(1, composed_scenes.FPS), pts
    )
    video = pd.Series({"show": "s", "episode": "e"})
    no_limit = recipes.Clips(min_frames=1, max_seconds=3600.0)
    clips = filter_stage.choose(video, shots, tracks, timing, recipe.filter, no_limit)
    rows = [
        {
            "kind": scene.kind.split()[0], "true": _counted(len(scene.people)),
            "found": _counted(count), "kept": status == "kept",
        }
        for scene, count, status in zip(scenes, clips["n_people"], clips["status"], strict=True)
    ]  # fmt: skip
    middles = ((boxes["x1"] + boxes["x2"]) / 2).groupby(boxes["track_id"]).median()
    of_shot = dict(zip(shots["shot_id"], scenes, strict=True))
    named = [
        next((n for n, a, b in of_shot[shot].people if a <= middles[track] < b), "nobody " + track)
        for shot, track in zip(tracks["shot_id"], tracks["track_id"], strict=True)
    ]
    return Composed(pd.DataFrame(rows), named, tracks["person_id"].tolist())


def _counted(people: int) -> str:
    return "none" if people == 0 else "one" if people == 1 else "more"


def report_scenes(data: Path, models: Models, recipe: Any) -> None:
    """Print how well scenes composed of known people are sorted and their people told apart."""
    name = models.detector.name
    for half, scenes in zip(("first half", "second half"), _composed(data), strict=True):
        judged = judge_scenes(scenes, models, recipe)
        rows = judged.scenes
        right = rows["true"] == rows["found"]
        kinds = ", ".join(
            f"{kind} {good.sum()} of {len(good)}" for kind, good in right.groupby(rows["kind"])
        )
        print(f"scenes  {name}, {half}: {right.mean():.3f} of {len(rows)} sorted right ({kinds})")
        equals = rows[rows["kind"] == "two"]
        print(f"target  {name}, {half}: {equals['kept'].sum()} of {len(equals)} equal pairs kept")
        _print_people(name, f"composed, {half}", pairwise(judged.truth, judged.found))
    photographs = judge_scenes(_photographs(data), models, recipe)
    _print_people(name, "photographs", pairwise(photographs.truth, photographs.found))


@cache
def _locator(data: Path) -> Any:
    """Finds the boxes by which scenes are composed."""
    chosen = {"detector": "scrfd", "weights": str(data / "weights" / "scrfd_500m.onnx")}
    detector = create_detector(recipes.Faces.model_validate(chosen), 2)
    return lambda picture: detector.detect([picture], detector.min_score)[0].boxes


@cache
def _composed(data: Path) -> tuple[list[composed_scenes.Scene], list[composed_scenes.Scene]]:
    return composed_scenes.halves(data, _locator(data))


@cache
def _photographs(data: Path) -> list[composed_scenes.Scene]:
    return composed_scenes.photographs(data, _locator(data))


def count_faces(data: Path, models: Models, recipe: Any) -> pd.DataFrame:
    """One row per shot: faces by hand and as found, each as none, one or more."""
    rows = []
    no_limit = recipes.Clips(min_frames=1, max_seconds=3600.0)
    for truth_path in sorted((data / "shots_gt").glob("*.json")):
        if truth_path.name.startswith(ANIMATED):
            continue
        truth = json.loads(truth_path.read_text())
        spans = [(s["start"], s["end"] + 1) for s in truth["shots"]]
        path = truth_path.with_name(truth["file"])
        shots, tracks, vectors, timing = find_faces(path, path.stem, spans, models, recipe)
        tracks, _ = people_stage.cluster("s", "s", tracks, vectors, threshold_of(models, recipe))
        video = pd.Series({"show": "s", "episode": "e"})
        clips = filter_stage.choose(video, shots, tracks, timing, recipe.filter, no_limit)
        judged = zip(truth["shots"], clips["n_people"], clips["status"], strict=True)
        for shot, found, status in judged:
            wanted = {"0": "none", "1": "one"}.get(shot["faces"], "more")
            rows.append(
                {
                    "file": path.stem,
                    "start": shot["start"],
                    "true": wanted,
                    "found": _counted(found),
                    "kept": status == "kept",
                }
            )
    return pd.DataFrame(rows)


def tell_apart(data: Path, models: Models, recipe: Any) -> dict[str, tuple[float, float, float]]:
    """Pairwise precision, recall and F1 of the persons, by set."""
    sets = {
        "intel_asl": _signers(data, models, recipe),
        "composite": _composite(data, models, recipe),
    }
    results = {}
    for name, (tracks, vectors, truth) in sets.items():
        labelled, _ = people_stage.cluster("s", "s", tracks, vectors, threshold_of(models, recipe))
        results[name] = pairwise(truth, labelled["person_id"].tolist())
    return results


def threshold_of(models: Models, recipe: Any) -> float:
    """Distance at which tracks are different persons, as the build takes it."""
    return float(recipe.people.threshold or models.embedder.track_threshold)


def pairwise(truth: list[str], found: list[str]) -> tuple[float, float, float]:
    """Precision, recall and F1 over all pairs of tracks."""
    pairs = list(itertools.combinations(range(len(truth)), 2))
    same = [truth[a] == truth[b] for a, b in pairs]
    joined = [found[a] == found[b] for a, b in pairs]
    both = sum(s and j for s, j in zip(same, joined, strict=True))
    precision = both / sum(joined) if any(joined) else 1.0
    recall = both / sum(same) if any(same) else 1.0
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def _signers(data: Path, models: Models, recipe: Any) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    every, vectors, truth = [], [], []
    for path in sorted((data / "identities" / "intel_asl").glob("*.mkv")):
        _, tracks, embeddings, _ = find_faces(path, path.stem, None, models, recipe)
        every.append(tracks)
        vectors.append(embeddings)
        truth += [path.stem.split("_")[0]] * len(tracks)
    return pd.concat(every, ignore_index=True), np.concatenate(vectors), truth


def _composite(
    data: Path, models: Models, recipe: Any
) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    truth_path = data / "shots_gt" / "composite_open_44s.json"
    shots = json.loads(truth_path.read_text())["shots"]
    spans = [(s["start"], s["end"] + 1) for s in shots]
    path = truth_path.with_suffix(".mp4")
    _, tracks, vectors, _ = find_faces(path, "c", spans, models, recipe)
    people = {f"c.s{n:04d}": s["people"] for n, s in enumerate(shots, 1)}
    # who is named is who is looked at, not those who sit in the dark behind
    weight = tracks["coverage"] * tracks["face_height"] ** 2
    looked_at = weight.groupby(tracks["shot_id"]).idxmax().sort_values()
    named = [n for n in looked_at if len(people[tracks.loc[n, "shot_id"]]) == 1]
    tracks, vectors = tracks.loc[named].reset_index(drop=True), vectors[named]
    return tracks, vectors, [people[shot][0] for shot in tracks["shot_id"]]


def report(data: Path, recipe: Any, verbose: bool) -> None:
    """Print how well one recipe's pair of models does."""
    detector = create_detector(recipe.faces, 2)
    models = Models.of(detector, create_embedder(recipe.faces, 2), recipe.faces)
    counted = count_faces(data, models, recipe)
    if verbose:
        print(counted.to_string())
    right = (counted["true"] == counted["found"]).mean()
    print(f"faces   {detector.name}: {right:.3f} of {len(counted)} shots sorted right")
    print(pd.crosstab(counted["true"], counted["found"]).to_string())
    one, kept = counted["true"] == "one", counted["kept"]
    print(
        f"kept    {detector.name}: {(one & kept).sum()} of {kept.sum()} kept shots show one, "
        f"{(one & kept).sum()} of {one.sum()} shots of one person are kept"
    )
    for name, (precision, recall, f1) in tell_apart(data, models, recipe).items():
        _print_people(detector.name, name, (precision, recall, f1))
    report_scenes(data, models, recipe)


def _print_people(detector: str, name: str, scores: tuple[float, float, float]) -> None:
    precision, recall, f1 = scores
    print(
        f"people  {detector}, {name}: pairwise F1 {f1:.3f} "
        f"(precision {precision:.3f}, recall {recall:.3f})"
    )


def with_detector(word: str) -> Any:
    """The paper's recipe with another embedded detector."""
    return recipes.parse(f"faces: {{detector: {word}}}", "accuracy")


def with_scrfd(weights: str) -> Any:
    """The InsightFace recipe with these detector weights and the embedded embedder."""
    recipe = recipes.load("caer-insightface")
    change = {"weights": weights, "embedder": "dlib"}
    return recipe.model_copy(update={"faces": recipe.faces.model_copy(update=change)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--scrfd", help="file of SCRFD weights, to score that detector too")
    parser.add_argument("--verbose", action="store_true", help="print every shot")
    given = parser.parse_args()
    report(given.data, recipes.load("caer"), given.verbose)
    report(given.data, with_detector("mmod"), given.verbose)
    if given.scrfd:
        report(given.data, with_scrfd(given.scrfd), given.verbose)


if __name__ == "__main__":
    main()
