"""Releases whose tables hold anything: one sentence each, and in bounded memory."""

from __future__ import annotations

import json
import shutil
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from export_fixtures import options
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caer_data.benchmark.data import sources as loader
from caer_data.engine import bounded
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.export import cards, diff, manifest, pairs, shows
from caer_data.export.release import audit_parts, export
from caer_data.export.verify import verify

QUIET = Reporter("quiet")
TABLES = ("manifest.parquet", "boxes.parquet", "sources.parquet", "repeats.parquet")

hostile_text = st.one_of(
    st.sampled_from(
        ["", "1/0", "0/1", "-25/1", "nan", "\0", "a\0b", "../x", "/etc/passwd", "CAER/../../x.mp4",
         "CAER/train/Happy/0001.mp4", "train", "99", "\ud7ff", "x" * 5000, "'; --", "=1+1", "\n",
         "CON", "caer", "happy", "f" * 16, "0" * 64]
    ),
    st.text(max_size=20).filter(lambda text: "\ud800" not in text),
)  # fmt: skip
hostile_number = st.one_of(
    st.sampled_from([0, -1, 99, 2**31, 2**40, 2**62, -(2**62), 1e308, float("nan"), float("inf")]),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
)
hostile_cell = st.one_of(st.none(), hostile_text, hostile_number, st.booleans())


@pytest.fixture(scope="module")
def release(labelled_folder, tmp_path_factory):
    """A release without media, with a table of repeats."""
    folder = tmp_path_factory.mktemp("fuzzed")
    shutil.copytree(labelled_folder, folder / "dataset")
    asked = options(layouts=("caer", "caer-s"), media=False)
    made = export(Dataset(folder / "dataset"), folder / "release", asked, QUIET).folder
    names = pd.read_parquet(made / "manifest.parquet")["clip_id"].unique()[:2]
    row = {"clip_id": names[0], "of_clip_id": names[1], "start_s": 0.0, "of_start_s": 0.0,
           "seconds": 1.0, "score": 0.9, "mirrored": False}  # fmt: skip
    pd.DataFrame([row]).to_parquet(made / "repeats.parquet")
    return made


def everything_that_reads(folder):
    """Call whatever reads a release that somebody gave us; each call may refuse in one sentence."""

    def audited():
        told, repeated = manifest.read(folder), manifest.read_repeated(folder)
        audit_parts(told, repeated)
        pairs.find(told, repeated)

    for call in (
        audited,
        lambda: verify(folder, QUIET),
        lambda: manifest.read_sources(folder),
        lambda: manifest.read_boxes(folder),
        lambda: loader.read(folder, "clips"),
        lambda: loader.read(folder, "images"),
    ):
        try:
            call()
        except CaerError as error:
            assert "\n" not in str(error), str(error)
            assert len(str(error)) < 1000


def _written(table, path):
    try:
        table.to_parquet(path)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError, ValueError):
        return False  # nobody can write such a table
    return True


@given(st.data())
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_cell_of_any_table(release, tmp_path_factory, data):
    name = data.draw(st.sampled_from(TABLES))
    rows = pd.read_parquet(release / name)
    column = data.draw(st.sampled_from(list(rows.columns)))
    cell = data.draw(hostile_cell)
    kind = data.draw(st.sampled_from(["one", "all", "gone", "twice"]))
    if kind == "gone":
        rows = rows.drop(columns=column)
    elif kind == "twice":
        rows = pd.concat([rows, rows.head(1)])
    else:
        count = 1 if kind == "one" else len(rows)
        rows[column] = pd.Series(
            [cell] * count + list(rows[column].iloc[count:]), rows.index, object
        )
    folder = tmp_path_factory.mktemp("f") / "release"
    shutil.copytree(release, folder)
    if _written(rows, folder / name):
        everything_that_reads(folder)


@given(st.binary(max_size=200), st.sampled_from([*TABLES, "release.json", "SHA256SUMS"]))
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_bytes_in_any_file(release, tmp_path_factory, content, name):
    folder = tmp_path_factory.mktemp("b") / "release"
    shutil.copytree(release, folder)
    (folder / name).write_bytes(content)
    everything_that_reads(folder)


@pytest.mark.parametrize("told", ["[]", "null", "{}", '{"format": []}', '{"facts": []}', "1e999"])
def test_any_json_says_what_the_release_is(release, tmp_path, told):
    shutil.copytree(release, tmp_path / "r")
    (tmp_path / "r" / "release.json").write_text(told)
    everything_that_reads(tmp_path / "r")


def places(value, path=()):
    """Every place in nested JSON, with the way to it."""
    yield path
    if isinstance(value, list):
        value = dict(enumerate(value))
    for key, item in value.items() if isinstance(value, dict) else ():
        yield from places(item, (*path, key))


