"""Hashes of texts and values, and shuffled orders that are derived from them.

A shuffled order depends only on a seed and the names. It is the same on every machine, in every
process and for any order of the input, and adding a name does not change the order of the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any


def digest(text: str, length: int = 64) -> str:
    """Return the first `length` hexadecimal digits of a text's SHA-256.

    The text may be a file name that is not valid UTF-8.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def hash_of(parts: Any, length: int) -> str:
    """Return the first `length` hexadecimal digits of the SHA-256 of values as sorted JSON."""
    return digest(json.dumps(parts, sort_keys=True, ensure_ascii=True), length)


def shuffle_key(*parts: object, separator: str = "\0") -> str:
    """Return a sort key that shuffles names; the parts are a seed, a purpose and the name."""
    return digest(separator.join(map(str, parts)))


def shuffled(names: Iterable[str], *salt: object) -> list[str]:
    """Return names in an order that depends only on the salt (such as a seed and a purpose).

    >>> shuffled("abcd", 1, "first") == shuffled("dcba", 1, "first") != shuffled("abcd", 2, "first")
    True
    """
    return sorted(names, key=lambda name: shuffle_key(*salt, name))
