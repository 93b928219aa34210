"""A made-up dataset that shows whether a model uses what it should: generated, no people in it.

Each clip has a face (a skin-coloured ellipse) and a scene of grey discs. The face may carry a
colour a, one disc of the scene a colour b, each one of seven. The label L is drawn first, evenly,
then the kind of clip, evenly, then the colours:

| kind    | face carries a | scene carries b | what tells the label                            |
|---------|----------------|-----------------|-------------------------------------------------|
| face    | L              | nothing         | the face                                        |
| context | nothing        | L               | the scene                                       |
| both    | L or L - 1     | L or L - 2      | the face leaves a, a + 1; the scene leaves      |
|         |                |                 | b, b + 2; exactly one answer is in both pairs   |

(counted modulo 7, each of two with probability 1/2, independently). What no model can exceed
follows by arithmetic (`best_accuracy`). Seeing both streams: 1. Seeing the face only: `context`
clips show nothing, 1/7; a coloured face is from a `face` clip, label a, or from a `both` clip,
labels a and a + 1 equally often: the answer a is best, right in every `face` clip and half of the
`both` clips. The scene alone mirrors it.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from caer_data.benchmark.pictures import face_crop
from caer_data.benchmark.recipe import ModelRecipe, load, vary
from caer_data.benchmark.samples import SPLITS, Sample, Source
from caer_data.benchmark.shards import MAX_FACES, Format
from caer_data.benchmark.store import Store
from caer_data.emotions import EMOTIONS

KINDS: Final = ("face", "context", "both")
NAME: Final = "made-up clips"
SIZE: Final = (56, 72)
"""Height and width of a frame, pixels."""
FPS: Final = 10

COLORS: Final = len(EMOTIONS)
FACE_STEP: Final = 1
SCENE_STEP: Final = 2

# pixels: half height and width of a face, radius of a disc, cells that each take one, and the most
# that anything moves in a clip; nothing can overlap
_FACE_HALF: Final = (10, 8)
_DISC: Final = 7
_DISCS: Final = 4
_CELL: Final = (16, 17)
_DRIFT: Final = 2.0


@dataclass(frozen=True)
class Planted:
    """n clips of T frames.

    Attributes:
        frames: (n, T, H, W, 3) uint8 RGB.
        face_boxes: (n, T, 4) float32 x1, y1, x2, y2 of the face, pixels.
        context_boxes: (n, T, 4) of the coloured disc; of the disc that carries nothing in `face`
            clips.
        labels: (n,) class ids.
        kinds: (n,) positions in `KINDS`.
        splits: (n,) positions in `SPLITS`.
    """

    frames: npt.NDArray[np.uint8]
    face_boxes: npt.NDArray[np.float32]
    context_boxes: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    splits: npt.NDArray[np.int64]


def make(
    train: int = 1600, validation: int = 150, test: int = 450, frames: int = 1, seed: int = 0
) -> Planted:
    """Generate clips; the same arguments give the same bytes."""
    n = train + validation + test
    random = np.random.default_rng(seed)
    labels, kinds = random.integers(0, COLORS, n), random.integers(0, len(KINDS), n)
    in_face, in_scene = kinds != KINDS.index("context"), kinds != KINDS.index("face")
    vague = kinds == KINDS.index("both")
    a = (labels - FACE_STEP * (vague & (random.random(n) < 0.5))) % COLORS
    b = (labels - SCENE_STEP * (vague & (random.random(n) < 0.5))) % COLORS
    pictures = np.empty((n, frames, *SIZE, 3), np.uint8)
    boxes = np.empty((2, n, frames, 4), np.float32)
    for i in range(n):
        color_a = _color(int(a[i])) if in_face[i] else None
        color_b = _color(int(b[i])) if in_scene[i] else None
        pictures[i], boxes[0, i], boxes[1, i] = _clip(frames, color_a, color_b, random)
    splits = np.repeat(np.arange(3), (train, validation, test))
    return Planted(pictures, boxes[0], boxes[1], labels, kinds, splits)


def best_accuracy(face: bool, context: bool) -> dict[str, float]:
    """What no model can exceed, by kind and over `all`, given the streams it sees."""
    chance = 1 / COLORS
    by_kind = {
        "face": 1.0 if face else chance,
        "context": 1.0 if context else chance,
        "both": 1.0 if face and context else 0.5 if face or context else chance,
    }
    return {**by_kind, "all": sum(by_kind.values()) / len(by_kind)}


def recipe(model: str = "caer-net-s") -> ModelRecipe:
    """The `tuned` recipe at the small sizes of these clips, trained until it has learned them."""
    small = {
        "name": f"{model}-made-up",
        "input": {
            "face": (24, 24),
            "frame": SIZE,
            "crop": (48, 64),
            "frames": 8 if model == "caer-net" else 1,
        },
        "layers": {"dropout": 0.2},
        "train": {
            "epochs": 14,
            "batch_size": 16,
            "learning_rate": 0.02,  # of batches of 32: half of it here
            "lr_step_epochs": 10,
            "warmup_epochs": 0.0,
        },
    }
    return vary(load(model, "tuned"), small)


def store(planted: Planted, face_size: tuple[int, int]) -> Store:
    """The clips as the benchmark's store, in memory: face crops, whole frames, boxes."""
    n, T = planted.frames.shape[:2]
    faces = [
        face_crop(planted.frames[i, t], planted.face_boxes[i, t], face_size)
        for i in range(n)
        for t in range(T)
    ]
    boxes = np.zeros((n * T, MAX_FACES, 4), np.float32)
    boxes[:, 0] = planted.face_boxes.reshape(-1, 4)
    arrays = {
        "face": [np.stack(faces)],
        "context": [planted.frames.reshape(n * T, *SIZE, 3)],
        "boxes": [boxes],
    }
    samples = [
        Sample(f"{i:05d}", Path(f"{i:05d}"), SPLITS[s], int(label), clip_id=f"{i:05d}")
        for i, (s, label) in enumerate(zip(planted.splits, planted.labels, strict=True))
    ]
    source = Source(NAME, "clips" if T > 1 else "images", tuple(samples), made_up=True)
    form = Format(face_size, SIZE, float(FPS) if T > 1 else None)
    counts = np.full(n, T, np.int64)
    return Store(source, form, samples, [], np.arange(n, dtype=np.int64) * T, counts, arrays)


