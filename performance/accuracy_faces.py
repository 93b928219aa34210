"""How well faces are counted and persons told apart, on videos with ground truth by hand.

    python performance/accuracy_faces.py DATA [--scrfd det_500m.onnx] [--embedder w600k_mbf.onnx]

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
from figures import Figure, missing, share

from caer_data.curate import filter as filter_stage
from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.engine.files import sha256_of
from caer_data.faces import find as faces_stage
from caer_data.faces import people as people_stage
from caer_data.faces.bars import find_bars
from caer_data.faces.models.choose import create_detector, create_embedder
from caer_data.faces.samples import MAX_SIDE, Samples, SampleWriter, encoded
from caer_data.faces.search import Frames, Models
from caer_data.media.decode import frames
from caer_data.media.probe import probe

ANIMATED = "anim_"  # drawn faces are not scored


def find_faces(
    path: Path, video_id: str, spans: list[tuple[int, int]] | None, models: Models, recipe: Any
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray, filter_stage.Timing]:
    """Shots (as given; without spans the whole video is one), tracks, embeddings, frame times."""
    shots, tracks, vectors, _, timing = _looked_at(path, video_id, spans, models, recipe)
    return shots, tracks, vectors, timing


def boxes_of(path: Path, models: Models, recipe: Any) -> pd.DataFrame:
    """Rows of `faces` of a video that is one shot."""
    return _looked_at(path, path.stem, None, models, recipe)[3]


def _looked_at(
    path: Path, video_id: str, spans: list[tuple[int, int]] | None, models: Models, recipe: Any
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray, pd.DataFrame, filter_stage.Timing]:
    info = probe(path)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writer = SampleWriter(folder, recipe.faces.samples_per_second)
        pts, end = [], 0
        for frame in frames(path, info, for_analysis=True):
            pts.append(frame.pts)
            end = frame.pts + frame.duration
            if writer.due((frame.pts - pts[0]) * info.time_base):
                writer.add(frame.index, encoded(frame.picture(MAX_SIDE)))
        writer.close()
        seconds = (np.array([*pts, end]) - pts[0]) * float(info.time_base)
        timing = filter_stage.Timing(Fraction(info.fps), info.time_base, np.array([*pts, end]))
        shots = _shots(video_id, spans or [(0, len(pts))], timing.pts, seconds)
        samples = Samples(folder)
        bars = find_bars(samples)
        seen = Frames(samples, seconds[:-1], info.width, info.height, bars)
        tracks, vectors, boxes = _found(shots, seen, models, recipe)
        return shots, tracks, vectors, boxes, timing


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
class Tracks:
    """Tracks of a set of footage, their vectors, and who each one is."""

    tracks: pd.DataFrame
    vectors: np.ndarray
    truth: list[str]

    def scores(self, threshold: float) -> tuple[float, float, float]:
        """Pairwise precision, recall and F1 at a threshold."""
        labelled, _ = people_stage.cluster("s", "s", self.tracks, self.vectors, threshold)
        return pairwise(self.truth, labelled["person_id"].tolist())

    def only(self, wanted: Any) -> Tracks:
        """Those tracks alone for which this is true; a sequence of booleans."""
        places = np.flatnonzero(wanted)
        rows = self.tracks.iloc[places].reset_index(drop=True)
        return Tracks(rows, self.vectors[places], [self.truth[n] for n in places])

    def of_half(self, half: int) -> Tracks:
        """Every other person."""
        people = sorted(set(self.truth))[half::2]
        return self.only([name in people for name in self.truth])


@dataclass(frozen=True)
class Composed:
    """Results in composed scenes: one row per scene, and the tracks with the persons found."""

    scenes: pd.DataFrame
    tracks: Tracks

    @property
    def truth(self) -> list[str]:
        return self.tracks.truth

    @property
    def found(self) -> list[str]:
        return list(self.tracks.tracks["person_id"])


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
    rows = filter_stage.choose(video, shots, tracks, timing, recipe.filter, no_limit)
    clips = tables.frame(tables.CLIPS, rows)
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
    return Composed(pd.DataFrame(rows), Tracks(tracks, vectors, named))


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


def count_faces(folder: Path, models: Models, recipe: Any) -> pd.DataFrame:
    """One row per labelled shot of a folder: faces by hand and as found, none, one or more.

    `clear` says whether the shot shows one clear target: as labelled (`clear_target`), or else
    whether it shows one face. `doubtful` shots are those whose label may be disputed.
    """
    judged: list[dict[str, Any]] = []
    no_limit = recipes.Clips(min_frames=1, max_seconds=3600.0)
    for truth_path in sorted(folder.glob("*.json")):
        if truth_path.name.startswith(ANIMATED):
            continue
        truth = json.loads(truth_path.read_text())
        spans = [(s["start"], s["end"] + 1) for s in truth["shots"]]
        path = truth_path.with_name(truth["file"])
        shots, tracks, vectors, timing = find_faces(path, path.stem, spans, models, recipe)
        tracks, _ = people_stage.cluster("s", "s", tracks, vectors, threshold_of(models, recipe))
        video = pd.Series({"show": "s", "episode": "e"})
        chosen = filter_stage.choose(video, shots, tracks, timing, recipe.filter, no_limit)
        for shot, clip in zip(truth["shots"], chosen, strict=True):
            judged.append(
                {
                    "file": path.stem,
                    "start": shot["start"],
                    "kind": shot.get("kind", ""),
                    "true": {"0": "none", "1": "one"}.get(shot["faces"], "more"),
                    "found": _counted(clip["n_people"]),
                    "clear": shot.get("clear_target", shot["faces"] == "1"),
                    "kept": clip["status"] == "kept",
                    "reason": clip["reason"],
                    "doubtful": shot.get("doubtful", False),
                }
            )
    if not judged:
        raise SystemExit(f"{folder}: holds no labelled films (a JSON file beside each video)")
    return pd.DataFrame(judged)


def tell_apart(data: Path, models: Models, recipe: Any) -> dict[str, tuple[float, float, float]]:
    """Pairwise precision, recall and F1 of the persons, by set."""
    sets = {
        "intel_asl": _signers(data, models, recipe),
        "composite": _composite(data, models, recipe),
    }
    return {name: own.scores(threshold_of(models, recipe)) for name, own in sets.items()}


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


def _signers(data: Path, models: Models, recipe: Any) -> Tracks:
    every, vectors, truth = [], [], []
    for path in sorted((data / "identities" / "intel_asl").glob("*.mkv")):
        _, tracks, embeddings, _ = find_faces(path, path.stem, None, models, recipe)
        every.append(tracks)
        vectors.append(embeddings)
        truth += [path.stem.split("_")[0]] * len(tracks)
    return Tracks(pd.concat(every, ignore_index=True), np.concatenate(vectors), truth)


def _composite(data: Path, models: Models, recipe: Any) -> Tracks:
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
    return Tracks(tracks, vectors, [people[shot][0] for shot in tracks["shot_id"]])


def figures(data: Path, recipe: Any, name: str) -> list[Figure]:
    """Shots sorted, kept clips, equal pairs and persons, each with its aim."""
    detector = create_detector(recipe.faces, 2)
    models = Models.of(detector, create_embedder(recipe.faces, 2), recipe.faces)
    wanted = 0.97 if "scrfd" in name else 0.95
    found = _of_films(count_faces(data / "shots_gt", models, recipe), "films", wanted)
    halves = [judge_scenes(scenes, models, recipe) for scenes in _composed(data)]
    for half, judged in zip(("first half", "second half"), halves, strict=True):
        rows = judged.scenes
        good = rows["true"] == rows["found"]
        found.append(
            share(f"shots sorted right, composed, {half}", int(good.sum()), len(rows), wanted)
        )
    rows = pd.concat([judged.scenes for judged in halves])
    for kind, title in (("wide", "wide shots"), ("empty", "shots of nobody")):
        own = rows[rows["kind"] == kind]
        good = own["true"] == own["found"]
        found.append(share(f"  of these, {title}", int(good.sum()), len(own)))
    pairs = rows[rows["kind"] == "two"]
    found.append(
        Figure("equal pairs kept", float(pairs["kept"].sum()), 0, True, f"of {len(pairs)}")
    )
    photographs = judge_scenes(_photographs(data), models, recipe).tracks
    signers, composite = _signers(data, models, recipe), _composite(data, models, recipe)
    tuning = {
        "composed": halves[0].tracks,
        "photographs": photographs.of_half(0),
        "signers": signers.of_half(0),
    }
    testing = {
        "composed, second half": halves[1].tracks,
        "photographs, second half": photographs.of_half(1),
        "signers, second half": signers.of_half(1),
        "composite of films": composite,
    }
    usual = threshold_of(models, recipe)
    best = best_threshold(list(tuning.values()), usual)
    aim = 0.80 if models.embedder.name == "dlib" else 0.95
    for title, threshold in (("as shipped", usual), ("chosen on the other half", best)):
        found.append(Figure(f"distance from which two are apart, {title}", threshold))
        found += _of_people(testing, threshold, aim)
    small = halves[1].tracks
    small = small.only((small.tracks["face_height"] < 0.12).to_numpy())
    found += _of_people({"small faces, second half": small}, usual, aim)
    found.append(missing("persons, F1, profiles", "no set of profiles in the material", aim))
    return found


def film_figures(folder: Path, recipe: Any, name: str, verbose: bool) -> list[Figure]:
    """Shots sorted and kept clips of one's own labelled films, with and without doubtful ones."""
    detector = create_detector(recipe.faces, 2)
    models = Models.of(detector, create_embedder(recipe.faces, 2), recipe.faces)
    counted = count_faces(folder, models, recipe)
    if verbose:
        print(counted.to_string())
    print(pd.crosstab(counted["true"], counted["found"]).to_string())
    wanted = 0.97 if "scrfd" in name else 0.95
    found = _of_films(counted, "these films", wanted)
    if counted["doubtful"].any():
        found += _of_films(counted[~counted["doubtful"]], "without doubtful labels", wanted)
    return found


