"""A generated dataset, without people, that shows whether a model uses the information it should.

Each clip has a face (a skin-coloured ellipse) and a scene of grey discs. The two halves of the face
may be coloured, and so may those of one disc, in seven possible colours. In all clips, the label L
is the colour that all coloured objects have in common.

| kind    | share | halves of the face | halves of a disc | label visible in             |
|---------|-------|--------------------|------------------|------------------------------|
| face    | 1/4   | L, L               | grey             | the face                     |
| context | 1/4   | grey               | L, L             | the scene                    |
| both    | 1/2   | L, another         | L, yet another   | only face and scene together |

Labels, the other colours and their sides are uniformly distributed. The best possible accuracy
(`best_accuracy`) is 1 with both streams. With the face only, it is 1 if the face has one colour,
1/2 if it has two, and 1/7 if it is grey. The same applies with the scene only.

In `make_sounding`, the label depends on the sound: each label is a tone in noise.

In `make_ordered`, the label depends on time: a grey face becomes brighter (happy) or darker (sad).
Each is the other played backwards, so the best accuracy without the order of frames is 1/2.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from caer_data.benchmark.data.pictures import Still, face_crop
from caer_data.benchmark.data.samples import SPLITS, Sample, Source
from caer_data.benchmark.data.shards import MAX_FACES, Format
from caer_data.benchmark.data.sound import RATE, of_samples
from caer_data.benchmark.data.store import Store
from caer_data.benchmark.recipe import ModelRecipe, load, vary
from caer_data.engine.emotions import EMOTIONS

KINDS: Final = ("face", "context", "both")
SHARES: Final = (1 / 4, 1 / 4, 1 / 2)
"""Shares of the kinds; the one that is learned last has the largest."""
NAME: Final = "made-up clips"
SIZE: Final = (56, 72)
"""Height and width of a frame, pixels."""
FPS: Final = 10

COLORS: Final = len(EMOTIONS)
Colors = npt.NDArray[np.float32]
"""Red, green and blue from 0 to 255 along the last axis."""

# in pixels: half the height and width of a face, the radius of a disc, the size of the cells that
# each contain one, and the maximum movement in a clip, such that nothing can overlap
_FACE_HALF: Final = (10, 8)
_DISC: Final = 7
_DISCS: Final = 4
_CELL: Final = (16, 17)
_DRIFT: Final = 2.0


@dataclass(frozen=True)
class SyntheticClips:
    """n clips of T frames.

    Attributes:
        frames: (n, T, H, W, 3) uint8 RGB.
        face_boxes: (n, T, 4) float32 x1, y1, x2, y2 of the face, pixels.
        context_boxes: (n, T, 4) of the coloured disc; in `face` clips, of a grey one.
        labels: (n,) class ids.
        kinds: (n,) positions in `KINDS`.
        splits: (n,) positions in `SPLITS`.
        sounds: (n, samples) float32 at `sound.RATE`, mono, or None for clips without sound.
    """

    frames: npt.NDArray[np.uint8]
    face_boxes: npt.NDArray[np.float32]
    context_boxes: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    splits: npt.NDArray[np.int64]
    sounds: npt.NDArray[np.float32] | None = None


def make(
    train: int = 1600, validation: int = 150, test: int = 450, frames: int = 1, seed: int = 0
) -> SyntheticClips:
    """Return generated clips; the same arguments give the same bytes."""
    n = train + validation + test
    random = np.random.default_rng(seed)
    labels, kinds = random.integers(0, COLORS, n), random.choice(len(KINDS), n, p=SHARES)
    made = []
    for label, kind in zip(labels, kinds, strict=True):
        face, scene = _colors(int(label), KINDS[kind], random)
        made.append(_clip(np.tile(face, (frames, 1, 1)), scene, random))
    pictures, face_boxes, context_boxes = (np.stack(part) for part in zip(*made, strict=True))
    splits = np.repeat(np.arange(3), (train, validation, test))
    return SyntheticClips(pictures, face_boxes, context_boxes, labels, kinds, splits)


def make_ordered(
    train: int = 240, validation: int = 60, test: int = 200, frames: int = 8, seed: int = 0
) -> SyntheticClips:
    """Return clips of kind `face` whose label depends only on the order of the frames.

    Every second clip becomes brighter, so a constant prediction is correct for half of a split.
    """
    n = train + validation + test
    random = np.random.default_rng(seed)
    rises = np.arange(n) % 2 == 0
    made = []
    for i in range(n):
        ramp = np.linspace(random.uniform(40, 90), random.uniform(160, 210), frames)
        ramp = ramp if rises[i] else ramp[::-1]
        halves = np.broadcast_to(ramp[:, None, None], (frames, 2, 3)).astype(np.float32)
        made.append(_clip(halves, _grey(random), random))
    pictures, face_boxes, context_boxes = (np.stack(part) for part in zip(*made, strict=True))
    labels = np.where(rises, EMOTIONS.index("happy"), EMOTIONS.index("sad"))
    kinds = np.full(n, KINDS.index("face"))
    splits = np.repeat(np.arange(3), (train, validation, test))
    return SyntheticClips(pictures, face_boxes, context_boxes, labels, kinds, splits)


def make_sounding(
    train: int = 280, validation: int = 56, test: int = 140, frames: int = 8, seed: int = 0
) -> SyntheticClips:
    """Return grey clips whose label depends only on the sound: one of seven tones, in noise."""
    n = train + validation + test
    random = np.random.default_rng(seed)
    labels = np.arange(n) % COLORS
    made = [_clip(np.tile(_grey(random), (frames, 1, 1)), _grey(random), random) for _ in range(n)]
    pictures, face_boxes, context_boxes = (np.stack(part) for part in zip(*made, strict=True))
    seconds = np.arange(frames * RATE // FPS) / RATE
    tones = [
        random.uniform(0.1, 0.5)
        * np.sin(2 * np.pi * 220 * 1.5**label * seconds + random.uniform(0, 2 * np.pi))
        + random.normal(0, 0.03, len(seconds))
        for label in labels
    ]
    kinds = np.full(n, KINDS.index("both"))
    splits = np.repeat(np.arange(3), (train, validation, test))
    sounds = np.array(tones, np.float32)
    return SyntheticClips(pictures, face_boxes, context_boxes, labels, kinds, splits, sounds)


def best_accuracy(face: bool, context: bool) -> dict[str, float]:
    """Return the best possible accuracy, by kind and over `all`, for the given streams."""
    chance = 1 / COLORS
    by_kind = {
        "face": 1.0 if face else chance,
        "context": 1.0 if context else chance,
        "both": 1.0 if face and context else 0.5 if face or context else chance,
    }
    total = sum(by_kind[kind] * share for kind, share in zip(KINDS, SHARES, strict=True))
    return {**by_kind, "all": total}


def recipe(model: str = "caer-net-s") -> ModelRecipe:
    """Return the `tuned` recipe for the small sizes of these clips.

    It has no dropout, because combining face and scene is learned last, and with dropout the few
    steps would not suffice.
    """
    small = {
        "name": f"{model}-made-up",
        "input": {
            "face": (24, 24),
            "frame": SIZE,
            "crop": (48, 64),
            "frames": 8 if model == "caer-net" else 1,
        },
        "layers": {"dropout": 0.0},
        "train": {
            "epochs": 10,
            "batch_size": 16,
            "learning_rate": 0.04,  # for batches of 32: half of it here
            "lr_step_epochs": 8,
            "warmup_epochs": 0.0,
        },
    }
    return vary(load(model, "tuned"), small)


def ordered_recipe(model: str) -> ModelRecipe:
    """Return `recipe` for the clips of `make_ordered`, whose scene is irrelevant and small."""
    clips = model == "caer-net"
    changes = {
        "name": f"{model}-made-up-order",
        "input": {"frame": (28, 36), "crop": (24, 32)} | ({"stride": 1} if clips else {}),
        "train": {"epochs": 2, "lr_step_epochs": 2},
    }
    return vary(recipe(model), changes)


def sounding_recipe(sees: bool) -> ModelRecipe:
    """Return a recipe for `make_sounding`: CAER-Net with sound, or the sound alone."""
    changes: dict[str, object] = {"streams": {"sound": True}, "name": "caer-net-sound-made-up"}
    if not sees:
        off = dict.fromkeys(("face", "context", "context_attention", "fusion_attention"), False)
        changes = {"streams": {**off, "sound": True}, "name": "sound-made-up"}
    return vary(ordered_recipe("caer-net"), {**changes, "train": {"epochs": 3}})


def store(
    clips: SyntheticClips, face_size: tuple[int, int], frame_size: tuple[int, int] = SIZE
) -> Store:
    """Return the clips as an in-memory store: face crops, whole frames, boxes."""
    n, T = clips.frames.shape[:2]
    faces = [
        face_crop(Still(clips.frames[i, t]), clips.face_boxes[i, t], face_size)
        for i in range(n)
        for t in range(T)
    ]
    contexts = [Still(picture).at(frame_size) for picture in clips.frames.reshape(-1, *SIZE, 3)]
    boxes = np.zeros((n * T, MAX_FACES, 4), np.float32)
    scale = np.array([frame_size[1] / SIZE[1], frame_size[0] / SIZE[0]] * 2, np.float32)
    boxes[:, 0] = clips.face_boxes.reshape(-1, 4) * scale
    arrays = {
        "face": [np.stack(faces)],
        "context": [np.stack(contexts)],
        "boxes": [boxes],
    }
    if clips.sounds is not None:
        arrays["sound"] = [np.concatenate([of_samples(s, float(FPS), T) for s in clips.sounds])]
    samples = [
        Sample(f"{i:05d}", Path(f"{i:05d}"), SPLITS[s], int(label), clip_id=f"{i:05d}")
        for i, (s, label) in enumerate(zip(clips.splits, clips.labels, strict=True))
    ]
    source = Source(NAME, "clips" if T > 1 else "images", tuple(samples), made_up=True)
    form = Format(face_size, frame_size, float(FPS) if T > 1 else None)
    counts = np.full(n, T, np.int64)
    return Store(source, form, samples, [], np.arange(n, dtype=np.int64) * T, counts, arrays)


def attention_on(
    attention: npt.NDArray[np.floating], boxes: npt.NDArray[np.float32], crop: tuple[int, int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the share of attention on a box, and the share that a uniform map would have there.

    Args:
        attention: (n, T', h, w), summing to 1 over h, w.
        boxes: (n, T, 4) in pixels of the whole frame; T a multiple of T'.
        crop: height and width of the centre crop that was shown.

    Returns:
        Two arrays (n,), means over time. A partly covered cell counts in part.
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
    """Return the share of each cell along one side that start..end covers: (..., cells)."""
    edges = np.arange(cells + 1) * (pixels / cells)
    inside = np.minimum(end[..., None], edges[1:]) - np.maximum(start[..., None], edges[:-1])
    return np.asarray(np.maximum(inside, 0) * (cells / pixels))


def _color(number: int) -> Colors:
    return np.array(colorsys.hsv_to_rgb(number / COLORS, 0.8, 0.9), np.float32) * 255


def _grey(random: np.random.Generator) -> Colors:
    """Return one grey for both halves, (2, 3)."""
    return np.full((2, 3), random.uniform(60, 200), np.float32)


def _colors(label: int, kind: str, random: np.random.Generator) -> tuple[Colors, Colors]:
    """Return the colours of the face's halves and of the disc's, each (2, 3)."""
    if kind != "both":
        pair = np.stack([_color(label), _color(label)])
        return (pair, _grey(random)) if kind == "face" else (_grey(random), pair)
    others = (label + 1 + random.permutation(COLORS - 1)[:2]) % COLORS
    face, scene = (random.permutation([label, other]) for other in others)
    return np.stack([_color(int(c)) for c in face]), np.stack([_color(int(c)) for c in scene])


def _clip(
    in_face: Colors, in_scene: Colors, random: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Draw one clip.

    Args:
        in_face: (T, 2, 3) colours of the face's halves in each frame.
        in_scene: (2, 3) colours of the halves of one disc; the others are grey.
        random: source of places, greys and noise.

    Returns:
        Frames (T, H, W, 3), face boxes (T, 4) and boxes of that disc (T, 4).
    """
    places = _places(random)
    drift = random.uniform(-_DRIFT, _DRIFT, (len(places), 2))
    discs = [in_scene, *(_grey(random) for _ in range(_DISCS - 1))]
    ground = random.uniform(80, 170)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    pictures, face_boxes, context_boxes = [], [], []
    for t, halves in enumerate(in_face):
        at = places + drift * (t / max(len(in_face) - 1, 1) - 0.5)
        picture = np.full((*SIZE, 3), ground, np.float32)
        for (down, across), colors in zip(at[1:], discs, strict=True):
            disc = (y - down) ** 2 + (x - across) ** 2 < _DISC**2
            picture[disc & (x < across)], picture[disc & (x >= across)] = colors
        (down, across), (high, wide) = at[0], _FACE_HALF
        from_middle = ((y - down) / high) ** 2 + ((x - across) / wide) ** 2
        picture[from_middle < 1] = (190, 150, 120)
        inner = from_middle < 0.5
        picture[inner & (x < across)], picture[inner & (x >= across)] = halves
        picture += random.normal(0, 8, picture.shape)
        pictures.append(picture.clip(0, 255).astype(np.uint8))
        face_boxes.append(_box(at[0], _FACE_HALF))
        context_boxes.append(_box(at[1], (_DISC, _DISC)))
    return np.stack(pictures), np.stack(face_boxes), np.stack(context_boxes)


def _places(random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return centres (y, x) of face and discs in cells of a 3 x 4 grid, without overlaps."""
    rows, columns = 3, 4
    cells = random.permutation(rows * columns)
    face = cells[0]
    # a face is higher than a cell, so the cells above and below it stay empty
    free = [c for c in cells[1:] if c % columns != face % columns]
    chosen = np.array([face, *free[:_DISCS]])
    y = (chosen // columns - (rows - 1) / 2) * _CELL[0] + SIZE[0] / 2
    x = (chosen % columns - (columns - 1) / 2) * _CELL[1] + SIZE[1] / 2
    return np.stack([y, x], axis=1)


def _box(centre: npt.NDArray[np.float64], half: tuple[int, int]) -> npt.NDArray[np.float32]:
    (y, x), (h, w) = centre, half
    return np.array([x - w, y - h, x + w, y + h], np.float32)
