"""Colours of a video: interpreting its values, and tone-mapping high dynamic range to a screen.

PQ and HLG pictures look grey where they are taken for ordinary ones, and faces in them are lost.
They are tone-mapped: 203 cd/m2, the white of graphics in HDR (ITU-R BT.2408), becomes white; up to
seven tenths of it nothing changes, above, highlights are rolled off (Mobius curve, as in FFmpeg's
`tonemap`).
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
"""cd/m2 that become white."""

PEAK: Final = 1000.0
"""cd/m2 of the brightest highlights that are distinguished."""

KNEE: Final = 0.7
HD_HEIGHT: Final = 720
PAL_HEIGHT: Final = 576
UNSPECIFIED: Final = 2

# names that FFmpeg's filters know, by number (ITU-T H.273, tables 2 to 4)
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
    """The matrix, primaries and transfer of untagged pictures, as players take them."""
    if height >= HD_HEIGHT:
        return 1
    return 5 if height == PAL_HEIGHT else 6


def tone_mapped(bgr: npt.NDArray[np.uint8], transfer: int) -> npt.NDArray[np.uint8]:
    """An HDR picture in BT.2020's colours as an ordinary one in BT.709's."""
    light = _light(transfer)[bgr[:, :, ::-1]]
    if transfer == HLG:  # a display adds contrast: BT.2100, table 5, for 1000 cd/m2
        luma = light @ np.array([0.2627, 0.678, 0.0593], np.float32)
        light *= (np.maximum(luma, 1e-6) ** 0.2)[:, :, None] * np.float32(PEAK / WHITE)
    light = np.maximum(light @ _TO_709.T, 0)
    brightest = np.maximum(light.max(axis=2, keepdims=True), 1e-6)
    light *= _rolled_off(brightest) / brightest
    shown = light ** np.float32(1 / 2.4)  # what a display undoes: BT.1886
    return np.asarray(np.clip(shown[:, :, ::-1] * 255 + 0.5, 0, 255).astype(np.uint8))


@cache
def _light(transfer: int) -> npt.NDArray[np.float32]:
    """Linear light by eight-bit value: of PQ in units of white, of HLG the scene's (BT.2100)."""
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
    """Every other line of an interlaced picture, at its full height: one instant, not two."""
    return np.asarray(cv2.resize(plane[::2], plane.shape[::-1], interpolation=cv2.INTER_LINEAR))
