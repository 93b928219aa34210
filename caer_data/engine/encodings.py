"""Encodings of text files that other programs wrote."""

from __future__ import annotations

from typing import Final

_BOMS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
"""Byte order marks; UTF-32 comes first because its mark begins with that of UTF-16."""


def marked_encoding(data: bytes) -> str | None:
    """Return the encoding that a byte order mark at the start declares; None without a mark.

    >>> marked_encoding(b"\\xef\\xbb\\xbfclip_id,rater")
    'utf-8-sig'
    """
    return next((name for mark, name in _BOMS if data.startswith(mark)), None)
