"""Small shows, and what a build of them left, compared byte for byte."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from caer_data import Dataset

RECIPE = {
    "name": "scale",
    "faces": {"detector_size": 320, "samples_per_second": 1.0, "first_look": 1},
    "clips": {"preset": "ultrafast", "max_height": 120, "min_seconds": 0.5},
    "filter": {"min_face_height": 0.02},
}
FILMS = {
    "One/a.mp4": "man_webcam_2s.mp4",
    "One/b.mp4": "portrait_d19_man_smile.mp4",
    "Two/c.mp4": "title_noface_4s.mp4",
}


def write_shows(media_data: Path, folder: Path) -> Path:
    """Three short videos of two shows, and a file that is none."""
    for name, film in FILMS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(media_data / "videos" / film, folder / name)
    (folder / "Two" / "broken.mp4").write_bytes(b"no video" * 100)
    return folder


def write_recipe(folder: Path) -> Path:
    path = folder / "scale.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


def command(shows: Path, output: Path, recipe: Path, *more: str) -> list[str]:
    words = ["build", "--shows", str(shows), "-o", str(output), "--recipe", str(recipe), "-q"]
    return [sys.executable, "-m", "caer_data", *words, *more]


def start(words: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words, stderr=subprocess.PIPE, text=True, env=os.environ | environment,
        start_new_session=True,
    )  # fmt: skip


def result(dataset: Path) -> dict[str, str]:
    """Hash of every table and clip."""
    folder = Dataset(dataset)
    files = [*folder.tables_folder.iterdir(), *folder.clips_folder.rglob("*.mp4")]
    return {p.relative_to(dataset).as_posix(): _hash(p.read_bytes()) for p in sorted(files)}


def hashes(folder: Path) -> dict[str, str]:
    """Hash of every file below a folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): _hash(path.read_bytes()) for path in files}


def artifacts(dataset: Path) -> dict[str, str]:
    """Hash of every member of the artifacts of videos, but of the seconds that making them took."""
    from caer_data.engine.artifacts import Artifact, Store

    store = Store(dataset / "work")
    return {
        f"{path.parent.name}/{path.name}/{name}": _hash(Artifact(path).read(name))
        for stage in ("shots", "faces")
        for path in store.files(stage)
        for name in Artifact(path).names()
        if name != "seconds.json"
    }


def leftovers(dataset: Path) -> list[str]:
    return [p.name for p in dataset.rglob(".*.part")]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
