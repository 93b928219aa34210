"""Renders the demo's storyboard: animated portraits in front of places, a moving camera, sound.

Pixels and samples depend only on the storyboard, so that the same versions of the libraries produce
the same files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
import numpy.typing as npt

from caer_data.demo.alive import SYLLABLES_PER_S, Face, Mover
from caer_data.demo.storyboards import FPS, HEIGHT, PICTURES, STAND_IN, WIDTH, Role, Shot
from caer_data.engine.files import atomic_path
from caer_data.faces.models.interface import Picture

SAMPLE_RATE: Final = 48_000
_MARGIN: Final = 1.2  # the stage is larger than the picture, so that the camera can move
_STAGE: Final = (round(WIDTH * _MARGIN), round(HEIGHT * _MARGIN))
_FADE_FRAMES: Final = 10
_ENCODER: Final = {"crf": "20", "preset": "superfast", "x264-params": "mbtree=0"}

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Portrait:
    """A person's position in their picture: face box, ellipses (x, y, half axes), and voice."""

    face: tuple[int, int, int, int]
    body: tuple[tuple[int, int, int, int], ...]
    voice_hz: float


_PORTRAITS: Final = {
    "collins": _Portrait(
        (175, 76, 265, 166),
        ((224, 85, 60, 75), (205, 210, 75, 70), (190, 420, 165, 160), (400, 440, 95, 85)),
        205.0,
    ),
    "hopper": _Portrait(
        (180, 139, 366, 325),
        ((265, 100, 110, 70), (265, 220, 85, 120), (265, 540, 215, 190)),
        165.0,
    ),
    STAND_IN: _Portrait((184, 76, 256, 166), (), 240.0),
}

# mood: gains of blue, green, red; chord of the music as semitones above the keynote
_MOODS: Final[dict[str, tuple[tuple[float, float, float], tuple[int, ...]]]] = {
    "anger": ((0.70, 0.72, 1.18), (0, 1, 6)),
    "disgust": ((0.75, 1.10, 0.85), (0, 3, 6)),
    "fear": ((0.80, 0.66, 0.62), (0, 6, 11)),
    "happy": ((0.88, 1.06, 1.14), (0, 4, 7)),
    "neutral": ((1.0, 1.0, 1.0), (0, 7, 12)),
    "sad": ((1.12, 0.88, 0.74), (0, 3, 7)),
    "surprise": ((1.14, 1.14, 1.0), (0, 4, 8)),
}