def attention_on(
    attention: npt.NDArray[np.floating], boxes: npt.NDArray[np.float32], crop: tuple[int, int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Share of the attention that lies on a box, and the share that an even map would put there.

    Args:
        attention: (n, T', h, w), summing to 1 over h, w.
        boxes: (n, T, 4) in pixels of the whole frame; T a multiple of T'.
        crop: height and width of the centre crop that was shown.

    Returns:
        Two arrays (n,), means over time. A cell that the box covers in part counts in part.
    """
    n, steps, h, w = attention.shape
    shift = np.array([(SIZE[1] - crop[1]) // 2, (SIZE[0] - crop[0]) // 2] * 2, np.float64)
    mean_boxes = boxes.reshape(n, steps, -1, 4).mean(2) - shift
    down = _overlap(mean_boxes[..., 1], mean_boxes[..., 3], crop[0], h)
    across = _overlap(mean_boxes[..., 0], mean_boxes[..., 2], crop[1], w)
    covered = down[..., :, None] * across[..., None, :]  # (n, T', h, w), share of each cell
    return (covered * attention).sum((2, 3)).mean(1), covered.mean((2, 3)).mean(1)


def _overlap(
    start: npt.NDArray[np.float64], end: npt.NDArray[np.float64], pixels: int, cells: int
) -> npt.NDArray[np.float64]:
    """Share of each of the cells along one side that start..end covers: (..., cells)."""
    edges = np.arange(cells + 1) * (pixels / cells)
    inside = np.minimum(end[..., None], edges[1:]) - np.maximum(start[..., None], edges[:-1])
    return np.asarray(np.maximum(inside, 0) * (cells / pixels))


def _color(number: int) -> npt.NDArray[np.float32]:
    return np.array(colorsys.hsv_to_rgb(number / COLORS, 0.8, 0.9), np.float32) * 255


def _clip(
    frames: int,
    in_face: npt.NDArray[np.float32] | None,
    in_scene: npt.NDArray[np.float32] | None,
    random: np.random.Generator,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Frames (T, H, W, 3), face boxes (T, 4) and boxes of the chosen disc (T, 4)."""
    places = _places(random)
    drift = random.uniform(-_DRIFT, _DRIFT, (len(places), 2))
    greys = random.uniform(60, 200, (len(places), 1)).astype(np.float32) * np.ones(3, np.float32)
    ground = random.uniform(80, 170)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    pictures, faces, discs = [], [], []
    for t in range(frames):
        at = places + drift * (t / max(frames - 1, 1) - 0.5)
        picture = np.full((*SIZE, 3), ground, np.float32)
        for number in range(1, len(places)):
            chosen = in_scene is not None and number == 1
            shape = (y - at[number, 0]) ** 2 + (x - at[number, 1]) ** 2 < _DISC**2
            picture[shape] = in_scene if chosen else greys[number]
        down, across = (y - at[0, 0]) / _FACE_HALF[0], (x - at[0, 1]) / _FACE_HALF[1]
        picture[down**2 + across**2 < 1] = (190, 150, 120)
        picture[down**2 + across**2 < 0.5] = greys[0] if in_face is None else in_face
        picture += random.normal(0, 8, picture.shape)
        pictures.append(picture.clip(0, 255).astype(np.uint8))
        faces.append(_box(at[0], _FACE_HALF))
        discs.append(_box(at[1], (_DISC, _DISC)))
    return np.stack(pictures), np.stack(faces), np.stack(discs)


def _places(random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Centres (y, x) of the face and of the discs, none over another: cells of a 3 x 4 grid."""
    rows, columns = 3, 4
    cells = random.permutation(rows * columns)
    face = cells[0]
    # a face is higher than a cell: its neighbours above and below stay empty
    free = [c for c in cells[1:] if c % columns != face % columns]
    chosen = np.array([face, *free[:_DISCS]])
    y = (chosen // columns - (rows - 1) / 2) * _CELL[0] + SIZE[0] / 2
    x = (chosen % columns - (columns - 1) / 2) * _CELL[1] + SIZE[1] / 2
    return np.stack([y, x], axis=1)


def _box(centre: npt.NDArray[np.float64], half: tuple[int, int]) -> npt.NDArray[np.float32]:
    (y, x), (h, w) = centre, half
    return np.array([x - w, y - h, x + w, y + h], np.float32)