def _of_films(counted: pd.DataFrame, films: str, wanted: float) -> list[Figure]:
    """The figures of `count_faces`."""
    right = int((counted["true"] == counted["found"]).sum())
    clear, kept = counted["clear"], counted["kept"]
    both = int((clear & kept).sum())
    return [
        share(f"shots sorted right, {films}", right, len(counted), wanted),
        share(f"kept clips with one clear target, {films}", both, int(kept.sum()), 0.90),
        share(f"shots with one clear target that are kept, {films}", both, int(clear.sum()), 0.97),
    ]


def best_threshold(sets: list[Tracks], usual: float) -> float:
    """The distance of the best mean F1 over the sets at which the least precision is .95.

    Of equally good ones, the middle; where none is so precise, the most precise.
    """
    tried = []
    for share_ in np.arange(0.7, 1.41, 0.02):
        threshold = float(usual * share_)
        scores = np.array([own.scores(threshold) for own in sets])
        least = float(scores[:, 0].min())
        tried.append((min(least, 0.95), round(float(scores[:, 2].mean()), 4), threshold))
    top = max(tried)[:2]
    equal = [threshold for precise, f1, threshold in tried if (precise, f1) == top]
    return equal[len(equal) // 2]


def _of_people(sets: dict[str, Tracks], threshold: float, aim: float) -> list[Figure]:
    found = []
    for name, own in sets.items():
        precision, recall, f1 = own.scores(threshold)
        said = f"recall {recall:.3f}, {len(own.truth)} tracks of {len(set(own.truth))}"
        found += [
            Figure(f"  persons, F1, {name}", f1, aim, note=said),
            Figure(f"  persons, precision, {name}", precision, 0.95),
        ]
    return found


def report(data: Path, recipe: Any, verbose: bool) -> None:
    """Print how well one recipe's pair of models does."""
    detector = create_detector(recipe.faces, 2)
    models = Models.of(detector, create_embedder(recipe.faces, 2), recipe.faces)
    counted = count_faces(data / "shots_gt", models, recipe)
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


def chosen(scrfd: str | None, embedder: str | None) -> dict[str, Any]:
    """The recipes to measure, by name: both embedded detectors, and those of the user's files."""
    found = {"centerface": recipes.load("caer"), "mmod": with_detector("mmod")}
    if scrfd:
        found["scrfd"] = with_scrfd(scrfd)
    if embedder:
        base = "scrfd" if scrfd else "centerface"
        word = "sface" if "sface" in Path(embedder).name.lower() else "arcface"
        found[f"{base} and {word}"] = with_embedder(found[base], scrfd, embedder, word)
    return found


def with_embedder(recipe: Any, scrfd: str | None, embedder: str, word: str) -> Any:
    """A recipe with this file as its embedder; a file that is not known is trusted."""
    folder = Path(tempfile.mkdtemp(prefix="weights-"))
    for path, name in ((scrfd, "det_given.onnx"), (embedder, f"w600k_{word}.onnx")):
        if path:
            (folder / name).symlink_to(Path(path).resolve())
    change = {
        "weights": str(folder),
        "weights_sha256": (sha256_of(Path(embedder)),),
        "embedder": word,
    }
    return recipe.model_copy(update={"faces": recipe.faces.model_copy(update=change)})


def with_scrfd(weights: str) -> Any:
    """The InsightFace recipe with these detector weights and the embedded embedder."""
    recipe = recipes.load("caer-insightface")
    change = {"weights": weights, "embedder": "dlib"}
    return recipe.model_copy(update={"faces": recipe.faces.model_copy(update=change)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--scrfd", help="file of SCRFD weights, to score that detector too")
    parser.add_argument("--embedder", help="file of ArcFace or SFace weights, to score it too")
    parser.add_argument("--verbose", action="store_true", help="print every shot")
    given = parser.parse_args()
    for recipe in chosen(given.scrfd, given.embedder).values():
        report(given.data, recipe, given.verbose)


if __name__ == "__main__":
    main()
