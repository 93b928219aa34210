"""Hashes and shuffled orders never change between versions: releases and assignments need it."""

from __future__ import annotations

import doctest
import hashlib

import pytest

from caer_data.engine import hashing


@pytest.mark.parametrize(
    ("parts", "separator", "text"),
    [((7, "first", "k"), "\0", "7\0first\0k"), ((7, "a"), ":", "7:a"), (("a", 7, 3), "/", "a/7/3")],
    ids=["deal", "split and shard", "frames of 2019"],
)
def test_orders_stay_as_they_were(parts, separator, text):
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert hashing.shuffle_key(*parts, separator=separator) == expected


def test_a_name_that_is_not_utf8_has_a_hash():
    assert len(hashing.digest("caf\udce9", 8)) == 8


def test_values_have_the_hash_of_their_json():
    assert hashing.hash_of({"b": 1, "a": [None, 2.5]}, 64) == hashing.digest(
        '{"a": [null, 2.5], "b": 1}'
    )


def test_the_examples_hold():
    result = doctest.testmod(hashing)
    assert result.attempted and not result.failed
