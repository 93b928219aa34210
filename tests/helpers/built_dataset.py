"""A dataset folder made by hand: what a build of any size leaves, without building."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from keyed import key_clips

from caer_data import Dataset
from caer_data.engine import recipe, tables
from caer_data.engine.artifacts import Store
from caer_data.engine.files import slug, write_text

HOSTILE = "<script>alert(1)</script>\"'\x1b[31m\n"
WIDTH, HEIGHT, FPS, FRAMES = 640, 360, 25, 50

# reason of every shot of a video, in turn; None is kept
PATTERN = (
    None, "no_face", None, "too_short", "group", None, "ambiguous", "blurred", "too_dark",
    "too_small", "too_brief", None,
)  # fmt: skip
_SCORES = {
    "too_brief": {"coverage": 0.2},
    "ambiguous": {"dominance": 1.3496},
    "too_small": {"face_height": 0.08},
    "blurred": {"sharpness": 0.0796},
    "too_dark": {"brightness": 0.05},
}


def make(folder: Path, shots: int = 12, show: str = "A Show", pictures: bool = True) -> Dataset:
    """One good video of so many shots of two seconds, a failed file, and one file twice."""
    dataset = Dataset(folder)
    used = recipe.Recipe()
    write_text(dataset.recipe_path, recipe.dump(used))
    _provenance(dataset)
    video_id, sha256 = f"{slug(show)}.e1", "0" * 64
    common = {"show": show, "bytes": 1000}
    good = common | {
        "video_id": video_id, "episode": "e1", "path": f"{show}/e1.mp4", "status": "ok",
        "frames": shots * FRAMES, "fps": "25", "duration_s": shots * FRAMES / FPS,
        "width": WIDTH, "height": HEIGHT, "sha256": sha256, "first_pts": 0, "time_base": "1/25",
    }  # fmt: skip
    bad = common | {
        "video_id": f"{slug(show)}.e2", "episode": "e2", "path": f"{show}/e2.mp4",
        "status": "failed", "reason": f"cannot be opened: {show}",
    }  # fmt: skip
    again = good | {
        "video_id": f"{slug(show)}.e3", "episode": "e3", "path": f"{show}/e3.mp4",
        "status": "duplicate", "reason": f"the same content as {video_id}",
    }  # fmt: skip
    rows: dict[str, list[dict]] = {"shots": [], "tracks": [], "faces": [], "clips": []}
    for number in range(shots):
        _add_shot(rows, video_id, show, number, PATTERN[number % len(PATTERN)])
    seen = [track for track in rows["tracks"] if track["person_id"].endswith("p0001")]
    people = [
        {"person_id": f"{slug(show)}.p0001", "show": show, "tracks": len(seen),
         "shots": len(seen), "videos": 1, "seconds": 2.0 * len(seen),
         "best_track_id": seen[0]["track_id"]},
    ] if seen else []  # fmt: skip
    dataset.write(tables.VIDEOS, tables.frame(tables.VIDEOS, [good, bad, again]))
    dataset.write(tables.PEOPLE, tables.frame(tables.PEOPLE, people))
    for name, own in rows.items():
        dataset.write(tables.TABLES[name], tables.frame(tables.TABLES[name], own))
    key_clips(dataset)
    if pictures:
        _pictures(dataset, video_id, rows)
    return dataset


def make_empty(folder: Path) -> Dataset:
    """A dataset of one file that failed, and nothing else."""
    dataset = Dataset(folder)
    write_text(dataset.recipe_path, recipe.dump(recipe.Recipe()))
    _provenance(dataset)
    row = {"video_id": "s.e", "show": "s", "episode": "e", "path": "s/e.mp4", "status": "failed",
           "reason": "the file is empty", "bytes": 0}  # fmt: skip
    dataset.write(tables.VIDEOS, tables.frame(tables.VIDEOS, [row]))
    for table in (tables.SHOTS, tables.TRACKS, tables.FACES, tables.PEOPLE, tables.CLIPS):
        dataset.write(table, tables.empty(table))
    key_clips(dataset)
    return dataset


def _add_shot(rows: dict, video_id: str, show: str, number: int, reason: str | None) -> None:
    frames = 20 if reason == "too_short" else FRAMES
    start = number * FRAMES
    place = {
        "start_frame": start, "end_frame": start + frames, "start_pts": start,
        "end_pts": start + frames, "start_s": start / FPS, "end_s": (start + frames) / FPS,
    }  # fmt: skip
    shot_id = f"{video_id}.s{number + 1:04d}"
    rows["shots"].append({"shot_id": shot_id, "video_id": video_id, **place})
    clip = {
        "clip_id": f"{shot_id}.c1", "shot_id": shot_id, "video_id": video_id, "show": show,
        "episode": "e1", **place, "status": "dropped" if reason else "kept", "reason": reason,
        "n_people": {"too_short": None, "no_face": 0, "group": 3}.get(str(reason), 1),
    }  # fmt: skip
    if reason not in ("no_face", "too_short"):
        person = f"{video_id.split('.', maxsplit=1)[0]}.p0001"
        track_id = f"{shot_id}.t1"
        scores = {"coverage": 1.0, "face_height": 0.25, "sharpness": 0.5, "brightness": 0.5}
        scores |= {k: v for k, v in _SCORES.get(reason, {}).items() if k in scores}
        clip |= {"person_id": person, "track_id": track_id, **scores, **_SCORES.get(reason, {})}
        rows["tracks"].append(
            {"track_id": track_id, "shot_id": shot_id, "video_id": video_id, "person_id": person,
             "start_frame": start, "end_frame": start + frames, "start_s": start / FPS,
             "end_s": (start + frames) / FPS, "detections": 5, "score": 0.9, **scores}
        )  # fmt: skip
        rows["faces"].append(
            {"track_id": track_id, "frame": start + 10, "time_s": (start + 10) / FPS,
             "x1": 160.0, "y1": 90.0, "x2": 320.0, "y2": 270.0, "score": 0.9,
             "interpolated": False}
        )  # fmt: skip
    rows["clips"].append(clip)


def _pictures(dataset: Dataset, video_id: str, rows: dict) -> None:
    artifact = Store(dataset.work_folder).make(
        "faces", "0123456789abcdef", "0123", lambda folder: _fill(folder, video_id, rows)
    )
    timings = {
        "stages": {"shots": 1.0, "faces": 30.0, "clips": 9.0},
        "videos": {video_id: {"shots": 1.0, "faces": 30.0}},
    }
    (dataset.work_folder / "timings.json").write_text(json.dumps(timings))
    artifacts = {video_id: {"faces": artifact.name, "pieces": [artifact.name]}}
    (dataset.work_folder / "pieces.json").write_text(json.dumps(artifacts))


def _fill(folder: Path, video_id: str, rows: dict) -> None:
    for name in ("thumbnails", "portraits"):
        (folder / name).mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (23, 40, 3), np.uint8)
    picture = cv2.resize(noise, (320, 180), interpolation=cv2.INTER_CUBIC)
    for shot in rows["shots"]:
        name = shot["shot_id"].removeprefix(f"{video_id}.")
        cv2.imwrite(str(folder / "thumbnails" / f"{name}.jpg"), picture)
    for track in rows["tracks"]:
        name = track["track_id"].removeprefix(f"{video_id}.")
        cv2.imwrite(str(folder / "portraits" / f"{name}.jpg"), picture[:112, :112])
    frames = {
        shot["shot_id"].removeprefix(f"{video_id}."): shot["start_frame"] + 10
        for shot in rows["shots"]
    }
    (folder / "thumbnails.json").write_text(json.dumps(frames))


def _provenance(dataset: Dataset) -> None:
    values = {
        "caer_data": "0", "shows": "/home/somebody/raw", "python": "3", "platform": "x",
        "packages": {"av": "1"}, "ffmpeg": "ffmpeg version 0",
    }  # fmt: skip
    write_text(dataset.provenance_path, json.dumps(values))
