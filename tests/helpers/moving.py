"""Scenes that move, as arrays: what copies, edits and other takes of a shot look like."""

from __future__ import annotations

import cv2
import numpy as np

WIDTH, HEIGHT = 192, 108


def scene(seed: int, frames: int, first: float = 0) -> np.ndarray:
    """Grey pictures of a scene in which a bright spot wanders; shape (frames, HEIGHT, WIDTH)."""
    random = np.random.default_rng(seed)
    small = random.integers(30, 200, (7, 11)).astype(np.uint8)
    ground = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    turns = random.uniform(0.3, 1.2, 4)
    made = []
    for number in first + np.arange(frames):
        t = number / 12
        x = WIDTH * (0.5 + 0.3 * np.sin(turns[0] * t + turns[2] * 6))
        y = HEIGHT * (0.5 + 0.3 * np.cos(turns[1] * t + turns[3] * 6))
        picture = ground.copy()
        cv2.circle(picture, (round(x), round(y)), 22, 250, -1)
        cv2.circle(picture, (round(x), round(y)), 9, 10, -1)
        made.append(picture)
    return np.array(made)


def crop(pictures: np.ndarray, share: float) -> np.ndarray:
    """Cut this share off each side, and scale what is left to the size of before."""
    y, x = round(HEIGHT * share), round(WIDTH * share)
    inner = pictures[:, y : HEIGHT - y, x : WIDTH - x]
    return np.array([cv2.resize(p, (WIDTH, HEIGHT)) for p in inner])


def letterbox(pictures: np.ndarray) -> np.ndarray:
    """Black above and below."""
    bar = HEIGHT // 6
    return np.pad(pictures, ((0, 0), (bar, bar), (0, 0)))


def pillarbox(pictures: np.ndarray) -> np.ndarray:
    """Black to the left and the right."""
    bar = WIDTH // 6
    return np.pad(pictures, ((0, 0), (0, 0), (bar, bar)))


def logo(pictures: np.ndarray) -> np.ndarray:
    """A station's mark in a corner."""
    marked = pictures.copy()
    marked[:, 6:18, WIDTH - 34 : WIDTH - 8] = 255
    return marked


EDITS = {
    "as it is": lambda p: p,
    "small": lambda p: np.array([cv2.resize(x, (96, 54)) for x in p]),
    "crop 5 %": lambda p: crop(p, 0.05),
    "crop 10 %": lambda p: crop(p, 0.1),
    "letterbox": letterbox,
    "pillarbox": pillarbox,
    "logo": logo,
    "mirrored": lambda p: p[:, :, ::-1].copy(),
    "recap": lambda p: logo(crop(p, 0.04))[5:15],
}