@cache
def _picture(name: str) -> Picture:
    # imdecode, because imread cannot open names outside the system's code page on Windows
    data = np.frombuffer(PICTURES[name].locate().read_bytes(), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


@cache
def _cutout(name: str) -> tuple[Picture, Samples]:
    """Return a portrait and its mask (0 to 1, soft edge), found by GrabCut inside the ellipses."""
    if name == STAND_IN:
        return tuple(_reshaped(array) for array in _cutout("collins"))
    image, portrait = _picture(name), _PORTRAITS[name]
    mask = np.full(image.shape[:2], cv2.GC_BGD, np.uint8)
    for grow, word in ((1.2, cv2.GC_PR_FGD), (0.75, cv2.GC_FGD)):
        for x, y, half_width, half_height in portrait.body:
            axes = (int(half_width * grow), int(half_height * grow))
            cv2.ellipse(mask, (x, y), axes, 0, 0, 360, word, -1)
    cv2.setRNGSeed(0)
    model = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(image, mask, None, *model, 4, cv2.GC_INIT_WITH_MASK)
    inside = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    outline = max(
        cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=cv2.contourArea
    )
    filled = cv2.drawContours(np.zeros_like(inside), [outline], -1, 1, -1)
    smooth = cv2.morphologyEx(filled, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    return image, cv2.GaussianBlur(smooth.astype(np.float32), (0, 0), 1.5)


def _reshaped(array: Any) -> Any:
    """Return the first portrait, narrowed, with a wider jaw and its features closer together.

    The change is just large enough for face recognition to see another person (distance 0.6 with
    the default embedder, whose threshold is 0.5).
    """
    x1, y1, x2, y2 = _PORTRAITS["collins"].face
    x, middle, size = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1
    rows, columns = np.mgrid[: array.shape[0], : array.shape[1]].astype(np.float32)
    columns = x + (columns - x) / 0.8

    def near(row: float, sharp: float) -> Samples:
        distance = ((columns - x) / size) ** 2 + ((rows - row) / size) ** 2
        return np.asarray(np.exp(-sharp * distance), np.float32)

    wider = (1 + 0.7 * near(y2, 5)) * (1 - 0.3 * near(y1 + size / 4, 8))
    taller = 1 - 0.25 * near(middle, 5)
    from_x, from_y = x + (columns - x) / wider, middle + (rows - middle) / taller
    return cv2.remap(array, from_x, from_y, cv2.INTER_LINEAR)


class _Scene:
    """A shot's stage, larger than a frame: the place, and the moving cast."""

    def __init__(self, shot: Shot) -> None:
        place = _place_of(shot)
        people = [_placed(role) for role in shot.cast]
        self._still = _put(place, people)
        self._effect = shot.effect
        gains = np.array(_MOODS[shot.mood][0], np.float32) * (0.12 if shot.effect == "dark" else 1)
        levels = np.clip(np.arange(256)[:, None] * gains, 0, 255)
        self._light = levels.astype(np.uint8).reshape(256, 1, 3)
        self._moving = []
        for number, (role, (person, alpha)) in enumerate(zip(shot.cast, people, strict=True)):
            face = _face_on_stage(role, number, shot)
            square = face.square(*_STAGE)
            others = _put(place, people[:number] + people[number + 1 :])[square]
            layer = np.dstack([person[square], alpha[square] * 255]).astype(np.uint8)
            self._moving.append((square, Mover(face, square), others, layer))

    def at(self, time: float) -> Picture:
        """Return the stage at a time of the shot, in seconds."""
        canvas = self._still.copy()
        for square, mover, others, layer in self._moving:
            moved = mover.moved(layer, time)
            alpha = np.multiply(moved[..., 3:], np.float32(1 / 255))
            canvas[square] = others + alpha * np.subtract(moved[..., :3], others, dtype=np.float32)
        lit = cv2.LUT(canvas, self._light)
        shown = cv2.GaussianBlur(lit, (0, 0), 9) if self._effect == "blurred" else lit
        return np.asarray(shown, np.uint8)


def _place_of(shot: Shot) -> Samples:
    """Return the place behind the cast, filling the stage; out of focus behind people."""
    image = _picture(shot.place)
    scale = max(_STAGE[0] / image.shape[1], _STAGE[1] / image.shape[0])
    matrix = _placing(scale, (image.shape[1] / 2, image.shape[0] / 2), (0.5, 0.5))
    stage = cv2.warpAffine(image, matrix, _STAGE, flags=cv2.INTER_CUBIC)
    stage = cv2.GaussianBlur(stage, (0, 0), 2.5) if shot.cast else stage
    return np.asarray(stage, np.float32)


def _put(place: Samples, people: list[tuple[Picture, Samples]]) -> Picture:
    """Return a picture of people in front of a place, drawn from back to front."""
    canvas = place.copy()
    for person, alpha in people:
        canvas += alpha[..., None] * (person - canvas)
    return np.asarray(np.clip(canvas, 0, 255), np.uint8)


def _placing(scale: float, source: tuple[float, float], at: tuple[float, float]) -> Any:
    """Return the matrix that scales a picture and moves its point `source` to a stage position."""
    return np.array(
        [
            [scale, 0, at[0] * _STAGE[0] - scale * source[0]],
            [0, scale, at[1] * _STAGE[1] - scale * source[1]],
        ]
    )


def _placed(role: Role) -> tuple[Picture, Samples]:
    """Return a person on the stage, standing on its lower edge, and their mask, 0 to 1."""
    image, mask = _cutout(role.person)
    if role.mirrored:
        image, mask = image[:, ::-1], mask[:, ::-1]
    matrix = _standing(role)
    person = cv2.warpAffine(np.ascontiguousarray(image), matrix, _STAGE, flags=cv2.INTER_CUBIC)
    return person, cv2.warpAffine(np.ascontiguousarray(mask), matrix, _STAGE)


def _standing(role: Role) -> Any:
    """Return the matrix from the (mirrored) portrait to the stage."""
    x, y, size = _middle(role)
    scale = role.face * HEIGHT / size
    below = scale * (_cutout(role.person)[0].shape[0] - y) / _STAGE[1]
    return _placing(scale, (x, y), (role.x, max(0.42, 1 - below)))


def _middle(role: Role) -> tuple[float, float, float]:
    """Return the middle and height of the face in the (mirrored) portrait."""
    x1, y1, x2, y2 = _PORTRAITS[role.person].face
    x = (x1 + x2) / 2
    if role.mirrored:
        x = _cutout(role.person)[0].shape[1] - x
    return x, (y1 + y2) / 2, float(y2 - y1)


def _face_on_stage(role: Role, number: int, shot: Shot) -> Face:
    """Return a role's face on the stage; the person in front speaks, as in `sound_of`."""
    x, y, size = _middle(role)
    matrix = _standing(role)
    at = matrix @ (x, y, 1.0)
    seed = round(1000 * role.x) + shot.frames
    speaks = number == len(shot.cast) - 1
    return Face(float(at[0]), float(at[1]), float(matrix[0, 0]) * size, seed, speaks)


def frames_of(shot: Shot) -> Iterator[Picture]:
    """Yield a shot's frames: (HEIGHT, WIDTH, 3) BGR."""
    scene = _Scene(shot)
    still = scene.at(0.0) if not shot.cast else None
    for i in range(shot.frames):
        t = i / max(shot.frames - 1, 1)
        stage = scene.at(i / FPS) if still is None else still
        frame = cv2.warpAffine(
            stage, _camera(shot.move, t), (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT
        )
        light = 1.0
        if shot.effect == "fade-in":
            light = min(1.0, i / _FADE_FRAMES)
        if shot.effect == "fade-out":
            light = min(1.0, (shot.frames - 1 - i) / _FADE_FRAMES)
        yield frame if light == 1.0 else (frame * light).astype(np.uint8)


def _camera(move: str, t: float) -> Any:
    """Return the matrix from stage to frame at a time from 0 to 1: a slow, slightly shaky move."""
    ease = t * t * (3 - 2 * t)
    zoom, x, y = 1.0, 0.0, 0.0
    if move == "in":
        zoom = 0.9 + 0.12 * ease
    elif move == "out":
        zoom = 1.02 - 0.12 * ease
    elif move in ("left", "right"):
        x = (0.06 if move == "left" else -0.06) * (1 - 2 * ease) * WIDTH
    elif move == "reveal":
        turn = min(1.0, max(0.0, (t - 0.35) / 0.3))
        zoom, x = 1.6, (-0.28 + 0.5 * turn * turn * (3 - 2 * turn)) * WIDTH
    x += 1.5 * math.sin(9 * t)
    y += 1.2 * math.sin(7 * t + 1)
    angle = 0.4 * math.sin(5 * t)
    matrix = cv2.getRotationMatrix2D((_STAGE[0] / 2 + x, _STAGE[1] / 2 + y), angle, zoom)
    matrix[0, 2] += WIDTH / 2 - _STAGE[0] / 2 - x
    matrix[1, 2] += HEIGHT / 2 - _STAGE[1] / 2 - y
    return matrix


def sound_of(shot: Shot, seed: int) -> Samples:
    """Return a shot's mono sound, -1 to 1: a soft chord in its mood and a voice-like sound."""
    samples = shot.frames * SAMPLE_RATE // FPS
    time = np.arange(samples) / SAMPLE_RATE
    draw = np.random.default_rng(seed)
    chord = [110.0 * 2 ** (step / 12) for step in _MOODS[shot.mood][1]]
    sound = sum(0.03 * np.sin(2 * np.pi * hz * time) for hz in chord)
    sound = sound + 0.004 * draw.standard_normal(samples)
    if shot.cast:
        sound = sound + _voice(_PORTRAITS[shot.cast[-1].person].voice_hz, time, draw)
    edge = np.minimum(1.0, np.minimum(time, time[-1] - time) / 0.01)
    return np.asarray(sound * edge, np.float32)


def _voice(pitch: float, time: npt.NDArray[np.float64], draw: np.random.Generator) -> Any:
    """Return meaningless syllables, made of harmonics under two formants."""
    syllables = np.floor(time * SYLLABLES_PER_S).astype(int)
    count = int(syllables[-1]) + 1
    accents = draw.uniform(0.9, 1.12, count)[syllables]
    first = draw.uniform(350, 800, count)[syllables]
    second = draw.uniform(1000, 2200, count)[syllables]
    phase = 2 * np.pi * np.cumsum(pitch * accents) / SAMPLE_RATE
    voice = np.zeros_like(time)
    for harmonic in range(1, 15):
        hz = harmonic * pitch * accents
        voice += np.sin(harmonic * phase) * (
            np.exp(-(((hz - first) / 180) ** 2)) + 0.5 * np.exp(-(((hz - second) / 250) ** 2))
        )
    return 0.12 * voice * np.sin(np.pi * ((time * SYLLABLES_PER_S) % 1)) ** 2


def film(shots: list[Shot], path: Path, seed: int) -> None:
    """Encode one episode as H.264 yuv420p and AAC in mp4; the file is complete or absent.

    Args:
        shots: the storyboard.
        path: file to write.
        seed: seed of the sound, a different one for each episode.

    Raises:
        CaerError: the file cannot be written.
    """
    with (
        atomic_path(path) as temporary,
        av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"}) as out,
    ):
        # For equal bytes: one thread, because otherwise the result depends on the number of cores,
        # and no macroblock tree, which on some processors differs from run to run.
        video = out.add_stream("libx264", rate=FPS, options=dict(_ENCODER))
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, FPS)
        video.codec_context.thread_count = 1
        audio = out.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        audio.bit_rate = 96_000
        first_frame = 0
        for number, shot in enumerate(shots):
            for i, image in enumerate(frames_of(shot)):
                planes = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
                frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
                frame.pts, frame.time_base = first_frame + i, Fraction(1, FPS)
                out.mux(video.encode(frame))
            sound = av.AudioFrame.from_ndarray(
                sound_of(shot, seed * 1000 + number)[None], format="fltp", layout="mono"
            )
            sound.sample_rate, sound.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
            sound.pts = first_frame * SAMPLE_RATE // FPS
            out.mux(audio.encode(sound))
            first_frame += shot.frames
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
