"""A dataset of format 1, which knew clips by name alone, becomes one of today."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from caer_data.curate.run import build
from caer_data.engine import anchors, ownership, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.export import labelled, splits
from caer_data.export.upgrade import upgrade, votes_of

NEW = {
    "clip_key", "video_key", "presentation", *(c.name for c in tables.BOX),
    "season", "episode_number", "retimed", "damaged_share", "mirrored", "crop", "scan_type",
    "field_order", "shape_changes", "color_primaries", "color_transfer", "color_matrix",
    "color_range", "audio_language", "variable_rate",
}  # fmt: skip
"""Columns that no table of format 1 had, but for `videos.variable_rate`."""


def write_old(dataset: Dataset, table: tables.Table, rows: list[dict[str, Any]]) -> None:
    """Write a table as format 1 had it."""
    kept = {"variable_rate"} if table is tables.VIDEOS else set()
    names = [name for name in table.names if name not in NEW - kept]
    if table is not tables.CLIPS:
        names = [n for n in names if n not in ("start_pts", "end_pts", "frames")]
    old = pa.Table.from_pylist([{n: row.get(n) for n in names} for row in rows])
    pq.write_table(old.replace_schema_metadata({"table": table.name}), dataset.path_of(table))


@pytest.fixture
def old(dataset: Dataset) -> Dataset:
    """The labelled dataset, as the version before wrote it."""
    labels = pq.read_table(dataset.path_of(tables.LABELS)).to_pylist()
    for row in labels:
        row["votes"] = " ".join(f"{v['rater']}={v['emotion']}:{v['confidence']}"
                                for v in row["votes"])  # fmt: skip
    clips = pq.read_table(dataset.path_of(tables.CLIPS)).to_pylist()
    ids = [row["clip_id"] for row in clips]
    rating = {"emotion": "sad", "confidence": 0.5, "status": "accepted", "too_fast": False,
              "edited": False, "source": "label-studio"}  # fmt: skip
    raters = ("ann@example.org", "bob@example.org", "cyd@example.org")
    ratings = [
        {"clip_id": c, "rater": r, "source_id": f"{c}{r}", **rating}
        for c in (*ids, "gone") for r in raters
    ]  # fmt: skip
    dealt = [{"clip_id": c, "rater": r, "position": 0, "block": 0} for c in ids for r in raters]
    videos = pq.read_table(dataset.path_of(tables.VIDEOS)).to_pylist()
    write_old(dataset, tables.VIDEOS, videos)
    write_old(dataset, tables.CLIPS, clips)
    write_old(dataset, tables.LABELS, labels)
    write_old(dataset, tables.RATINGS, ratings)
    write_old(dataset, tables.ASSIGNMENTS, dealt)
    split = [{"scheme": "s", "clip_id": c, "split": "train"} for c in ids]
    pq.write_table(pa.Table.from_pylist(split), dataset.path_of(splits.ASSIGNED))
    dataset.path_of(tables.KEYS).unlink()
    (dataset.folder / ownership.NAME).write_text('{"format": "caer-data dataset", "version": 1}')
    return dataset


def test_what_was_said_keeps_its_clip(old: Dataset, labelled_folder) -> None:
    with pytest.raises(CaerError, match="caer-data upgrade"):
        _ = Dataset(old.folder).videos
    assert upgrade(old)
    fresh = Dataset(labelled_folder)
    assert Dataset(old.folder).videos["retimed"].isna().all()
    keys = fresh.clips.set_index("clip_id")["clip_key"]
    assert old.clips.set_index("clip_id")["clip_key"].equals(keys)
    ratings = old.ratings
    known = ratings[ratings["clip_id"] != "gone"]
    assert (known["clip_id"].map(keys) == known["clip_key"]).all()
    assert set(known["status"]) == {"accepted"}
    gone = ratings[ratings["clip_id"] == "gone"]
    assert len(gone) == 3 and set(gone["reason"]) == {"unknown_clip"}
    assert None not in anchors.of_rows(known)
    assert set(old.read(splits.ASSIGNED)["clip_key"]) == set(keys)
    assert old.assignments["presentation"].str.len().eq(20).all()
    assert len(labelled.read(old)) == len(keys)
    assert set(old.labels["emotion"]) == {"sad"}
    assert json.loads((old.folder / ownership.NAME).read_text())["version"] == ownership.VERSION


def test_twice_changes_nothing_and_a_kill_in_between_is_harmless(
    old: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, done = Dataset.write, []

    def killed(self: Dataset, table: tables.Table, data: Any) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(table)
        write(self, table, data)

    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            upgrade(old)
    assert upgrade(old)
    assert len(labelled.read(old)) == 21
    before = {p: p.read_bytes() for p in old.folder.rglob("*.parquet")}
    assert not upgrade(old)
    assert all(path.read_bytes() == content for path, content in before.items())


def test_others_name_the_command(old: Dataset, tmp_path) -> None:
    with pytest.raises(CaerError, match="caer-data upgrade"):
        old.clips  # noqa: B018
    with pytest.raises(CaerError, match="caer-data upgrade"):
        build(tmp_path, old.folder, "quick")


def test_votes_of_any_rater() -> None:
    assert votes_of("Ann Smith=happy:0.75 o@x=fear:1") == [
        {"rater": "Ann Smith", "emotion": "happy", "confidence": 0.75},
        {"rater": "o@x", "emotion": "fear", "confidence": 1.0},
    ]
    assert votes_of("") == []