hostile_json = st.one_of(
    hostile_cell, st.just({}), st.just([]), st.just([{}]), st.just({"clips": None}), st.just([[0]])
)


@given(st.data())
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_value_in_what_the_release_says(release, tmp_path_factory, data):
    """Cards are written from facts that are accepted."""
    values = json.loads((release / "release.json").read_text())
    way = data.draw(st.sampled_from(list(places(values["facts"]))[1:]))
    holder = values["facts"]
    for key in way[:-1]:
        holder = holder[key]
    if isinstance(holder, dict) and data.draw(st.booleans()):
        del holder[way[-1]]
    else:
        holder[way[-1]] = data.draw(hostile_json)
    folder = tmp_path_factory.mktemp("j") / "release"
    shutil.copytree(release, folder)
    (folder / "release.json").write_text(json.dumps(values))
    try:
        origin = shows.read(folder)
    except CaerError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 1000
    else:
        (folder / "audit.json").unlink()
        cards.write(folder, origin.facts, origin.manifest, {}, "mp4")
        assert (folder / "audit.json").is_file()
    diff.diff(release, folder)


def test_few_bytes_that_stand_for_many(tmp_path):
    long = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(200_000, np.int32)), pa.array(["x" * 1_000_000])
    )
    pq.write_table(pa.table({"clip_id": long}), tmp_path / "texts.parquet")
    assert (tmp_path / "texts.parquet").stat().st_size < 3_000_000
    started = time.monotonic()
    with pytest.raises(CaerError, match="text columns are larger"):
        bounded.read(tmp_path / "texts.parquet", ["clip_id"])
    assert time.monotonic() - started < 30


def test_a_table_with_too_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "MAX_ROWS", 10)
    pd.DataFrame({"clip_id": ["a"] * 11}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(CaerError, match="11 rows, but this command reads at most 10 of a table"):
        bounded.read(tmp_path / "t.parquet", ["clip_id"])


def test_without_media_the_tables_must_agree(release, tmp_path):
    """What nobody can compare with media is compared with what else the release says."""
    shutil.copytree(release, tmp_path / "r")
    assert verify(tmp_path / "r", QUIET).problems == ["repeats.parquet: not part of the release"]
    boxes = pd.read_parquet(release / "boxes.parquet")
    boxes.assign(clip_id=["stranger", *boxes["clip_id"].iloc[1:]]).to_parquet(
        tmp_path / "r" / "boxes.parquet"
    )
    sources = pd.read_parquet(release / "sources.parquet")
    sources.iloc[1:].to_parquet(tmp_path / "r" / "sources.parquet")
    problems = verify(tmp_path / "r", QUIET).problems
    gone = sources["video_id"].iloc[0]
    assert "boxes.parquet: stranger is not a clip of the manifest" in problems
    assert f"manifest.parquet: {gone} is not a video of sources.parquet" in problems


def test_a_list_of_hashes_cannot_name_files_elsewhere(release, tmp_path):
    shutil.copytree(release, tmp_path / "r")
    sums = (release / "SHA256SUMS").read_text()
    for path in ("../x", "/etc/passwd", "CAER/../../x"):
        (tmp_path / "r" / "SHA256SUMS").write_text(f"{'0' * 64}  {path}\n{sums}")
        with pytest.raises(CaerError, match="points outside"):
            verify(tmp_path / "r", QUIET)


def test_a_folder_that_is_a_link_is_named(release, tmp_path):
    shutil.copytree(release, tmp_path / "r")
    (tmp_path / "r" / "more").symlink_to(tmp_path)
    assert "more: not part of the release" in verify(tmp_path / "r", QUIET).problems


def test_tables_of_plain_pandas_are_accepted_by_all(release, tmp_path):
    shutil.copytree(release, tmp_path / "r")
    for name in TABLES:
        pd.read_parquet(release / name).to_parquet(tmp_path / "r" / name)
    before = manifest.read(release)
    pd.testing.assert_frame_equal(manifest.read(tmp_path / "r"), before)
    pd.testing.assert_frame_equal(manifest.read_boxes(tmp_path / "r"), manifest.read_boxes(release))
    pd.testing.assert_frame_equal(
        manifest.read_sources(tmp_path / "r"), manifest.read_sources(release)
    )
    categories = before.astype({"split": "category", "emotion": "category", "label": "int32"})
    categories.sample(frac=1, axis=1, random_state=0).to_parquet(tmp_path / "r/manifest.parquet")
    pd.testing.assert_frame_equal(manifest.read(tmp_path / "r"), before)
    assert json.loads((release / "release.json").read_text())["facts"]["about"]["media"] is False
