"""Scenes of known people, composed from footage of one person each: singles, two-shots, wide shots.

A scene is one shot as the face stage sees it, a few pictures per second, with the people in it and
where they stand. Everything is drawn from fixed seeds. The people come in two halves, so that what
is tuned with one half is judged by the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from caer_data.faces.models.interface import Picture
from caer_data.media.decode import frames
from caer_data.media.probe import probe

WIDTH, HEIGHT = 1280, 720
FPS = 25
STEP = 8  # frames between two pictures: some three per second
LENGTH = 6  # pictures a scene
WIDE_FACE = (0.065, 0.11)  # share of the frame's height

_PEOPLE = {
    "carphone_4s.mp4": "driver",
    "man_data_streams.mp4": "desk",
    "man_webcam_2s.mp4": "webcam",
    "portrait_d10_woman_talking.mp4": "d10",
    "portrait_d13_man_portrait_format.mp4": "d13",
    "portrait_d19_man_smile.mp4": "d19",
    "portrait_d3_woman_frown_surprise.mp4": "d3",
    "portrait_d9_man_smirk.mp4": "d9",
    "portrait_s18_woman_room.mp4": "s18",
    "portrait_s32_woman_park.mp4": "s32",
    "woman_sad_then_happy_20s.mp4": "sad",
}
_LEFT_TO_RIGHT = {
    "kit_harington_AND_rose_leslie": ["rose_leslie", "kit_harington"],
    "biden_AND_obama": ["obama", "biden"],
    "obama_AND_biden": ["biden", "obama"],
}
_EMPTY = ("title_noface_4s.mp4", "torso_noface_23s.mp4", "one_by_one_139s.mp4")


@dataclass(frozen=True)
class Take:
    """Pictures of one person, one every third of a second, and the face's box in the first."""

    person: str
    pictures: tuple[Picture, ...]
    box: tuple[float, float, float, float]


@dataclass
class Scene:
    """One shot: its pictures, and each person's name with the stretch of x where they stand."""

    kind: str
    pictures: list[Picture]
    people: list[tuple[str, float, float]] = field(default_factory=list)


