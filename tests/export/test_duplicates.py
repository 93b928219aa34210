from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from caer_data.export import duplicates
from caer_data.export.duplicates import DISTANCE, pairs


@pytest.mark.parametrize("bands", [2, 3], ids=lambda n: f"{n}-bands")
@pytest.mark.parametrize("count", [0, 1, 2, 600], ids=lambda n: f"{n}-hashes")
def test_finds_what_comparing_all_with_all_finds(count, bands, monkeypatch):
    monkeypatch.setattr(duplicates, "_MANY", 10_000 if bands == 2 else 0)
    random = np.random.default_rng(1)
    hashes = random.integers(0, 2**64, count, dtype=np.uint64)
    for i in range(count // 2, count):  # near copies, 0 to 9 bits away
        bits = random.choice(64, random.integers(0, 10), replace=False)
        hashes[i] = hashes[i - count // 2] ^ np.uint64(sum(1 << int(b) for b in bits))
    sides = random.integers(0, 3, count)
    far = np.bitwise_count(hashes[:, None] ^ hashes[None]) > DISTANCE
    other = sides[:, None] != sides[None]
    partner = pairs(hashes, sides)
    assert ((partner >= 0) == (~far & other).any(axis=1)).all()
    for i in np.flatnonzero(partner >= 0):
        assert not far[i, partner[i]]
        assert other[i, partner[i]]


def test_many_equal_hashes_of_one_side_are_no_duplicates():
    assert (pairs(np.full(5000, 7, np.uint64), np.zeros(5000, np.int64)) == -1).all()


def test_few_of_very_many_unrelated_hashes_are_compared():
    random = np.random.default_rng(2)
    key = random.integers(0, 2**64, 40_000, dtype=np.uint64) & np.uint64(0xFFFF)
    compared = sum(len(one) for one, _ in duplicates._sharing(key))
    pairs_of_equal_keys = sum(n * (n - 1) // 2 for n in np.unique(key, return_counts=True)[1])
    assert compared == pairs_of_equal_keys < 20_000


def test_keys_too_long_to_stand_before_their_place_are_sorted_all_the_same():
    key = np.array([2**64 - 1, 5, 2**64 - 1, 5, 7], np.uint64)
    found = {
        (a, b) for one, other in duplicates._sharing(key) for a, b in zip(one, other, strict=True)
    }
    assert found == {(0, 2), (1, 3)}


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([], id="none"),
        pytest.param(["00000000000000ff ffffffffffffffff", "8000000000000001"], id="usual"),
        pytest.param(["ff 1", "00000000000000ff", "0f  a1 ", "", "abc"], id="of-any-length"),
    ],
)
def test_hashes_are_read_from_texts(texts):
    hashes, of_text = duplicates.listed(pd.Series(texts, dtype="str"))
    words = [(int(word, 16), at) for at, text in enumerate(texts) for word in text.split()]
    assert list(zip(hashes.tolist(), of_text.tolist(), strict=True)) == words
    assert hashes.dtype == np.uint64


@pytest.mark.parametrize("text", ["xyz", "000000000000000g", "00 000000000000000\u00e9"])
def test_what_is_no_hash_is_refused(text):
    with pytest.raises(ValueError):
        duplicates.listed(pd.Series([text]))
