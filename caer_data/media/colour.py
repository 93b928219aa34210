"""Colours of a video: the colour space of its values, and tone mapping of high dynamic range.

PQ and HLG pictures look grey if they are decoded as standard dynamic range, and faces are missed.
They are therefore tone-mapped: 203 cd/m2, the white of graphics in HDR (ITU-R BT.2408), becomes
white. Values up to seven tenths of it are unchanged, and highlights above are rolled off (Mobius
curve, as in FFmpeg's `tonemap`).
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

PQ: Final = 16
HLG: Final = 18
WHITE: Final = 203.0
"""Luminance that becomes white, cd/m2."""

PEAK: Final = 1000.0
"""Luminance of the brightest highlights that are distinguished, cd/m2."""

KNEE: Final = 0.7
HD_HEIGHT: Final = 720
PAL_HEIGHT: Final = 576
UNSPECIFIED: Final = 2

# names in FFmpeg's filters, by number (ITU-T H.273, tables 2 to 4)
PRIMARIES: Final = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020",
    11: "smpte431", 12: "smpte432",
}  # fmt: skip
TRANSFERS: Final = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear",
    13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", PQ: "smpte2084", HLG: "arib-std-b67",
}  # fmt: skip
MATRICES: Final = {
    1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc",
}  # fmt: skip
_TO_709: Final = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)  # ITU-R BT.2087, from BT.2020


def assumed(height: int) -> int:
    """Return the numbers of the matrix, primaries and transfer that players assume without tags."""
    if height >= HD_HEIGHT:
        return 1
    return 5 if height == PAL_HEIGHT else 6


def tone_mapped(bgr: npt.NDArray[np.uint8], transfer: int) -> npt.NDArray[np.uint8]:
    """Convert an HDR picture in BT.2020 to standard dynamic range in BT.709."""
    light = _light(transfer)[bgr[:, :, ::-1]]
    if transfer == HLG:  # a display adds contrast: BT.2100, table 5, for 1000 cd/m2
        luma = light @ np.array([0.2627, 0.678, 0.0593], np.float32)
        light *= (np.maximum(luma, 1e-6) ** 0.2)[:, :, None] * np.float32(PEAK / WHITE)
    light = np.maximum(light @ _TO_709.T, 0)
    brightest = np.maximum(light.max(axis=2, keepdims=True), 1e-6)
    light *= _rolled_off(brightest) / brightest
    shown = light ** np.float32(1 / 2.4)  # a display's inverse: BT.1886
    return np.asarray(np.clip(shown[:, :, ::-1] * 255 + 0.5, 0, 255).astype(np.uint8))


@cache
def _light(transfer: int) -> npt.NDArray[np.float32]:
    """Return linear light by 8-bit value (BT.2100): PQ in units of white, HLG of the scene."""
    value = np.arange(256) / 255
    if transfer == PQ:
        m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
        power = value ** (1 / m2)
        light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) * 10_000 / WHITE
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
    return np.asarray(light, np.float32)


def _rolled_off(light: npt.NDArray[Any]) -> npt.NDArray[Any]:
    peak, j = PEAK / WHITE, KNEE
    a = -j * j * (peak - 1) / (j * j - 2 * j + peak)
    b = (j * j - 2 * j * peak + peak) / (peak - 1)
    scale = (b * b + 2 * b * j + j * j) / (b - a)
    return np.where(light <= j, light, scale * (light + a) / (light + b))


def one_field(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return one field of an interlaced picture (one instant) at the picture's full height."""
    return np.asarray(cv2.resize(plane[::2], plane.shape[1::-1], interpolation=cv2.INTER_LINEAR))
