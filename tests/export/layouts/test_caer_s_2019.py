from __future__ import annotations

import pytest
from export_fixtures import make_dataset, options

from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.export.plan import plan


def test_balanced_and_seventy_to_thirty(everything):
    files = everything.manifest[everything.manifest.layout == "caer-s-2019"]
    per_class = files.groupby("emotion").size()
    assert per_class.nunique() == 1
    counts = files.groupby(["split", "emotion"]).size()
    assert set(files["split"]) == {"train", "test"}
    assert counts["train"].nunique() == 1
    assert counts["train"].iloc[0] / per_class.iloc[0] == pytest.approx(0.7, abs=0.05)


def test_no_frame_twice(everything):
    files = everything.manifest[everything.manifest.layout == "caer-s-2019"]
    assert not files.duplicated(["clip_id", "frame"]).any()


def test_the_audit_says_that_it_leaks_and_the_release_beside_it_does_not(everything):
    found = {v.check: v.verdict for v in everything.verdicts["caer-s-2019"]}
    assert found["same clip"] == found["near-duplicate pictures"] == "finding"
    assert everything.verdicts["release"][0].verdict == "ok"


def test_another_seed_draws_others(labelled_folder):
    columns = ("clip_id", "from_frame", "split")
    draws = [
        plan(Dataset(labelled_folder), options(layouts=("caer-s-2019",), seed=seed)).files.frame(
            columns
        )
        for seed in (1, 2)
    ]
    drawn = [set(d.itertuples(index=False, name=None)) for d in draws]
    assert drawn[0] != drawn[1]


def test_too_few_frames(tmp_path):
    dataset = make_dataset(tmp_path / "dataset", shows=1, media=False)
    with pytest.raises(CaerError, match="omit this layout"):
        plan(dataset, options(layouts=("caer-s-2019",), frames_per_clip=1))
