from __future__ import annotations

import os
import subprocess
import sys

import pytest
from export_fixtures import make_dataset, options

from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.progress import Reporter
from caer_data.export.release import export

pytest.importorskip("datasets", reason="needs the extra 'test'")

_READ = """
import sys
import datasets
folder, cache, *names = sys.argv[1:]
datasets.disable_progress_bars()
for arguments in ({"path": "videofolder", "data_dir": folder + "/huggingface"},
                  {"path": folder, "name": "clips"}):
    found = datasets.load_dataset(**arguments, cache_dir=cache)
    assert set(found) == {"train", "validation", "test"}, found
    rows = 0
    for split, data in found.items():
        data = data.cast_column("video", datasets.Video(decode=False))
        for row in data:
            assert row["video"]["path"].endswith(".mp4")
            assert row["label"] in range(7) and row["show"].startswith("Show")
            assert abs(sum(row[f"p_{e}"] for e in names) - 1) < 1e-9
            rows += 1
    assert rows == 21, rows
manifest = datasets.load_dataset("parquet", data_files=folder + "/manifest.parquet",
                                 cache_dir=cache)["train"]
print(len(manifest))
"""


def test_datasets_loads_it_as_a_video_folder(everything, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(everything.folder), str(tmp_path), *EMOTIONS],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[-1]) == len(everything.manifest)


_LOAD = """
import sys
import datasets

folder, cache = sys.argv[1:3]
for name in [None, *sys.argv[3:]]:
    for streaming in (False, True):
        where = f"{folder}/{name}" if name else folder
        found = datasets.load_dataset(where, cache_dir=cache, streaming=streaming)
        print(name, sorted(found), found["train"].features["label"].names)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layouts", "folders"),
    [
        (("caer", "caer-s"), ("CAER", "CAER-S")),
        (("caer-s",), ("CAER-S",)),
        (("huggingface", "webdataset"), ("huggingface",)),
    ],
    ids=["default", "frames", "hub"],
)
def test_the_card_and_every_folder_load_with_their_splits_and_classes(tmp_path, layouts, folders):
    """Two of the seven classes have no clip in any split."""
    dataset = make_dataset(tmp_path / "dataset", first_clips=5)
    release = export(dataset, tmp_path / "out", options(layouts=layouts), Reporter("quiet"))
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, str(release.folder), str(tmp_path), *folders],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    splits = "['test', 'train', 'validation']"
    names = [e if "huggingface" in layouts else e.capitalize() for e in EMOTIONS]
    expected = [f"{name} {splits} {names}" for name in (None, *folders) for _ in range(2)]
    assert done.stdout.splitlines() == expected


_SPLITS = """
import sys
import datasets

folder, cache = sys.argv[1:]
datasets.disable_progress_bars()
for where in (folder, folder + "/CAER"):
    found = datasets.load_dataset(where, cache_dir=cache)
    for split, data in found.items():
        for row in data.cast_column("video", datasets.Video(decode=False)):
            path = row["video"]["path"].replace(chr(92), "/")
            assert f"/{split}/" in path, (split, path)
            print(where, split, row.get("clip_id", path))
"""


def test_another_split_in_the_same_folder_is_not_loaded_from_the_cache(tmp_path):
    """`datasets` keeps what it has loaded by the header of the card alone."""
    dataset = make_dataset(tmp_path / "dataset")
    loaded = []
    for seed in (1, 2):
        given = options(
            layouts=("huggingface", "caer"), by="clip", seed=seed, resplit=True, overwrite=True
        )
        release = export(dataset, tmp_path / "out", given, Reporter("quiet"))
        done = subprocess.run(
            [sys.executable, "-c", _SPLITS, str(release.folder), str(tmp_path / "cache")],
            env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        own = release.manifest[release.manifest["layout"] == "huggingface"]
        told = {tuple(line.split()[1:]) for line in done.stdout.splitlines()}
        assert set(zip(own["split"], own["clip_id"], strict=True)) <= told
        loaded.append(told)
    assert loaded[0] != loaded[1]
