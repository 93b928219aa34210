"""Films of known cuts, edited from real footage in ways that hide cuts or feign them.

The footage comes in two halves: detectors are tuned on films of the first, and judged by those of
the second. Every kind is one way of editing, treating or converting.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from caer_data.media.decode import frames
from caer_data.media.probe import probe

Pictures = list[np.ndarray]
Rng = np.random.Generator

WIDTH, HEIGHT = 320, 180
_ROOM = 1.5
_MAX_FRAMES = 150
_SAME_FOOTAGE = ("composite_open_44s", "webcam_face_noface_vfr_6s")
_WITH_CUTS = ("cartoon_goat_12s",)


@dataclass(frozen=True)
class Take:
    """Frames of a file between which there is no cut."""

    path: Path
    start: int
    end: int


@dataclass
class Film:
    """Frames, first frames of new shots, and inclusive ranges of gradual transitions."""

    frames: Pictures
    cuts: list[int] = field(default_factory=list)
    gradual: list[tuple[int, int]] = field(default_factory=list)


def footage(data: Path) -> tuple[list[Take], list[Take]]:
    """The takes in both halves; a file belongs to one half."""
    files: list[list[Take]] = []
    for truth_path in sorted((data / "shots_gt").glob("*.json")):
        if truth_path.stem in _SAME_FOOTAGE:
            continue
        truth = json.loads(truth_path.read_text(encoding="utf-8"))
        soft = [(g["start"] - 1, g["end"] + 2) for g in truth["gradual"] + truth["not_cuts"]]
        edges = sorted({0, truth["frames"], *truth["cuts"], *(e for pair in soft for e in pair)})
        path = next(p for p in truth_path.parent.glob(f"{truth_path.stem}.*") if p != truth_path)
        spans = [(a + 1, b - 1) for a, b in pairwise(edges) if b - a >= 14]
        files.append([Take(path, a, b) for a, b in spans if not _touches(a, b, soft)])
    for path in sorted((data / "videos").iterdir()):
        if path.stem not in _WITH_CUTS:
            count = sum(1 for _ in frames(path, probe(path)))
            start = 60 if count > 240 else 6  # some begin in black
            files.append([Take(path, start, min(count - 2, start + _MAX_FRAMES))])
    first, second = ([take for file in files[half::2] for take in file] for half in (0, 1))
    return first, second


def _touches(start: int, end: int, spans: list[tuple[int, int]]) -> bool:
    return any(start < b and end > a for a, b in spans)


@cache
def _load(take: Take) -> Pictures:
    """Pictures somewhat larger than the film, so that a camera can move over them."""
    width, height = int(WIDTH * _ROOM), int(HEIGHT * _ROOM)
    pictures = []
    for frame in frames(take.path, probe(take.path)):
        if frame.index >= take.end or len(pictures) == _MAX_FRAMES:
            break
        if frame.index >= take.start:
            picture = frame.picture(640)
            high, wide = picture.shape[:2]
            scale = max(width / wide, height / high)
            size = max(width, round(wide * scale)), max(height, round(high * scale))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
            pictures.append(picture[top : top + height, left : left + width])
    return pictures


def _view(picture: np.ndarray, x: float, y: float, zoom: float) -> np.ndarray:
    height, width = picture.shape[:2]
    w, h = width / max(1.0, zoom), height / max(1.0, zoom)
    left, top = np.clip(x * width - w / 2, 0, width - w), np.clip(y * height - h / 2, 0, height - h)
    move = np.array([[w / WIDTH, 0, left], [0, h / HEIGHT, top]], np.float32)
    return cv2.warpAffine(picture, move, (WIDTH, HEIGHT), flags=cv2.WARP_INVERSE_MAP)


def _camera(kind: str, length: int, rng: Rng) -> list[tuple[float, float, float]]:
    """Centre and zoom of every frame of a shot."""
    i = np.arange(length)
    x, y, zoom = np.full(length, 0.5), np.full(length, 0.5), np.full(length, rng.uniform(1, 1.2))
    if kind == "pan":
        zoom[:] = 1.6
        x = (0.31 + rng.uniform(0.006, 0.02) * i)[:: rng.choice([-1, 1])]
    elif kind == "whip":
        zoom[:] = 1.9
        x = np.clip(0.27 + (i - length // 2) * 0.09, 0.27, 0.73)
    elif kind == "zoom":
        zoom = (1.05 + rng.uniform(0.006, 0.02) * i)[:: rng.choice([-1, 1])]
    elif kind == "shake":
        zoom[:] = 1.2
        x, y = x + rng.normal(0, 0.012, length), y + rng.normal(0, 0.012, length)
    return list(zip(x, y, zoom, strict=True))


def _mix(one: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    return cv2.addWeighted(one, share, other, 1 - share, 0)


def _lit(picture: np.ndarray, gain: float, light: float = 0.0) -> np.ndarray:
    return np.clip(picture.astype(np.float32) * gain + light, 0, 255).astype(np.uint8)


def _grey(shot: Pictures, rng: Rng) -> Pictures:
    gain = rng.uniform(0.6, 1.1)
    return [cv2.merge([cv2.cvtColor(_lit(p, gain), cv2.COLOR_BGR2GRAY)] * 3) for p in shot]


def _dark(shot: Pictures, rng: Rng) -> Pictures:
    gain = rng.uniform(0.08, 0.22)
    return [_lit(p, gain, rng.normal(4, 2, p.shape)) for p in shot]


def _flash(shot: Pictures, rng: Rng) -> Pictures:
    at, length, light = rng.integers(3, len(shot) - 5), rng.integers(1, 4), rng.uniform(60, 255)
    fades = rng.random() < 0.5
    lit = {at + i: light * (1 - i / length if fades else 1) for i in range(length)}
    return [_lit(p, 1, lit.get(i, 0)) for i, p in enumerate(shot)]


def _strobe(shot: Pictures, rng: Rng) -> Pictures:
    period, dark = rng.integers(2, 5), rng.uniform(0.05, 0.4)
    return [p if i // period % 2 else _lit(p, dark) for i, p in enumerate(shot)]


def _old_film(shot: Pictures, rng: Rng) -> Pictures:
    worn = []
    for grey in _grey(shot, rng):
        noise = rng.normal(0, 6, (HEIGHT, WIDTH, 1))
        picture = np.roll(_lit(grey, rng.uniform(0.85, 1.1), noise), rng.integers(-2, 3, 2), (0, 1))
        for _ in range(rng.integers(0, 4)):
            spot = int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))
            cv2.circle(picture, spot, int(rng.integers(1, 9)), (255,) * 3, -1)
        worn.append(picture)
    return worn


def _explosion(shot: Pictures, rng: Rng) -> Pictures:
    at = rng.integers(3, len(shot) - 8)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    far = np.hypot((x / WIDTH - rng.uniform(0.3, 0.7)) * 1.6, y / HEIGHT - 0.5)[..., None]
    fire = np.concatenate([100 + 0 * far, 150 + 80 * np.cos(8 * far), 255 + 0 * far], axis=2)
    burnt = list(shot)
    for i in range(at, len(shot)):
        age = i - at
        radius = 0.35 * age if age < 4 else 1.4 * 0.93 ** (age - 4)
        share = np.clip((radius - far) * 3, 0, 1) * 0.95 * 0.9 ** max(0, age - 8)
        flames = cv2.resize(rng.normal(0, 40, (9, 16)), (WIDTH, HEIGHT))[..., None]
        burnt[i] = np.clip(shot[i] * (1 - share) + (fire + flames) * share, 0, 255).astype(np.uint8)
    return burnt


def _pastel(shot: Pictures, rng: Rng) -> Pictures:
    """Bright, pale and low in contrast, in one of a few tints."""
    tint = np.array([(255, 225, 235), (230, 245, 255), (235, 255, 235)][rng.integers(3)])
    gain = rng.uniform(0.2, 0.35)
    return [_lit(p, gain, tint * (1 - gain) - 12) for p in shot]


def _snow(shot: Pictures, rng: Rng) -> Pictures:
    """Nearly white, with flakes."""
    white = [_lit(_lit(p, 0.4), 1, 150) for p in _grey(shot, rng)]
    for picture in white:
        for _ in range(60):
            spot = int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))
            cv2.circle(picture, spot, int(rng.integers(1, 4)), (255,) * 3, -1)
    return white


def _title(shot: Pictures, rng: Rng) -> Pictures:
    at, fading = rng.integers(2, len(shot) - 6), rng.integers(1, 5)
    shown = list(shot)
    for i in range(at, len(shot)):
        card = shot[i].copy()
        cv2.rectangle(card, (30, 54), (WIDTH - 30, 126), (20, 20, 160), -1)
        cv2.putText(card, "NEW SERIES", (50, 99), cv2.FONT_HERSHEY_DUPLEX, 1.1, (255,) * 3, 2)
        shown[i] = _mix(card, shot[i], min(1.0, (i - at + 1) / fading))
    return shown


def _subtitle(shot: Pictures, rng: Rng) -> Pictures:
    at, shown = rng.integers(2, len(shot) - 6), [p.copy() for p in shot]
    for i in range(at, len(shot)):
        for line, text in enumerate(("and then he said to me:", "we shall see tomorrow")):
            place = (30, HEIGHT - 30 + 18 * line)
            cv2.putText(shown[i], text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, (255,) * 3, 1)
    return shown


_TREATMENTS: dict[str, Callable[[Pictures, Rng], Pictures]] = {
    "grey": _grey, "dark": _dark, "flash": _flash, "strobe": _strobe, "old film": _old_film,
    "explosion": _explosion, "title": _title, "subtitle": _subtitle, "pastel": _pastel,
    "snow": _snow,
}  # fmt: skip
_CAMERAS = ("pan", "whip", "zoom", "shake")
_MOVED = {"pastel": "pan", "snow": "whip"}
_X, _Y = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
_WIPES: dict[str, np.ndarray] = {
    "wipe left": 1 - _X,
    "wipe down": _Y,
    "wipe diagonal": (_X + _Y) / 2,
    "wipe circle": np.hypot((_X - 0.5) * 16 / 9, _Y - 0.5) / np.hypot(0.5 * 16 / 9, 0.5),
    "wipe closing": 1 - np.hypot((_X - 0.5) * 16 / 9, _Y - 0.5) / np.hypot(0.5 * 16 / 9, 0.5),
    "wipe clock": (np.arctan2(_X - 0.5, _Y - 0.5) + np.pi) / (2 * np.pi),
    "wipe doors": 1 - 2 * np.abs(_X - 0.5),
    "wipe soft": _X,
}
"""When each pixel turns, as a share of the wipe."""
_EDGES = {"wipe soft": 0.15}
"""How broad the edge is, as a share of the wipe."""

_LENGTHS = {"drama": (24, 100), "advert": (5, 13), "advert blended": (8, 16)}
_BLENDS = {"blended 1": 1, "blended 2": 2, "blended 3": 3, "advert blended": 2}
_LATER = ("pastel", "snow")
KINDS = (
    "drama", "advert", *_BLENDS, *(k for k in _TREATMENTS if k not in _LATER), *_CAMERAS,
    "anamorphic", "letterbox", "crushed", "telecine", "rate blended", "interlaced", "fade",
    "dissolve", "wipe", *_LATER, *_WIPES,
)  # fmt: skip
"""In this order: the place of a kind is the seed of its films."""

WIPES = ("wipe", *_WIPES)


def film(kind: str, takes: list[Take], rng: Rng, shots: int = 20) -> Film:
    """Edit a film of this kind."""
    result, last = Film([]), None
    for _ in range(shots):
        take = takes[rng.choice([i for i, t in enumerate(takes) if t != last])]
        source, last = _load(take), take
        length = min(int(rng.integers(*_LENGTHS.get(kind, (16, 50)))), len(source))
        start = int(rng.integers(0, len(source) - length + 1))
        views = _camera(_MOVED.get(kind, kind), length, rng)
        shot = [_view(p, *v) for p, v in zip(source[start : start + length], views, strict=True)]
        if kind in _TREATMENTS and length >= 16:
            shot = _TREATMENTS[kind](shot, rng)
        _join(kind, result, shot, rng)
    return _converted(kind, result)


def _join(kind: str, made: Film, shot: Pictures, rng: Rng) -> None:
    done, cut = made.frames, len(made.frames)
    room = min(len(shot), cut - (made.cuts or [0])[-1]) - 5
    if not done:
        pass
    elif kind in _BLENDS:
        count = _BLENDS[kind]
        shares = [(i + 1) / (count + 1) for i in range(count)] if count > 1 else [rng.uniform()]
        last = done[-1]
        done += [_mix(shot[0], last, share) for share in shares]
        made.cuts.append(cut + sum(share < 0.5 for share in shares))
    elif kind in ("dissolve", "fade", *WIPES) and room >= 6 and rng.random() < 0.6:
        count = int(rng.integers(6, min(room, 40) + 1))
        first = cut - count
        for i in range(count):
            share = (i + 1) / (count + 1)
            old, new = done[first + i], shot[i]
            if kind == "dissolve":
                done[first + i] = _mix(new, old, share)
            elif kind in _WIPES:
                done[first + i] = _wiped(kind, old, new, share)
            elif kind == "wipe":
                edge = round(WIDTH * share)
                done[first + i] = np.hstack([new[:, :edge], old[:, edge:]])
            else:
                done[first + i] = _lit(old, max(0, 1 - 2 * share)) + _lit(
                    new, max(0, 2 * share - 1)
                )
        made.gradual.append((first, cut - 1))
        shot = shot[count:]
    else:
        made.cuts.append(cut)
    done += shot


def _wiped(kind: str, old: np.ndarray, new: np.ndarray, share: float) -> np.ndarray:
    """A frame of a wipe in which this share of it is over."""
    edge = _EDGES.get(kind, 0.01)
    weight = np.clip((share * (1 + edge) - _WIPES[kind]) / edge, 0, 1)[..., None]
    return (new * weight + old * (1 - weight)).astype(np.uint8)


def _converted(kind: str, made: Film) -> Film:
    frames_ = made.frames
    new: Pictures = []
    place: list[int] = []
    if kind == "telecine":  # every fourth frame twice: 24 to 30 frames per second
        for i, picture in enumerate(frames_):
            place.append(len(new))
            new += [picture] * (2 if i % 4 == 3 else 1)
    elif kind == "rate blended":  # 24 to 30 frames per second by weighted means of neighbours
        times = np.arange(0, len(frames_) - 1, 0.8)
        new = [_mix(frames_[int(t) + 1], frames_[int(t)], t % 1) for t in times]
        place = [int(np.argmax(times > i - 0.5)) for i in range(len(frames_))]
    elif kind == "interlaced":  # 3:2 pulldown: every fifth pair of fields is of two frames
        for i in range(0, len(frames_) - 3, 4):
            a, b, c, d = frames_[i : i + 4]
            mixed = [
                np.where(np.arange(HEIGHT)[:, None, None] % 2, y, x) for x, y in ((b, c), (c, d))
            ]
            place += [len(new) + k for k in (0, 1, 2, 4)]
            new += [a, b, *mixed, d]
    else:
        if kind == "letterbox":
            made.frames = [
                cv2.copyMakeBorder(cv2.resize(p, (WIDTH, 136)), 22, 22, 0, 0, cv2.BORDER_CONSTANT)
                for p in frames_
            ]
        elif kind == "anamorphic":
            made.frames = [cv2.resize(p, (240, HEIGHT)) for p in frames_]
        return made
    return Film(new, [place[cut] for cut in made.cuts if cut < len(place)])
