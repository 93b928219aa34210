"""A small labelled dataset with generated clips, as a build and its raters would leave it."""

from __future__ import annotations

import functools
import hashlib
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from keyed import key_clips, label_by_name
from keyed import votes as answers
from skimage import data as pictures

from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.files import sha256_of
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Export, Recipe
from caer_data.engine.release_layouts import LAYOUTS
from caer_data.export.plan import Options
from caer_data.export.release import Release, export

WIDTH, HEIGHT = 160, 120
SOURCE_HEIGHT = 240
FACE = 48  # pixels of the clip
ENCODER = {"preset": "ultrafast", "bf": "2", "threads": "1", "x264-params": "threads=1"}


def write_clip(path: Path, seed: int, frames: int, fps: Fraction) -> None:
    """An mp4 with a face that moves over a blurred random background, and a tone."""
    random = np.random.default_rng(seed)
    spots = random.integers(0, 255, (5, 6, 3)).astype(np.uint8)
    background = cv2.resize(spots, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=fps, options=ENCODER)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = output.add_stream("aac", rate=16000, options={"aac_coder": "fast"})
        for index in range(frames):
            picture = background.copy()
            x1, y1, _, _ = box_at(index)
            picture[y1 : y1 + FACE, x1 : x1 + FACE] = _faces()[index % 6 == 3]
            for packet in video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                output.mux(packet)
        samples = np.sin(np.arange(int(frames / fps * 16000)) / 8)[None].astype(np.float32)
        sound = av.AudioFrame.from_ndarray(samples * 0.2, format="fltp", layout="mono")
        sound.sample_rate = 16000
        for packet in [*audio.encode(sound), *video.encode(None), *audio.encode(None)]:
            output.mux(packet)


@functools.cache
def _faces() -> tuple[Any, Any]:
    """A blurred and a sharp face."""
    sharp = cv2.resize(pictures.astronaut()[0:180, 140:300], (FACE, FACE))
    return cv2.GaussianBlur(sharp, (7, 7), 0), sharp


def box_at(index: int) -> tuple[int, int, int, int]:
    """Where the face is in a frame of a clip, pixels of the clip."""
    x1 = 20 + index % 100 // 2
    return x1, 30, x1 + FACE, 30 + FACE


def make_dataset(
    folder: Path,
    *,
    shows: int = 3,
    episodes: int = 1,
    clips: int = 7,
    made_up: bool = False,
    media: bool = True,
    first_clips: int | None = None,
) -> Dataset:
    """Write a dataset; `first_clips` keeps the labels of so many clips of an episode only."""
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("videos", "shots", "tracks", "faces", "people", "clips", "labels")
    }
    for show in range(shows):
        fps = Fraction(24000, 1001) if show == 0 else Fraction(25)
        for episode in range(episodes):
            _add_episode(folder, rows, show, episode, fps, clips, made_up, media)
    dataset = Dataset(folder)
    folder.mkdir(parents=True, exist_ok=True)
    dataset.recipe_path.write_text(recipes.dump(Recipe()))
    if first_clips is not None:
        rows["labels"] = [r for r in rows["labels"] if int(r["clip_id"][-2:]) < first_clips]
    labels = rows.pop("labels")
    for name, content in rows.items():
        dataset.write(tables.TABLES[name], tables.frame(tables.TABLES[name], content))
    key_clips(dataset)
    label_by_name(dataset, labels)
    return dataset


