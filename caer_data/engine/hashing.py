"""Hashes of texts and values, and the orders that are shuffled by them.

A shuffled order follows from a seed and the names alone: it is the same on every machine, in every
process and for any order of the input, and one name more moves no other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any


def digest(text: str, length: int = 64) -> str:
    """First `length` hexadecimal digits of a text's SHA-256; file names that are not UTF-8 too."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def hash_of(parts: Any, length: int) -> str:
    """First `length` hexadecimal digits of the SHA-256 of values, as JSON with sorted keys."""
    return digest(json.dumps(parts, sort_keys=True, ensure_ascii=True), length)


def shuffle_key(*parts: object, separator: str = "\0") -> str:
    """What names are sorted by to shuffle them: seed, purpose and name, in any order."""
    return digest(separator.join(map(str, parts)))


def shuffled(names: Iterable[str], *salt: object) -> list[str]:
    """Names in an order that the salt (a seed, a purpose) draws.

    >>> shuffled("abcd", 1, "first") == shuffled("dcba", 1, "first") != shuffled("abcd", 2, "first")
    True
    """
    return sorted(names, key=lambda name: shuffle_key(*salt, name))
