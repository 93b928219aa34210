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


def test_few_of_very_many_unrelated_hashes_are_compared(monkeypatch):
    """Only those that share bands of bits; all pairs would be 800 million."""
    random = np.random.default_rng(2)
    hashes = random.integers(0, 2**64, 40_000, dtype=np.uint64)
    compared = []
    count = np.bitwise_count
    monkeypatch.setattr(np, "bitwise_count", lambda of: compared.append(len(of)) or count(of))
    assert (pairs(hashes, random.integers(0, 3, 40_000)) == -1).all()
    expected = 28 * 40_000**2 / 2 / 2**16  # pairs of 28 choices of bands of 16 bits
    assert 0.5 * expected < sum(compared) < 2 * expected


@pytest.mark.parametrize("shared", [2, 3])
def test_each_close_pair_is_listed_once(shared, monkeypatch):
    monkeypatch.setattr(duplicates, "_MANY", 10_000 if shared == 2 else 0)
    monkeypatch.setattr(duplicates, "_BLOCK", 7)
    random = np.random.default_rng(3)
    base = random.integers(0, 2**64, 4, dtype=np.uint64)
    masks = [sum(1 << int(b) for b in random.choice(64, n, replace=False))
             for n in random.integers(0, 6, 60)]  # fmt: skip
    hashes = np.unique([base[i % 4] ^ np.uint64(mask) for i, mask in enumerate(masks)])
    listed = [
        frozenset((int(a), int(b)))
        for one, other in duplicates._close(hashes, DISTANCE)
        for a, b in zip(one, other, strict=True)
    ]
    close = np.bitwise_count(hashes[:, None] ^ hashes[None]) <= DISTANCE
    expected = {
        frozenset((int(hashes[i]), int(hashes[j])))
        for i, j in zip(*np.nonzero(np.triu(close, 1)), strict=True)
    }
    assert len(expected) > 50
    assert len(listed) == len(set(listed)) and set(listed) == expected


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([], id="none"),
        pytest.param(["00000000000000ff ffffffffffffffff", "8000000000000001"], id="usual"),
        pytest.param(["ff 1", "00000000000000ff", "0f  a1 ", "", "abc"], id="of-any-length"),
    ],
)
@pytest.mark.parametrize("part", [2, 100_000])
def test_hashes_are_read_from_texts(texts, part, monkeypatch):
    monkeypatch.setattr(duplicates, "_TEXTS", part)
    hashes, of_text = duplicates.listed(pd.Series(texts, dtype="str"))
    words = [(int(word, 16), at) for at, text in enumerate(texts) for word in text.split()]
    assert list(zip(hashes.tolist(), of_text.tolist(), strict=True)) == words
    assert hashes.dtype == np.uint64


@pytest.mark.parametrize("text", ["xyz", "000000000000000g", "00 000000000000000\u00e9"])
def test_what_is_no_hash_is_refused(text):
    with pytest.raises(ValueError):
        duplicates.listed(pd.Series([text]))


def test_what_another_thread_takes_the_place_of_is_found_nevertheless(monkeypatch):
    class Crowded(dict):
        """Remembered results, to which other threads add theirs at any moment."""

        def __setitem__(self, key, value) -> None:
            super().__setitem__(key, value)
            self.clear()

    monkeypatch.setattr(duplicates, "_known", Crowded())
    assert pairs(np.array([8, 9], np.uint64), np.array([0, 1])).tolist() == [1, 0]
