"""Tables of a release that are odd or meant to harm: one sentence each, and in bounded time."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from export_fixtures import options

from caer_data.auditing.run import audit_folder
from caer_data.benchmark.data import sources as loader
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.export import carry, folder, manifest, shows
from caer_data.export.diff import diff
from caer_data.export.join import join
from caer_data.export.release import export
from caer_data.export.verify import verify
from caer_data.media.fields import Fields

QUIET = Reporter("quiet")


@pytest.fixture
def release(everything, tmp_path):
    return shutil.copytree(everything.folder, tmp_path / "release")


def _change(release, table, column, value):
    rows = pd.read_parquet(release / table)
    cells = rows[column] if column in rows else pd.Series([None] * len(rows))
    rows[column] = [value, *cells.iloc[1:]]
    rows.to_parquet(release / table)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("fps", "1/0"),
        ("fps", "nan"),
        ("label", 99),
        ("emotion", "joy"),
        ("path", "CAER/a\0b.mp4"),
        ("path", "CAER/../../x.mp4"),
        ("path", "/etc/passwd"),
        ("member", "../x.mp4"),
        ("frames", 2**40),
        ("frames", -1),
        ("width", -5),
        ("height", 2**40),
        ("bytes", -1),
        ("bytes", 2**62),
        ("perceptual_hash", "zz"),
        ("sha256", "zz"),
        ("framehash", "A" * 64),
        ("start_frame", -1),
        ("end_frame", 2**40),
        ("end_frame", 999_999),
        ("start_pts", -1),
        ("start_pts", 2**62),
        ("end_pts", 2**40),
        ("start_s", 999.0),
        ("end_s", float("inf")),
        ("box_x1", float("inf")),
        ("box_y2", 1e308),
        ("face_height", -1.0),
        ("p_happy", 1e9),
        ("confidence", 3.0),
        ("speech", -0.5),
        ("cut_score", 2.0),
        ("raters", -3),
        ("agreement", 2**40),
        ("x1", 3),
        ("votes", "rater-1"),
        ("votes", "rater-1=happy:7"),
        ("person_id", "\0"),
    ],
)
def test_a_manifest_that_cannot_be_true(release, column, value):
    _change(release, "manifest.parquet", column, value)
    with pytest.raises(CaerError, match=rf"manifest.parquet: .*'{column}'"):
        verify(release, QUIET)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("x1", float("nan")),
        ("x1", float("inf")),
        ("x1", -1.0),
        ("y2", 5000.0),
        ("y2", 1e30),
        ("frame", 2**40),
        ("frame", 9_999_999),
        ("frame", -1),
    ],
)
def test_boxes_that_are_no_boxes(release, column, value):
    _change(release, "boxes.parquet", column, value)
    with pytest.raises(CaerError, match=rf"boxes.parquet: .*'{column}'"):
        manifest.read_boxes(release)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("bytes", 2**60),
        ("first_pts", 2**62),
        ("first_pts", -(2**62)),
        ("retimed", -1),
        ("duration_s", float("inf")),
        ("duration_s", -1.0),
        ("duration_s", 1e300),
        ("width", 0),
        ("rip_of", "no hash"),
    ],
)
def test_sources_that_cannot_be(release, column, value):
    _change(release, "sources.parquet", column, value)
    with pytest.raises(CaerError, match=rf"sources.parquet: .*'{column}'"):
        verify(release, QUIET)


@pytest.mark.parametrize(
    ("column", "value"), [("seconds", 1e300), ("score", 2.0), ("start_s", -1.0), ("clip_id", "\0")]
)
def test_pairs_that_cannot_be(release, column, value):
    names = pd.read_parquet(release / "manifest.parquet")["clip_id"].unique()[:2]
    row = {"clip_id": names[0], "of_clip_id": names[1], "start_s": 0.0, "of_start_s": 0.0,
           "seconds": 1.0, "score": 0.9, "mirrored": False}  # fmt: skip
    pd.DataFrame([{**row, column: value}]).to_parquet(release / "repeats.parquet")
    with pytest.raises(CaerError, match=rf"repeats.parquet: .*'{column}'"):
        verify(release, QUIET)


VERBS = {
    "verify": lambda folder, other: verify(folder, QUIET),
    "diff": diff,
    "diff, as the second": lambda folder, other: diff(other, folder),
    "audit": lambda folder, other: audit_folder(folder, 1, QUIET),
    "join": lambda folder, other: join([other, folder], folder.parent / "j", None, None, False,
                                       QUIET),
    "rebuild": lambda folder, other: shows.read(folder),
    "continued rebuild": lambda folder, other: carry.tables_of(folder),
    "benchmark": lambda folder, other: loader.read(folder, "clips"),
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("manifest.parquet", "end_frame", 2**40),
        ("sources.parquet", "fps", "1/0"),
        ("boxes.parquet", "frame", 2**40),
    ],
    ids=["manifest", "sources", "boxes"],
)
def test_every_verb_checks_every_table(release, everything, verb, table, column, value):
    _change(release, table, column, value)
    with pytest.raises(CaerError, match=rf"{table}: .*'{column}'"):
        VERBS[verb](release, everything.folder)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("clips", "end_frame", 2**40),
        ("clips", "end_pts", 2**40),
        ("clips", "start_s", 1e9),
        ("videos", "duration_s", 1e300),
        ("videos", "first_pts", None),
        ("videos", "width", None),
        ("labels", "confidence", 7.0),
        ("labels", "p_happy", 7.0),
    ],
)
def test_a_dataset_that_was_changed_is_not_exported(dataset, tmp_path, table, column, value):
    path = dataset.folder / "tables" / f"{table}.parquet"
    rows = pd.read_parquet(path)
    rows[column] = [value, *rows[column].iloc[1:]]
    rows.to_parquet(path)
    with pytest.raises(
        CaerError, match=rf"the table of {table} was changed: the column '{column}'"
    ):
        export(dataset, tmp_path / "r", options(), QUIET)


@pytest.mark.parametrize("value", ["1/0", "0", "-25", "9" * 40])
def test_sources_without_a_rate(release, value):
    _change(release, "sources.parquet", "fps", value)
    with pytest.raises(CaerError, match=r"sources.parquet: .*'fps'"):
        manifest.read_sources(release)


@pytest.mark.parametrize("value", ["foo", "", "FLAGGED"])
def test_sources_whose_fields_are_shown_in_an_unknown_way(release, value):
    _change(release, "sources.parquet", "fields", value)
    with pytest.raises(CaerError, match=r"sources.parquet: row 1: .*'fields' cannot be "):
        manifest.read_sources(release)


@pytest.mark.parametrize("value", [None, *Fields])
def test_sources_whose_fields_are_shown_in_a_known_way(release, value):
    _change(release, "sources.parquet", "fields", value)
    assert manifest.read_sources(release)["fields"].iloc[0] in (value, np.nan)


def test_tables_written_back_by_plain_pandas_are_the_same(release):
    before = manifest.read(release)
    pd.read_parquet(release / "manifest.parquet").to_parquet(release / "manifest.parquet")
    pd.testing.assert_frame_equal(manifest.read(release), before)


def test_deep_json(tmp_path):
    (tmp_path / folder.ABOUT).write_text("[" * 200_000)
    with pytest.raises(CaerError, match="cannot be read"):
        folder.about(tmp_path)


def test_links_are_not_files_of_a_release(release):
    clip = release / "CAER/train/Happy/0001.mp4"
    clip.rename(release.parent / "elsewhere.mp4")
    clip.symlink_to(release.parent / "elsewhere.mp4")
    (release / "more").symlink_to(release.parent)
    assert verify(release, QUIET).problems == [
        "CAER/train/Happy/0001.mp4: is a link, not a file",
        "more: not part of the release",
    ]
