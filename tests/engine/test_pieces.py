from __future__ import annotations

import pytest

from caer_data.engine.pieces import Pieces, key_of, read_json, write_json
from caer_data.engine.recipe import Faces, Shots


def test_the_key_follows_stage_version_section_and_inputs():
    keys = {
        key_of("shots", 1, Shots(), "abc"),
        key_of("shots", 2, Shots(), "abc"),
        key_of("shots", 1, Shots(min_frames=6), "abc"),
        key_of("shots", 1, Shots(), "abd"),
        key_of("faces", 1, Faces(), "abc"),
    }
    assert len(keys) == 5
    assert key_of("shots", 1, Shots(), "abc") in keys


def test_a_piece_is_made_once_and_whole(tmp_path):
    pieces = Pieces(tmp_path)
    made = []

    def fill(folder):
        made.append(1)
        (folder / "a").write_text("x")

    for _ in range(2):
        assert (pieces.make("shots", "v", "k", fill) / "a").read_text() == "x"
    assert made == [1]


def test_a_piece_that_fails_leaves_nothing(tmp_path):
    pieces = Pieces(tmp_path)

    def fill(folder):
        (folder / "a").write_text("x")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        pieces.make("shots", "v", "k", fill)
    assert not pieces.path("shots", "v", "k").exists()
    assert list((tmp_path / "shots").iterdir()) == []


def test_json_round_trip(tmp_path):
    write_json(tmp_path / "x.json", {"b": 1, "a": [2.5, None]})
    assert read_json(tmp_path / "x.json") == {"a": [2.5, None], "b": 1}
