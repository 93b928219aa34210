"""Small generated releases: the colour of the face square tells the class."""

from __future__ import annotations

import colorsys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from caer_data.benchmark.recipe import ModelRecipe, load, vary
from caer_data.engine import tables
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.files import sha256_of
from caer_data.export.manifest import BOXES, MANIFEST

HEIGHT, WIDTH = 48, 64
BOX = (20, 10, 44, 38)


def picture(label: int, frame: int = 0) -> np.ndarray:
    """Grey noise with a square in the class's colour; the frame's number is its brightness."""
    image = np.full((HEIGHT, WIDTH, 3), 40 + frame, np.uint8)
    x1, y1, x2, y2 = BOX
    color = colorsys.hsv_to_rgb(label / 7, 1.0, 0.9)
    image[y1:y2, x1:x2] = (np.array(color) * 255).astype(np.uint8)
    return image


def write_clip(path: Path, label: int, frames: int = 30, fps: int = 25) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "18", "preset": "ultrafast"}
        stream.time_base = Fraction(1, fps)
        for i in range(frames):
            shown = av.VideoFrame.from_ndarray(picture(label, i), format="rgb24")
            container.mux(stream.encode(shown))
        container.mux(stream.encode())


def class_name(label: int) -> str:
    return EMOTIONS[label].capitalize()


def make_images(root: Path, counts: dict[str, int], lists: bool = True) -> Path:
    """A tree like CAER-S with box lists: train says Angry, test says Anger, as the release does."""
    for split, count in counts.items():
        lines = []
        for label in range(7):
            name = "Angry" if split == "train" and label == 0 else class_name(label)
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(1, count + 1):
                Image.fromarray(picture(label, i)).save(folder / f"{i:04d}.png")
                lines.append(f"{name}/{i:04d}.png,{label},{','.join(map(str, BOX))}\n")
        if lists:
            (root / f"{split}.txt").write_text("".join(lines))
    return root


def make_release(root: Path, counts: dict[str, int], frames: int = 30) -> Path:
    """A release of clips as `caer-data export --layout caer` writes it."""
    rows, boxes = [], []
    for split, count in counts.items():
        for label in range(7):
            for i in range(1, count + 1):
                relative = f"CAER/{split}/{class_name(label)}/{i:04d}.mp4"
                write_clip(root / relative, label, frames)
                clip_id = f"show-{split}-{label}-{i}"
                rows.append(manifest_row(root, relative, clip_id, split, label, frames))
                boxes += [
                    dict(
                        zip(
                            ("clip_id", "frame", "x1", "y1", "x2", "y2", "interpolated"),
                            (clip_id, frame, *map(float, BOX), False),
                            strict=True,
                        )
                    )
                    for frame in range(frames)
                ]
    tables.write(MANIFEST, tables.frame(MANIFEST, rows), root / "manifest.parquet")
    tables.write(BOXES, tables.frame(BOXES, boxes), root / "boxes.parquet")
    return root


def manifest_row(
    root: Path, path: str, clip_id: str, split: str, label: int, frames: int
) -> dict[str, object]:
    known: dict[str, object] = {
        "clip_id": clip_id,
        "split": split,
        "emotion": EMOTIONS[label],
        "label": label,
        "layout": "caer",
        "path": path,
        "sha256": sha256_of(root / path),
        "video_id": f"video-{clip_id}",
        "frames": frames,
        "made_up": True,
    }
    empty = {"string": "", "int64": 0, "double": 0.0, "float": 0.0, "bool": False}
    for column in MANIFEST.columns:
        if not column.nullable and column.name not in known:
            known[column.name] = empty[str(column.type)]
    return known


def small(model: str = "caer-net-s", **changes: object) -> ModelRecipe:
    """A recipe at the smallest sizes."""
    frames = 8 if model in ("caer-net", "c3d") else 1
    sizes = {"face": (16, 16), "frame": (24, 32), "crop": (16, 24), "frames": frames}
    if frames > 1:
        sizes["stride"] = 4
    merged: dict[str, object] = {
        "input": sizes,
        "train": {"epochs": 2, "batch_size": 8, "learning_rate": 0.02},
        **changes,
    }
    return vary(load(model), merged)
