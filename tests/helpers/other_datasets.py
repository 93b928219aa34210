"""Small datasets as others lay them out."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

CLASSES = ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")


def scene(seed: int, width: int = 320, height: int = 180) -> np.ndarray:
    """A picture of blurred spots and edges that no other seed has."""
    random = np.random.default_rng(seed)
    spots = random.integers(0, 255, (7, 11, 3)).astype(np.uint8)
    picture = cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(6):
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        colour = tuple(int(c) for c in random.integers(0, 255, 3))
        cv2.rectangle(picture, (x, y), (x + width // 5, y + height // 4), colour, -1)
    return picture


def save(path: Path, picture: np.ndarray, quality: int = 90) -> Path:
    """Write a picture, as JPEG or PNG by its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, **({"quality": quality} if path.suffix == ".jpg" else {}))
    return path


def encoded(picture: np.ndarray) -> bytes:
    """A picture as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def caer_s(root: Path, each: int = 1) -> Path:
    """CAER-S as released: `each` pictures of every class in every split, all different."""
    seed = 0
    for split in ("train", "validation", "test"):
        for name in CLASSES:
            for number in range(each):
                seed += 1
                save(root / split / name / f"{number + 1:04d}.png", scene(seed))
    return root
