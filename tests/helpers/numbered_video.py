"""Videos whose every frame says its own number, as a pattern that survives encoding."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 12
_CELL = 16


def picture(number: int, height: int = 96) -> np.ndarray:
    """A frame with its number as a row of black and white cells, over a busy ground."""
    rng = np.random.default_rng(number)
    frame = rng.integers(60, 190, (height, BITS * _CELL, 3), dtype=np.uint8)
    for bit in range(BITS):
        frame[:48, bit * _CELL : (bit + 1) * _CELL] = 255 if number >> bit & 1 else 0
    return frame


def number_of(frame: np.ndarray) -> int:
    """Read the number of a frame, at any scale."""
    height, width = frame.shape[:2]
    row = frame[: height // 2].mean(axis=2)[height // 8 : 3 * height // 8].mean(axis=0)
    cells = row.reshape(BITS, width // BITS).mean(axis=1)
    return int(sum(1 << bit for bit in range(BITS) if cells[bit] > 127))


def write(
    path: Path,
    frames: int,
    fps: Fraction = Fraction(25),
    *,
    codec: str = "libx264",
    pts: list[int] | None = None,
    time_base: Fraction | None = None,
    sound: bool = False,
    gop: int = 50,
    height: int = 96,
) -> Path:
    """Write a numbered video; with `sound`, a click at the start of every second."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=fps)
        video.width, video.height, video.pix_fmt = BITS * _CELL, height, "yuv420p"
        if codec == "libx264":
            video.options = {"crf": "12", "preset": "ultrafast", "g": str(gop), "bf": "2"}
        if time_base is not None:
            video.codec_context.time_base = time_base
        audio = container.add_stream("aac", rate=48000, layout="mono") if sound else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, height), format="rgb24")
            frame.pts = pts[number] if pts else number
            frame.time_base = time_base or 1 / fps
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None:
            samples = np.zeros(int(frames / fps * 48000), np.float32)
            for second in range(0, len(samples), 48000):
                samples[second : second + 240] = np.sin(np.arange(240) * 0.8)
            for at in range(0, len(samples), 1024):
                chunk = av.AudioFrame.from_ndarray(
                    samples[None, at : at + 1024], format="fltp", layout="mono"
                )
                chunk.sample_rate, chunk.pts = 48000, at
                container.mux(audio.encode(chunk))
            container.mux(audio.encode())
    return path