def _add_episode(
    folder: Path,
    rows: dict[str, list[dict[str, Any]]],
    show: int,
    episode: int,
    fps: Fraction,
    clips: int,
    made_up: bool,
    media: bool,
) -> None:
    video_id = f"show-{show}-e{episode}"
    names = {"video_id": video_id, "show": f"Show {show}", "episode": f"S01/e{episode}"}
    rows["videos"].append(
        {
            **names,
            "path": f"Show {show}/S01/e{episode}.mkv",
            "status": "ok",
            "frames": 1000, "fps": str(fps), "variable_rate": False,
            "time_base": str(1 / fps), "first_pts": 0, "duration_s": float(1000 / fps),
            "width": 320, "height": SOURCE_HEIGHT, "rotation": 0, "pixel_aspect": "1/1",
            "video_codec": "h264", "has_audio": True, "bytes": 12345,
            "sha256": hashlib.sha256(video_id.encode()).hexdigest(),
        }
    )  # fmt: skip
    start = 0
    for number in range(clips):
        seed = (show * 10 + episode) * 100 + number
        frames = 30 + 13 * (seed % 4)
        end = start + frames
        shot_id = f"{video_id}-s{number:02d}"
        clip_id, track_id = f"{shot_id}-00-c{number:02d}", f"{shot_id}-t0"
        person_id = f"show-{show}-p{number % 2}"
        span = {
            "start_frame": start, "end_frame": end,
            "start_s": float(start / fps), "end_s": float(end / fps),
        }  # fmt: skip
        stamps = {"start_pts": start, "end_pts": end}
        rows["shots"].append({"shot_id": shot_id, "video_id": video_id, **span, **stamps})
        track = {"coverage": 1.0, "face_height": 0.4, "sharpness": 0.5, "brightness": 0.5}
        rows["tracks"].append(
            {"track_id": track_id, "shot_id": shot_id, "video_id": video_id,
             "person_id": person_id, **span, **track, "detections": frames, "score": 1.0}
        )  # fmt: skip
        for index in range(2, frames):  # the first two frames have no box
            x1, y1, x2, y2 = (side * SOURCE_HEIGHT / HEIGHT for side in box_at(index))
            rows["faces"].append(
                {"track_id": track_id, "frame": start + index,
                 "time_s": float((start + index) / fps), "x1": x1, "y1": y1, "x2": x2, "y2": y2,
                 "interpolated": index % 5 != 0}
            )  # fmt: skip
        path = f"clips/show-{show}/{clip_id}.mp4"
        if media:
            write_clip(folder / path, seed, frames, fps)
        rows["clips"].append(
            {
                "clip_id": clip_id, "shot_id": shot_id, **names, **span, **stamps, **track,
                "status": "kept", "n_people": 1, "person_id": person_id, "track_id": track_id,
                "dominance": 9.0, "path": path, "width": WIDTH, "height": HEIGHT,
                "fps": str(fps), "frames": frames, "has_audio": True,
                "bytes": (folder / path).stat().st_size if media else 1000,
                "sha256": sha256_of(folder / path) if media else "0" * 64,
            }
        )  # fmt: skip
        emotion = EMOTIONS[(number + episode) % len(EMOTIONS)]
        raters = ["ann@example.org", "bob@example.org", "cyd@example.org"]
        votes = [emotion, emotion, "neutral"]
        rows["labels"].append(
            {
                "clip_id": clip_id, "emotion": emotion, "label": EMOTIONS.index(emotion),
                "status": "kept", "raters": 3,
                "votes": answers(*((r, v, 0.8) for r, v in zip(raters, votes, strict=True))),
                "agreement": 2, "confidence": 0.8, "confidence_all": 0.8,
                "confidence_agreeing": 0.8, "made_up": made_up,
                **{f"p_{e}": votes.count(e) / 3 for e in EMOTIONS},
            }
        )  # fmt: skip
        start = end + 5


@pytest.fixture(scope="session")
def labelled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset; tests must not change it."""
    folder = tmp_path_factory.mktemp("shared") / "dataset"
    make_dataset(folder)
    return folder


@pytest.fixture
def dataset(labelled_folder: Path, tmp_path: Path) -> Dataset:
    """A copy of the dataset that a test may change."""
    shutil.copytree(labelled_folder, tmp_path / "dataset")
    return Dataset(tmp_path / "dataset")


@pytest.fixture(scope="session")
def everything(labelled_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release in every layout; tests must not change it."""
    folder = tmp_path_factory.mktemp("release")
    shutil.copytree(labelled_folder, folder / "dataset")
    return export(
        Dataset(folder / "dataset"),
        folder / "release",
        options(layouts=tuple(LAYOUTS)),
        Reporter("quiet"),
    )


def options(**changes: Any) -> Options:
    """Options of an export; settings of the recipe go by their names."""
    settings = {name: changes.pop(name) for name in list(changes) if name in Export.model_fields}
    return Options(Export().model_copy(update=settings), **{"seed": 2019, **changes})


def tree(folder: Path) -> dict[str, str]:
    """Hash of every file below a folder, by path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
