"""Manifests in memory: words that many files share are categorical, which changes nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.progress import Reporter
from caer_data.export import (
    audit,
    checked,
    columns,
    file_rows,
    layouts,
    manifest,
    pairs,
    release,
)
from caer_data.export.cards import composition
from caer_data.export.results import Results


@pytest.fixture
def released(dataset: Dataset, tmp_path: Path) -> release.Release:
    from export_fixtures import options

    wanted = options(layouts=("caer", "caer-s", "webdataset", "huggingface", "caer-s-2019"))
    return release.export(dataset, tmp_path / "r", wanted, Reporter("quiet"))


def test_a_manifest_is_the_same_in_memory_and_in_its_file(released: release.Release) -> None:
    inside, read = released.manifest, manifest.read(released.folder)
    assert isinstance(inside["votes"].dtype, pd.CategoricalDtype)
    assert inside.columns.tolist() == read.columns.tolist()
    for name in inside:
        pd.testing.assert_series_equal(
            inside[name].astype(object), read[name].astype(object), check_index=False
        )
        if isinstance(inside[name].dtype, pd.CategoricalDtype):
            assert inside[name].cat.categories.is_monotonic_increasing
        else:
            assert inside[name].dtype == read[name].dtype


def test_audits_find_the_same_in_categories(released: release.Release) -> None:
    read = manifest.read(released.folder)
    repeated = pd.DataFrame({"clip_id": read["clip_id"].unique()[:2]})
    repeated["of_clip_id"] = repeated["clip_id"].to_numpy()[::-1]
    for (part, inside), (other, plain) in zip(
        release.parts_of(released.manifest), release.parts_of(read), strict=True
    ):
        assert part == other
        assert audit.audit(inside, repeated) == audit.audit(plain, repeated)
        assert audit.audit(inside.assign(identity="x"), None) == audit.audit(
            plain.assign(identity="x"), None
        )
        pd.testing.assert_frame_equal(pairs.find(inside), pairs.find(plain))
        sizes = [audit.box_sizes(files).fillna(-1).to_dict() for files in (inside, plain)]
        assert sizes[0] == sizes[1]
    assert composition.of_manifest(released.manifest) == composition.of_manifest(read)


def test_metadata_for_the_hub_do_not_mention_categories(released: release.Release) -> None:
    for path in released.folder.glob("huggingface/*/metadata.parquet"):
        types = json.loads(pq.read_schema(path).metadata[b"pandas"])["columns"]
        assert {column["pandas_type"] for column in types} <= {
            "unicode",
            "int64",
            "float64",
            "bool",
        }
        assert set(pd.read_parquet(path).dtypes.astype(str)) <= {
            str(tables.TEXT), "int64", "Int64", "float64", "bool", "boolean"
        }  # fmt: skip
    assert types


def test_every_planned_file_needs_its_clip(dataset: Dataset) -> None:
    clips = dataset.clips.head(2)
    planned = pd.DataFrame(
        {"clip_id": ["nobody"], "split": "train", "layout": "caer", "path": "CAER/a.mp4"}
    )
    with pytest.raises(ValueError, match="none of the clips"):
        file_rows.rows(planned, clips)


def test_the_key_of_a_release_does_not_depend_on_categories(
    released: release.Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor on the number of rows that are hashed at a time."""
    plan = released.plan
    whole = plan.files.frame()
    plain = whole.astype(
        {n: tables.TEXT for n in whole if isinstance(whole[n].dtype, pd.CategoricalDtype)}
    )
    digests = []
    for files, part in ((whole, 1 << 20), (whole, 7), (plain, 1 << 20)):
        monkeypatch.setattr(release, "_HASHED", part)
        digests.append(release.digest_of([files, plan.boxes]))
    assert len(set(digests)) == 1
    assert release.digest_of([plain.assign(show="another"), plan.boxes]) not in digests


