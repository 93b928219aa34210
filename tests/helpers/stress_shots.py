"""Films of known cuts, made from real pictures that installed packages carry, to stress detectors.

Every shot is a moving section of one photograph. The kinds are what makes cuts hard to see (dark,
low in contrast, blended) or makes them up (flashes, lamps, pans, shaking).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
WIDTH, HEIGHT = 256, 144

KINDS = (
    "plain", "fast", "dark", "low-contrast", "grey", "blended", "punch-in", "pan", "zoom", "shake",
    "flash", "lamp",
)  # fmt: skip


@cache
def photographs() -> tuple[Picture, ...]:
    """Real photographs, BGR, at least 512 pixels wide."""
    import matplotlib as mpl
    import skimage.data
    import sklearn.datasets

    names = ("astronaut", "camera", "coffee", "chelsea", "coins", "rocket", "retina", "gravel")
    pictures = [getattr(skimage.data, name)() for name in names]
    pictures += sklearn.datasets.load_sample_images().images
    hopper = Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    pictures.append(cv2.cvtColor(cv2.imread(str(hopper)), cv2.COLOR_BGR2RGB))
    result = []
    for picture in pictures:
        code = cv2.COLOR_GRAY2BGR if picture.ndim == 2 else cv2.COLOR_RGB2BGR
        bgr = cv2.cvtColor(picture, code)
        scale = 640 / min(bgr.shape[1], bgr.shape[0] * WIDTH / HEIGHT)
        result.append(cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    return tuple(result)


def film(kind: str, seed: int = 0, shots: int = 12) -> tuple[list[Picture], list[int]]:
    """Frames of a film and the first frame of each shot but the first."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    frames: list[Picture] = []
    cuts: list[int] = []
    last = -1
    for number in range(shots):
        stays = kind == "punch-in" and number % 2 == 1
        choices = [last] if stays else [i for i in range(len(photographs())) if i != last]
        last = int(rng.choice(choices))
        length = int(rng.integers(6, 14) if kind == "fast" else rng.integers(15, 40))
        shot = _treated(kind, _section(kind, photographs()[last], length, stays, rng), rng)
        if frames:
            cut = len(frames)
            if kind == "blended":
                share = float(rng.uniform(0.25, 0.75))
                frames.append(cv2.addWeighted(frames[-1], share, shot[0], 1 - share, 0))
                cut += int(share > 0.5)
            cuts.append(cut)
        frames += shot
    return frames, cuts


def write(path: Path, frames: list[Picture], crf: int = 23, fps: int = 25) -> Path:
    """Encode a film as H.264, as it might be found."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(crf), "preset": "veryfast"}
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _section(
    kind: str, photograph: Picture, length: int, closer: bool, rng: np.random.Generator
) -> list[Picture]:
    """A window that moves over a photograph: size, place and their change in a frame."""
    height, width = photograph.shape[:2]
    size = float(rng.uniform(0.45, 0.6) if closer else rng.uniform(0.75, 0.9))
    growth = float(rng.uniform(0.96, 0.985)) if kind == "zoom" else 1.0
    speed = rng.uniform(0.012, 0.03) if kind == "pan" else rng.uniform(0, 0.002)
    speed *= float(rng.choice([-1, 1]))
    x, y = 0.5 + (-0.2 if speed > 0 else 0.2) * (kind == "pan"), float(rng.uniform(0.4, 0.6))
    shot = []
    for number in range(length):
        w = width * size * growth**number * (0.6 if kind == "pan" else 1)
        h = min(w * HEIGHT / WIDTH, height)
        jump = rng.uniform(-0.03, 0.03, 2) if kind == "shake" else (0.0, 0.0)
        left = float(np.clip((x + speed * number + jump[0]) * width - w / 2, 0, width - w))
        top = float(np.clip((y + jump[1]) * height - h / 2, 0, height - h))
        move = np.array([[w / WIDTH, 0, left], [0, h / HEIGHT, top]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        picture = cv2.warpAffine(photograph, move, (WIDTH, HEIGHT), flags=flags)
        noise = rng.normal(0, 2, picture.shape)
        shot.append(np.clip(picture + noise, 0, 255).astype(np.uint8))
    return shot


def _treated(kind: str, shot: list[Picture], rng: np.random.Generator) -> list[Picture]:
    if kind == "dark":
        gain = float(rng.uniform(0.1, 0.25))
        return [
            np.clip(p * gain + rng.normal(4, 1.5, p.shape), 0, 255).astype(np.uint8) for p in shot
        ]
    if kind == "low-contrast":
        return [cv2.convertScaleAbs(p, alpha=0.25, beta=150) for p in shot]
    if kind == "grey":
        return [cv2.cvtColor(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR) for p in shot]
    if kind == "lamp":
        gains = rng.uniform(0.6, 1.3, len(shot))
        return [cv2.convertScaleAbs(p, alpha=float(g)) for p, g in zip(shot, gains, strict=True)]
    if kind == "flash":
        at, length = int(rng.integers(6, len(shot) - 8)), int(rng.integers(1, 4))
        light = float(rng.uniform(60, 250))
        for number in range(at, at + length):
            shot[number] = cv2.convertScaleAbs(shot[number], alpha=1.0, beta=light)
    return shot
