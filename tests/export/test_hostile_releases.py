"""Tables of a release that are odd or meant to harm: one sentence each, and in bounded time."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.export import folder, manifest
from caer_data.export.verify import verify
from caer_data.media.fields import Fields

QUIET = Reporter("quiet")


@pytest.fixture
def release(everything, tmp_path):
    return shutil.copytree(everything.folder, tmp_path / "release")


def _change(release, table, column, value):
    rows = pd.read_parquet(release / table)
    rows[column] = [value, *rows[column].iloc[1:]]
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
        ("perceptual_hash", "zz"),
    ],
)
def test_a_manifest_that_cannot_be_true(release, column, value):
    _change(release, "manifest.parquet", column, value)
    with pytest.raises(CaerError, match=rf"manifest.parquet: .*'{column}'"):
        verify(release, QUIET)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_boxes_that_are_no_boxes(release, value):
    _change(release, "boxes.parquet", "x1", value)
    with pytest.raises(CaerError, match=r"boxes.parquet: .*'x1'"):
        manifest.read_boxes(release)


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
