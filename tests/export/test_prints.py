"""Fingerprints of a release: written whole, read with suspicion."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from caer_data.engine import parquet
from caer_data.engine.artifacts import Store
from caer_data.engine.errors import CaerError
from caer_data.export import prints
from caer_data.media import fingerprints, windows
from caer_data.media.shared_frame import RELEASED

SOURCES = pd.DataFrame({"video_id": ["a", "b"], "first_pts": [100, 0], "time_base": "1/10"})
SOUND = np.array([5, 0, 2**32 - 1, 7], np.uint32)


@pytest.fixture
def release(tmp_path):
    """Ten pictures each of two videos; the fourth of the first is flat. The second has sound."""
    artifacts = {}
    for number, name in enumerate("ab"):
        pictures = np.random.default_rng(number).integers(0, 255, (10, 18, 32)).astype(np.uint8)
        pictures[3] = 0 if name == "a" else pictures[3]
        pts = np.arange(10) * 2 + 100 * (name == "a")
        inside = np.tile(np.array([0, 9, 128, 63], np.uint8), (10, 1))
        known = fingerprints.Fingerprints(
            pts, pictures, inside, SOUND if name == "b" else SOUND[:0]
        )
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
    assert (known["b"].hashes == windows.hashes(pictures, RELEASED)).all()
    assert (known["b"].sound == SOUND).all()
    assert len(known["a"].sound) == 0
    assert sorted(prints.read(release, SOURCES[:1])) == ["a"]


def test_a_release_may_have_none(tmp_path):
    prints.write(tmp_path, {})
    assert prints.read(tmp_path, SOURCES) == {}


def changed(release, change, name=prints.NAME):
    path = release / name
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
        pytest.param(lambda t: t.assign(pts=t.pts + 2**40), id="far away"),
        pytest.param(lambda t: t.drop(columns="video_id"), id="no names"),
    ],
)
@pytest.mark.parametrize("reader", [prints.read, prints.check], ids=["read", "check"])
def test_tables_that_cannot_be_true_are_refused(release, change, reader):
    changed(release, change)
    with pytest.raises(CaerError, match=r"fingerprints\.parquet"):
        reader(release, SOURCES)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: t.iloc[::-1], id="time goes back"),
        pytest.param(lambda t: t.assign(number=t.number + 2**40), id="far away"),
        pytest.param(lambda t: t.assign(bits=-1), id="below 0"),
        pytest.param(lambda t: t.assign(bits=2**32), id="more than 32 bits"),
        pytest.param(lambda t: t.assign(bits=None), id="empty cells"),
        pytest.param(lambda t: t.drop(columns="number"), id="a column is missing"),
        pytest.param(lambda t: t.drop(columns="video_id"), id="no names"),
    ],
)
@pytest.mark.parametrize("reader", [prints.read, prints.check], ids=["read", "check"])
def test_sound_that_cannot_be_true_is_refused(release, change, reader):
    changed(release, change, prints.SOUND_NAME)
    with pytest.raises(CaerError, match=r"sound_fingerprints\.parquet"):
        reader(release, SOURCES)


def test_those_of_other_videos_are_named(release):
    assert prints.check(release, SOURCES) == set()
    assert prints.check(release, SOURCES[:1]) == {"b"}


def test_a_long_video_is_checked_part_by_part(release, monkeypatch):
    """Its times rise and its sound goes on from one part to the next."""
    parts_of = parquet.parts_of
    monkeypatch.setattr(parquet, "parts_of", lambda file, rows, names: parts_of(file, 3, names))
    assert prints.check(release, SOURCES) == set()
    changed(release, lambda t: t.assign(pts=t.pts.where(t.index != 12, 0)))
    with pytest.raises(CaerError, match="impossible values for b"):
        prints.check(release, SOURCES)


def earlier(release):
    """Make it a release of the time before sound."""
    changed(release, lambda table: table.drop(columns="window_5"))
    (release / prints.SOUND_NAME).unlink()


def test_an_earlier_release_has_fewer_windows_and_no_sound(release):
    earlier(release)
    known = prints.read(release, SOURCES)["b"]
    pictures = np.random.default_rng(1).integers(0, 255, (10, 18, 32)).astype(np.uint8)
    assert (known.hashes == windows.hashes(pictures, RELEASED[:5])).all()
    assert len(known.sound) == 0


def test_an_earlier_release_is_joined_with_a_later_one(release, tmp_path):
    old, target = tmp_path / "old", tmp_path / "both"
    old.mkdir()
    target.mkdir()
    for name in (prints.NAME, prints.SOUND_NAME):
        (old / name).write_bytes((release / name).read_bytes())
    earlier(old)
    prints.write_joined(target, [(old, SOURCES, {"b": "old"}), (release, SOURCES, {"b": "new"})])
    sources = SOURCES.assign(video_id=["old", "new"], first_pts=0)
    known, was = prints.read(target, sources), prints.read(release, SOURCES)["b"]
    assert (known["old"].hashes == was.hashes[:, :5]).all()
    assert known["old"].hashes.dtype == np.uint64
    assert len(known["old"].sound) == 0
    assert (known["new"].sound == SOUND).all()
    assert (known["new"].hashes[:, :5] == was.hashes[:, :5]).all()


def test_a_day_of_one_video_is_enough(release, monkeypatch):
    monkeypatch.setattr(prints, "_MAX_SECONDS", 9 / fingerprints.RATE)
    with pytest.raises(CaerError, match="more than a day of b"):
        prints.read(release, SOURCES)


def test_few_bytes_that_stand_for_long_names(release, tmp_path):
    table = pq.read_table(release / prints.NAME)
    indices = pa.array(np.zeros(400_000, np.int32))
    many = table.take(pa.array(np.zeros(len(indices), np.int64)))
    names = pa.DictionaryArray.from_arrays(indices, pa.array(["x" * 1_000_000]))
    pq.write_table(many.set_column(0, "video_id", names), release / prints.NAME)
    assert (release / prints.NAME).stat().st_size < 3_000_000
    tracemalloc.start()
    started = time.process_time()
    assert prints.read(release, SOURCES) == {}
    assert time.process_time() - started < 20
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()


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
