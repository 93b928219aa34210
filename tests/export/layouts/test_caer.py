from __future__ import annotations

import pytest
from export_fixtures import options

from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import EMOTIONS
from caer_data.export.plan import plan


def test_tree_of_the_original(everything):
    files = everything.manifest[everything.manifest.layout == "caer"]
    assert len(files) == 21
    for row in files.itertuples():
        top, split, folder, name = row.path.split("/")
        assert (top, split, folder) == ("CAER", row.split, row.emotion.capitalize())
        assert len(name) == len("0001.mp4")
        assert (everything.folder / row.path).is_file()
    of_one = files[(files.split == "train") & (files.emotion == "happy")].path
    assert sorted(of_one)[0].endswith("/0001.mp4")


def test_a_class_without_a_clip_keeps_its_place_among_the_folders(everything):
    for folder in ("CAER", "CAER-S", "CAER-S-2019"):
        for split in (everything.folder / folder).iterdir():
            if split.is_dir():
                names = sorted(path.name for path in split.iterdir())
                assert names == [emotion.capitalize() for emotion in EMOTIONS], split
    assert not all(any(path.iterdir()) for path in (everything.folder / "CAER/test").iterdir())


def test_the_manifest_tells_what_the_original_hid(everything):
    row = everything.manifest[everything.manifest.layout == "caer"].iloc[0]
    assert row.show == "Show 0"
    assert row.episode == "S01/e0"
    assert row.shot_id.startswith(row.video_id)
    assert row.person_id
    assert len(row.votes.split()) == 3
    assert row.label == 0
    assert row.p_anger + row.p_neutral == pytest.approx(1)


@pytest.mark.parametrize("container", ["avi", "mp4"])
def test_container(labelled_folder, container):
    files = plan(
        Dataset(labelled_folder), options(layouts=("caer",), container=container)
    ).files.frame()
    assert files.path.str.endswith(f".{container}").all()