def test_a_long_manifest_is_written_in_row_groups(
    released: release.Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = released.manifest
    monkeypatch.setattr(tables, "_ROW_GROUP", 10)
    tables.write(manifest.MANIFEST, whole, tmp_path / "long")
    again = tables.read(manifest.MANIFEST, tmp_path / "long")
    pd.testing.assert_frame_equal(
        again, tables.read(manifest.MANIFEST, released.folder / "manifest.parquet")
    )


def test_a_manifest_is_filled_part_by_part(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from export_fixtures import options

    asked: list[int] = []
    fill = release.fill_manifest

    def noted(planned: pd.DataFrame, results: Results) -> pd.DataFrame:
        asked.append(len(planned))
        return fill(planned, results)

    monkeypatch.setattr(release, "fill_manifest", noted)
    wanted = options(layouts=("caer", "caer-s"))
    whole = release.export(dataset, tmp_path / "whole", wanted, Reporter("quiet")).manifest
    assert asked == [len(whole)]
    for group, size in ((len(whole) - 1, 100_000), (100_000, 10)):
        asked.clear()
        monkeypatch.setattr(tables, "_ROW_GROUP", group)
        monkeypatch.setattr(release, "_FILLED", size)
        made = release.export(dataset, tmp_path / f"by-{size}", wanted, Reporter("quiet"))
        assert sum(asked) == len(whole) and max(asked) == min(group, size)
        assert len(asked) == -(-len(whole) // min(group, size))
        pd.testing.assert_frame_equal(made.manifest, whole)
    parts, held = ((tmp_path / n / "manifest.parquet").read_bytes() for n in ("by-10", "whole"))
    assert parts == held


def test_the_same_release_again_is_audited_as_before(
    released: release.Release, dataset: Dataset
) -> None:
    from export_fixtures import options

    wanted = options(layouts=("caer", "caer-s", "webdataset", "huggingface", "caer-s-2019"))
    again = release.export(dataset, released.folder, wanted, Reporter("quiet"))
    assert (released.new, again.new) == (True, False)
    assert again.verdicts == released.verdicts
    pd.testing.assert_frame_equal(again.manifest, released.manifest)


def test_some_rows_and_columns_are_read_from_a_manifest(
    released: release.Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked, "PART", 5)
    files, whole = released.plan.files, released.manifest
    assert len(files) == len(whole)
    names = ["member", "clip_id", "frame", "made_up", "sha256"]
    for rows in (slice(None), slice(3, 9), slice(0, 0), slice(2, 3), np.array([4, 1, 1]),
                 np.array([], np.int64)):  # fmt: skip
        expected = whole[names].iloc[rows].reset_index(drop=True)
        pd.testing.assert_frame_equal(files.frame(names, rows), expected)
    assert list(files.frame(["label"])) == ["label"]
    assert {name: rows.tolist() for name, rows in files.by_layout().items()} == {
        name: np.flatnonzero(whole["layout"] == name).tolist()
        for name in ("caer", "caer-s", "webdataset", "huggingface", "caer-s-2019")
    }


@pytest.mark.parametrize("part", [1, 2, 5, 100], ids=lambda n: f"parts-of-{n}")
def test_equal_rows_are_left_out_clip_by_clip(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_PART", part)
    random = np.random.default_rng(0)
    for count in (0, 1, 2, 60):
        rows = pd.DataFrame(
            {
                "clip_id": random.choice(["b", "a", "c", "d"], count).astype(object),
                "perceptual_hash": random.choice(["0f", "f0", None], count),
                "path": range(count),
            },
            index=range(count, 0, -1),
        )
        names = ["clip_id", "perceptual_hash"]
        for given in (rows, rows.astype({"clip_id": "category"})):
            expected = given.drop_duplicates(names)
            pd.testing.assert_frame_equal(columns.distinct(given, names), expected)


@pytest.mark.parametrize("kind", ["str", "category"])
def test_paths_count_in_each_split_and_class(kind: str) -> None:
    rows = pd.DataFrame(
        {
            "split": ["train", "validation", "train", "train", "validation"],
            "emotion": ["sad", "anger", "anger", "sad", "anger"],
        },
        index=[7, 3, 5, 1, 0],
    ).astype(kind)
    plain = layouts.numbered_paths(rows, "CAER-S", "png", "caer")
    assert plain.to_dict() == {
        7: "CAER-S/train/Sad/0001.png",
        3: "CAER-S/validation/Anger/0001.png",
        5: "CAER-S/train/Anger/0001.png",
        1: "CAER-S/train/Sad/0002.png",
        0: "CAER-S/validation/Anger/0002.png",
    }
    peers = layouts.numbered_paths(rows, "CAER", "avi", "peers")
    assert peers[0] == "CAER/val/Angry/0002.avi"
    many = pd.DataFrame({"split": ["test"] * 10_001, "emotion": "fear"})
    paths = layouts.numbered_paths(many, "CAER", "mp4", "caer")
    assert paths.iloc[[998, 9999, 10_000]].tolist() == [
        f"CAER/test/Fear/{number}.mp4" for number in ("0999", "10000", "10001")
    ]