class Spool:
    """The pictures of scenes in a row, as `samples.Samples` gives those of a video."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self._pictures = [p for scene in scenes for p in scene.pictures]
        self.frames = np.arange(len(self._pictures)) * STEP

    def between(self, start: int, end: int) -> list[int]:
        a, b = np.searchsorted(self.frames, (start, end))
        return [int(frame) for frame in self.frames[a:b]]

    def picture(self, frame: int) -> Picture:
        return self._pictures[frame // STEP]


def spans(scenes: Sequence[Scene]) -> list[tuple[int, int]]:
    """First frame and one past the last of each scene, laid in a row."""
    ends = np.cumsum([len(scene.pictures) for scene in scenes]) * STEP
    return list(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True))


def halves(data: Path, locate: Any) -> tuple[list[Scene], list[Scene]]:
    """Scenes of both halves of the people; `locate` finds the face boxes of a picture."""
    names = sorted(_PEOPLE)
    result = []
    for half in (0, 1):
        files = [data / "videos" / name for name in names[half::2]]
        signers = [f"P{n}" for n in ((1, 3, 5) if half == 0 else (2, 4))]
        files += [p for s in signers for p in sorted((data / "identities/intel_asl").glob(f"{s}*"))]
        takes = [take for path in files for take in _takes(path, locate)]
        result.append(list(_scenes(takes, _backgrounds(data, half), half)))
    return result[0], result[1]


def photographs(data: Path, locate: Any) -> list[Scene]:
    """A scene of each photograph of the known people, over which a camera moves slowly."""
    scenes = []
    for path in sorted((data / "identities" / "face_recognition").iterdir()):
        picture = _fitted(cv2.imread(str(path)))
        found = sorted(locate(picture), key=lambda b: -(b[3] - b[1]))
        names = _LEFT_TO_RIGHT.get(path.name.split("__")[0], path.name.split("__")[:1])
        boxes = sorted(found[: len(names)], key=lambda b: b[0])
        if len(boxes) < len(names):
            continue
        middles = [(b[0] + b[2]) / 2 for b in boxes]
        edges = [0.0, *((a + b) / 2 for a, b in itertools.pairwise(middles)), WIDTH]
        people = [(n, edges[k], edges[k + 1]) for k, n in enumerate(names)]
        scenes.append(Scene("photograph", _moved([picture] * LENGTH, 0.004), people))
    return scenes


@cache
def _read(path: Path, most_s: float) -> tuple[Picture, ...]:
    info = probe(path)
    pictures: list[Picture] = []
    start = 0.0
    for frame in frames(path, info, for_analysis=True):
        start = start if pictures else float(frame.pts * info.time_base)
        at = float(frame.pts * info.time_base) - start
        if at > most_s:
            break
        if not pictures or at >= len(pictures) * STEP / FPS:
            pictures.append(frame.picture(WIDTH))
    return tuple(pictures)


def _takes(path: Path, locate: Any) -> Iterator[Take]:
    person = _PEOPLE.get(path.name, path.name.split("_")[0])
    pictures = _read(path, 12.0)
    skip = 3 if len(pictures) > LENGTH + 6 else 0  # some begin in black
    for start in range(skip, len(pictures) - 3, LENGTH + 6):
        own = pictures[start : start + LENGTH]
        own = own + own[::-1][: LENGTH - len(own)]
        boxes = locate(own[0])
        if len(boxes):
            # of a face and one printed on a shirt, the upper is the person's
            x1, y1, x2, y2 = min((b for b in boxes[:2]), key=lambda b: b[1])
            yield Take(person, own, (float(x1), float(y1), float(x2), float(y2)))


def _backgrounds(data: Path, half: int) -> list[tuple[Picture, ...]]:
    street = [_fitted_all(_read(data / "shots_gt/street_bikes_10s.mp4", 10.0))]
    names = _EMPTY[half::2] if half == 0 else _EMPTY[1:2]
    found = [_fitted_all(_read(data / "videos" / n, 6.0)) for n in names] + street
    return [pictures[half * LENGTH :][:LENGTH] or pictures[:LENGTH] for pictures in found]


def _scenes(
    takes: list[Take], backgrounds: list[tuple[Picture, ...]], half: int
) -> Iterator[Scene]:
    rng = np.random.default_rng(half)
    for take in takes:
        yield _single(take, rng)
    people = sorted({take.person for take in takes})
    of = {p: [t for t in takes if t.person == p] for p in people}
    for n in range(14):
        pair = [people[(n + k * (1 + n // len(people))) % len(people)] for k in (0, 1)]
        if len(set(pair)) == 2:
            yield _two_shot([of[p][n % len(of[p])] for p in pair], rng)
    for n in range(16):
        count = (1, 2, 3, 4)[n % 4]
        chosen = [of[p][n % len(of[p])] for p in rng.choice(people, count, replace=False)]
        yield _wide(chosen, backgrounds[n % len(backgrounds)], rng)
    for pictures in backgrounds:
        yield Scene("empty", _graded(list(pictures), rng))


def _single(take: Take, rng: np.random.Generator) -> Scene:
    share = float(np.exp(rng.uniform(np.log(0.13), np.log(0.6))))
    x = rng.uniform(0.35, 0.65)
    pictures = [_framed(p, take.box, share, x, WIDTH) for p in take.pictures]
    return Scene("single", _graded(pictures, rng), [(take.person, 0, WIDTH)])


def _two_shot(pair: list[Take], rng: np.random.Generator) -> Scene:
    share, half = rng.uniform(0.2, 0.35), WIDTH // 2
    sides = [
        [_framed(p, t.box, share * rng.uniform(0.97, 1.03), 0.5, half) for p in t.pictures]
        for t in pair
    ]
    pictures = [np.hstack(both) for both in zip(*sides, strict=True)]
    people = [(pair[0].person, 0.0, half), (pair[1].person, half, WIDTH)]
    return Scene("two", _graded(pictures, rng), people)  # type: ignore[arg-type]


def _wide(takes: list[Take], background: tuple[Picture, ...], rng: np.random.Generator) -> Scene:
    pictures = [p.copy() for p in background] + [background[-1].copy()] * LENGTH
    pictures, people = pictures[:LENGTH], []
    room = WIDTH // len(takes)
    for place, take in enumerate(takes):
        share = rng.uniform(*WIDE_FACE)
        high, wide = int(HEIGHT * share * 3), int(min(HEIGHT * share * 2.2, room - 2))
        left = place * room + int(rng.uniform(0, room - wide))
        top = int(rng.uniform(0.2, 0.5) * (HEIGHT - high))
        for number, picture in enumerate(pictures):
            part = _framed(take.pictures[number], take.box, 1 / 3, 0.5, wide, high)
            picture[top : top + high, left : left + wide] = part
        people.append((take.person, float(left), float(left + wide)))
    return Scene(f"wide {len(takes)}", _graded(pictures, rng), people)


def _framed(
    picture: Picture,
    box: tuple[float, ...],
    share: float,
    x: float,
    width: int,
    height: int = HEIGHT,
) -> Picture:
    """The picture so zoomed that the face fills a share of the height, edges mirrored."""
    zoom = share * height / (box[3] - box[1])
    centre = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    matrix = np.array([[zoom, 0, x * width - zoom * centre[0]],
                       [0, zoom, 0.4 * height - zoom * centre[1]]])  # fmt: skip
    size, how = (width, height), cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    if zoom < 0.6:
        picture = cv2.blur(picture, (round(1 / zoom),) * 2)
    return np.asarray(cv2.warpAffine(picture, matrix, size, flags=how, borderValue=(40, 40, 40)))


def _graded(pictures: list[Picture], rng: np.random.Generator) -> list[Picture]:
    """Another light, some noise and JPEG's losses, the same over the scene."""
    gain, lift = rng.uniform(0.6, 1.15), rng.uniform(-8, 12)
    tint, noise = rng.uniform(0.9, 1.1, 3), rng.uniform(0, 4)
    graded = []
    for picture in pictures:
        values = picture * (gain * tint) + lift + rng.normal(0, noise, picture.shape)
        data = cv2.imencode(".jpg", np.clip(values, 0, 255).astype(np.uint8), [1, 85])[1]
        graded.append(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8))
    return graded


def _moved(pictures: list[Picture], speed: float) -> list[Picture]:
    result = []
    for n, picture in enumerate(pictures):
        zoom = 1 + speed * n
        matrix = np.array([[zoom, 0, -WIDTH * speed * n / 3], [0, zoom, -HEIGHT * speed * n / 3]])
        result.append(np.asarray(cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT)), np.uint8))
    return result


def _fitted(picture: Any) -> Picture:
    """The whole picture within the frame, on grey."""
    scale = min(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    top, left = (HEIGHT - small.shape[0]) // 2, (WIDTH - small.shape[1]) // 2
    frame[top : top + small.shape[0], left : left + small.shape[1]] = small
    return frame


def _fitted_all(pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
    return tuple(_fitted(p) for p in pictures)
