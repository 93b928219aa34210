"""Subtitles in a release: beside the clips, in the shards, and only with footage."""

from __future__ import annotations

import json
import tarfile

import pandas as pd
import pytest
from export_fixtures import options

from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.export.release import export
from caer_data.export.verify import verify


def add_lines(dataset) -> pd.DataFrame:
    """A line over the border of two clips of an episode, and one before the first; the clips."""
    clips = dataset.clips[lambda c: c["clip_key"].notna()].sort_values("start_s")
    video_id = clips["video_id"].iloc[0]
    clips = clips[clips["video_id"] == video_id]
    line = {"video_id": video_id, "track": "S/e.srt", "start_pts": 0, "end_pts": 1, "forced": False}
    border = float(clips["end_s"].iloc[0])
    rows = [
        line | {"number": 0, "start_s": -2.0, "end_s": -1.0, "text": "before"},
        line | {"number": 1, "start_s": border - 0.25, "end_s": border + 9, "text": "Öh"},
    ]
    dataset.write(tables.LINES, tables.frame(tables.LINES, rows))
    return clips


def test_lines_go_with_their_clips(dataset, tmp_path) -> None:
    clips = add_lines(dataset)
    made = export(
        dataset, tmp_path / "r", options(layouts=("caer", "webdataset")), Reporter("quiet")
    )
    lines = pd.read_parquet(made.folder / "lines.parquet")
    assert set(lines["text"]) == {"Öh"}
    first = lines[lines["clip_id"] == clips["clip_id"].iloc[0]].iloc[0]
    length = clips["end_s"].iloc[0] - clips["start_s"].iloc[0]
    assert first["start_s"] == round(length - 0.25, 3)
    assert first["clip_key"] == clips["clip_key"].iloc[0]
    told = {}
    for shard in (made.folder / "webdataset").glob("*.tar"):
        with tarfile.open(shard) as archive:
            for entry in archive:
                if entry.name.endswith(".json"):
                    values = json.load(archive.extractfile(entry))
                    told[values["clip_id"]] = values["lines"]
    assert [line["text"] for line in told[first["clip_id"]]] == ["Öh"]
    assert "lines.parquet" in (made.folder / "README.md").read_text()


def test_no_footage_no_lines(dataset, tmp_path) -> None:
    add_lines(dataset)
    made = export(
        dataset, tmp_path / "r", options(layouts=("caer",), media=False), Reporter("quiet")
    )
    assert not (made.folder / "lines.parquet").exists()
    assert "lines.parquet" not in (made.folder / "README.md").read_text()


@pytest.mark.parametrize(("column", "value"), [("start_s", float("inf")), ("number", -1)])
def test_lines_that_cannot_be_are_refused(dataset, tmp_path, column, value) -> None:
    add_lines(dataset)
    made = export(dataset, tmp_path / "r", options(layouts=("caer",)), Reporter("quiet"))
    table = made.folder / "lines.parquet"
    lines = pd.read_parquet(table).head(1)
    lines.assign(clip_id="stranger").to_parquet(table)
    told = "lines.parquet: stranger is not a clip of the manifest"
    assert told in verify(made.folder, Reporter("quiet")).problems
    lines.assign(**{column: value}).to_parquet(table)
    with pytest.raises(CaerError, match=rf"lines.parquet: row 1: .*'{column}'"):
        verify(made.folder, Reporter("quiet"))
