"""Films of fields: a photograph that moves, laid into frames of two fields and flagged or not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import stress_shots
from odd_media import ffmpeg

WHOLE = "null"
TOP = "tinterlace=interleave_top,fieldorder=tff"
BOTTOM = "tinterlace=interleave_bottom,fieldorder=bff"
FILM = "telecine=pattern=23"
FILM_BOTTOM = "telecine=pattern=23:first_field=bottom"
MOVES = "scroll=horizontal=0.01"
_FLAGGED = ["-flags", "+ildct+ilme"]


def write(
    path: Path, laid: str, *, flagged: bool = False, moves: str = MOVES, s: float = 5
) -> Path:
    """Write a film of some seconds at 25 frames per second, of which `laid` makes fields."""
    still = path.with_suffix(".png")
    cv2.imwrite(str(still), cv2.resize(stress_shots.photographs()[0], (480, 360)))
    rate = 50 if laid in (TOP, BOTTOM) else 20 if laid in (FILM, FILM_BOTTOM) else 25
    flags = _FLAGGED if flagged else []
    order = "bff" if laid in (BOTTOM, FILM_BOTTOM) else "tff"
    named = f"setfield={order if flagged else 'prog'},format=yuv420p"
    ffmpeg("-loop", 1, "-r", rate, "-t", s, "-i", still, "-vf", f"{moves},{laid},{named}",
           "-r", 25, *flags, "-c:v", "mpeg2video", "-q:v", 3, path)  # fmt: skip
    return path


def joined(path: Path, parts: list[Path], *, flagged: bool = False) -> Path:
    """Write films one after another into one file, whose frames are all flagged or none."""
    inputs = [word for part in parts for word in ("-i", part)]
    flags = _FLAGGED if flagged else []
    ffmpeg(*inputs, "-filter_complex",
           f"concat=n={len(parts)},setfield={'tff' if flagged else 'prog'}",
           *flags, "-c:v", "mpeg2video", "-q:v", 3, path)  # fmt: skip
    return path


def combs(grey: np.ndarray) -> float:
    """How much lines differ from the mean of their neighbours."""
    lines = grey.astype(float)
    return float(np.abs(lines[1:-1] - (lines[:-2] + lines[2:]) / 2).mean())
