from __future__ import annotations

import hashlib
import json
import tarfile

import pandas as pd
import pytest

from caer_data.engine.recipe import Export
from caer_data.export.layouts import Wanted
from caer_data.export.layouts import webdataset as layout


def test_webdataset_iterates_it(everything):
    webdataset = pytest.importorskip("webdataset", reason="needs the extra 'test'")
    shards = sorted(str(path) for path in (everything.folder / "webdataset").glob("*.tar"))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False))
    assert len(samples) == 21
    rows = everything.manifest[everything.manifest.layout == "webdataset"].set_index("clip_id")
    for sample in samples:
        told = json.loads(sample["json"])
        row = rows.loc[told["clip_id"]]
        assert hashlib.sha256(sample["mp4"]).hexdigest() == row.sha256
        assert (told["label"], told["split"]) == (row.label, row.split)
        assert len(told["boxes"]) == told["frames"] == row.frames
        assert told["boxes"][:2] == [None, None]
        assert told["boxes"][2] == [21.0, 30.0, 69.0, 78.0]


def test_shards_hold_no_times_and_no_owner(everything):
    with tarfile.open(everything.folder / "webdataset/train-000000.tar") as shard:
        assert {(e.mtime, e.uid, e.uname) for e in shard} == {(0, 0, "")}


@pytest.mark.parametrize(
    ("sizes", "limit", "shards"),
    [
        pytest.param([1] * 7, {"SHARD_CLIPS": 3}, 3, id="by-count"),
        pytest.param([4, 4, 4, 4], {"SHARD_BYTES": 8}, 2, id="by-size"),
        pytest.param([40, 40], {"SHARD_BYTES": 8}, 2, id="one-clip-larger-than-a-shard"),
    ],
)
def test_shards_end_in_time(monkeypatch, sizes, limit, shards):
    for name, value in limit.items():
        monkeypatch.setattr(layout, name, value)
    clips = pd.DataFrame(
        {"clip_id": [f"c{i}" for i in range(len(sizes))], "split": "train", "bytes": sizes}
    )
    rows = layout.plan(Wanted(clips, pd.DataFrame(), Export(), 1))
    assert rows.path.nunique() == shards
    assert rows.member.is_unique
