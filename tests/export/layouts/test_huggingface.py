from __future__ import annotations

import os
import subprocess
import sys

import pytest

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
    from caer_data.engine.emotions import EMOTIONS

    done = subprocess.run(
        [sys.executable, "-c", _READ, str(everything.folder), str(tmp_path), *EMOTIONS],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[-1]) == len(everything.manifest)
