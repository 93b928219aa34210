"""Fingerprints of a release: written whole, read with suspicion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from caer_data.engine.artifacts import Store
from caer_data.engine.errors import CaerError
from caer_data.export import prints
from caer_data.media import fingerprints, windows

SOURCES = pd.DataFrame({"video_id": ["a", "b"], "first_pts": [100, 0], "time_base": "1/10"})


@pytest.fixture
def release(tmp_path):
    """Ten pictures each of two videos; the fourth of the first is flat."""
    artifacts = {}
    for number, name in enumerate("ab"):
        pictures = np.random.default_rng(number).integers(0, 255, (10, 18, 32)).astype(np.uint8)
        pictures[3] = 0 if name == "a" else pictures[3]
        pts = np.arange(10) * 2 + 100 * (name == "a")
        inside = np.tile(np.array([0, 9, 128, 63], np.uint8), (10, 1))
        known = fingerprints.Fingerprints(pts, pictures, inside, np.zeros(0, np.uint32))
        artifacts[name] = Store(tmp_path / "work").make("prints", name, "key", known.save)
    prints.write(tmp_path, artifacts)
    return tmp_path


def test_what_is_read_is_what_was_written(release):
    known = prints.read(release, SOURCES)
    assert sorted(known) == ["a", "b"]
    assert known["b"].times == pytest.approx(np.arange(10) * 0.2)
    assert known["a"].times == pytest.approx(np.delete(np.arange(10) * 0.2, 3))  # flat: left out
    assert known["a"].inside[0] == pytest.approx([0, 1 / 8, 1, 7 / 8])
    pictures = np.random.default_rng(1).integers(0, 255, (10, 18, 32)).astype(np.uint8)
    assert (known["b"].hashes == windows.hashes(pictures, 5)).all()
    assert sorted(prints.read(release, SOURCES[:1])) == ["a"]


def test_a_release_may_have_none(tmp_path):
    prints.write(tmp_path, {})
    assert prints.read(tmp_path, SOURCES) == {}


def changed(release, change):
    path = release / prints.NAME
    table = change(pq.read_table(path).to_pandas())
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: t.iloc[::-1], id="time goes back"),
        pytest.param(lambda t: t.assign(right=200), id="bars beyond the frame"),
        pytest.param(lambda t: t.assign(left=128), id="nothing between bars"),
        pytest.param(lambda t: t.assign(top=-1), id="bars before the frame"),
        pytest.param(lambda t: t.drop(columns="window_2"), id="a column is missing"),
        pytest.param(lambda t: t.assign(pts="soon"), id="another type"),
        pytest.param(lambda t: t.assign(window_0=0.5), id="halves of bits"),
        pytest.param(lambda t: t.assign(pts=None), id="empty cells"),
    ],
)
def test_tables_that_cannot_be_true_are_refused(release, change):
    changed(release, change)
    with pytest.raises(CaerError, match=r"fingerprints\.parquet"):
        prints.read(release, SOURCES)


def test_a_day_of_one_video_is_enough(release, monkeypatch):
    monkeypatch.setattr(prints, "_MAX_PICTURES", 9)
    with pytest.raises(CaerError, match="more than a day of b"):
        prints.read(release, SOURCES)


def test_garbage_is_one_sentence(release):
    (release / prints.NAME).write_bytes(b"PAR1 and nothing else")
    with pytest.raises(CaerError, match="not a readable parquet table"):
        prints.read(release, SOURCES)


def test_those_of_several_releases_are_written_under_other_names(release, tmp_path):
    names = {"a": "lab-a"}
    target = tmp_path / "both"
    target.mkdir()
    prints.write_joined(target, [(release, SOURCES, {"b": "b"}), (release, SOURCES, names)])
    sources = SOURCES.assign(video_id=["lab-a", "b"])
    known, was = prints.read(target, sources), prints.read(release, SOURCES)
    assert sorted(known) == ["b", "lab-a"]
    for new, old in (("b", "b"), ("lab-a", "a")):
        assert (known[new].hashes == was[old].hashes).all()
        assert known[new].times == pytest.approx(was[old].times)
    changed(release, lambda table: table.assign(left=128))
    with pytest.raises(CaerError, match="impossible values"):
        prints.write_joined(target, [(release, SOURCES, names)])
