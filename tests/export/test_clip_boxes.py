"""Boxes of one clip after the other are the same from a table and from its file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from caer_data.export import clip_boxes
from caer_data.export.manifest import BOXES
from caer_data.export.release import write_boxes


def boxes_of(counts: dict[str, int]) -> pd.DataFrame:
    clip = np.repeat(list(counts), list(counts.values()))
    frame = np.concatenate([np.arange(n) for n in counts.values()])
    number = np.arange(len(clip), dtype=np.float32)
    return pd.DataFrame(
        {"clip_id": clip, "frame": frame, "x1": number, "y1": number + 0.25,
         "x2": number + 2, "y2": number + 3, "interpolated": frame % 2 == 0}
    )  # fmt: skip


@pytest.mark.parametrize("at_once", [1, 3, 7, 1000])
def test_a_clip_has_the_same_boxes_from_both(tmp_path, monkeypatch, at_once) -> None:
    counts = {f"c{n:02d}": n % 5 + 1 for n in range(30) if n not in (0, 11, 29)}
    monkeypatch.setattr(clip_boxes, "_PART", at_once)
    rows = boxes_of(counts)
    write_boxes(tmp_path, rows)
    table, file = (
        clip_boxes.FromTable(rows), clip_boxes.FromFile(tmp_path / f"{BOXES.name}.parquet")
    )  # fmt: skip
    for n in range(31):  # also clips without boxes
        one, other = table[f"c{n:02d}"], file[f"c{n:02d}"]
        assert one.dtype == other.dtype == np.float32
        assert len(one) == counts.get(f"c{n:02d}", 0)
        np.testing.assert_array_equal(one, other)


def test_a_file_without_boxes_has_none(tmp_path) -> None:
    write_boxes(tmp_path, boxes_of({"c": 1}).iloc[:0])
    assert clip_boxes.FromFile(tmp_path / "boxes.parquet")["c"].shape == (0, 5)
