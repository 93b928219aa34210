"""PNG pictures, written several times faster than by OpenCV or Pillow, and no larger.

Making pictures would otherwise take as long as decoding the clips. The file format is that of
https://www.w3.org/TR/png-3/; the compression is ISA-L's, through python-isal.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_UP: Final = 2  # filter type: each row as its difference from the row above (section 9.2)


def encode(rgb: npt.NDArray[Any]) -> bytes:
    """Encode a picture without loss.

    Args:
        rgb: 8-bit pixels, shape (height, width, 3).
    """
    height, width, _ = rgb.shape
    rows = rgb.reshape(height, width * 3)
    filtered = np.empty((height, width * 3 + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, RGB, not interlaced
    data = isal_zlib.compress(filtered, isal_zlib.ISAL_DEFAULT_COMPRESSION)
    chunks = _chunk(b"IHDR", header), _chunk(b"IDAT", data), _chunk(b"IEND", b"")
    return _SIGNATURE + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
