"""Shards: which videos they hold, that they may run at once, and that nothing changes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import scale_builds as scale

from caer_data import Dataset
from caer_data.api import build
from caer_data.curate import shards
from caer_data.curate.run import build_shard
from caer_data.engine.errors import CaerError
from caer_data.engine.ownership import claim_dataset


@pytest.mark.parametrize("text", ["5/4", "0/4", "1/0", "1", "a/b", "-1/4", "1/4/2", "", "1 /4"])
def test_what_is_no_shard_is_refused_in_one_sentence(text) -> None:
    with pytest.raises(CaerError, match=r"--shard .*: give the number of a shard") as refused:
        shards.parse(text)
    assert "\n" not in str(refused.value)


def test_every_video_belongs_to_one_shard_and_stays_there_when_others_come() -> None:
    names = [f"Show {n % 7}/e{n}.mp4" for n in range(400)]
    parts = [shards.Shard(number, 8) for number in range(1, 9)]
    held = [[name for name in names if part.holds(name)] for part in parts]
    assert sorted(name for part in held for name in part) == sorted(names)
    assert min(map(len, held)) > 25
    # a literal, so that a change of the hash is noticed: it would move videos between shards
    assert [p.number for p in parts if p.holds("A Show/e1.mp4")] == [6]


@pytest.fixture(scope="module")
def shows(media_data, tmp_path_factory) -> Path:
    return scale.write_shows(media_data, tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    return scale.write_recipe(tmp_path_factory.mktemp("recipe"))


@pytest.fixture(scope="module")
def undisturbed(shows, recipe, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("local") / "d"
    build(shows, folder, str(recipe), workers=2)
    return folder


def test_shards_at_once_and_a_plain_build_after_them_give_the_same_bytes(
    shows, recipe, undisturbed, tmp_path
) -> None:
    folder = tmp_path / "d"
    # 1/2 twice: two engines on the same videos
    running = [
        scale.start(scale.command(shows, folder, recipe, "--shard", part, "--workers", "1"))
        for part in ("1/2", "2/2", "1/2")
    ]
    texts = [process.communicate(timeout=300)[1] for process in running]
    codes = [process.returncode for process in running]
    broken = [code == 3 for code in codes]
    assert set(codes) <= {0, 3}, texts
    assert 1 <= sum(broken) <= 2
    notes = [json.loads(p.read_bytes()) for p in (folder / "work/shards").iterdir()]
    assert sum(note["videos"] for note in notes) == 3
    assert [list(note["failed"]) for note in notes if note["failed"]] == [["Two/broken.mp4"]]
    for text, failed in zip(texts, broken, strict=True):
        assert ("Two/broken.mp4" in text) == failed
    assert not (folder / "tables").exists()
    assert scale.artifacts(folder) == scale.artifacts(undisturbed)
    before = {p: p.stat().st_mtime_ns for p in (folder / "work").glob("*/*.zip")}
    build(shows, folder, workers=1)
    assert scale.result(folder) == scale.result(undisturbed)
    assert before.items() <= {p: p.stat().st_mtime_ns for p in before}.items()
    assert scale.leftovers(folder) == []


def test_a_shard_works_on_while_a_build_holds_the_folder(
    shows, recipe, undisturbed, tmp_path
) -> None:
    claim_dataset(tmp_path / "d")
    with Dataset(tmp_path / "d").lock():
        for part in ("1/2", "2/2"):
            build_shard(shows, tmp_path / "d", str(recipe), shard=shards.parse(part), workers=1)
    assert scale.artifacts(tmp_path / "d") == scale.artifacts(undisturbed)


def test_the_slurm_script_of_the_docs_runs_with_local_processes(
    shows, recipe, undisturbed, tmp_path
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")
    script = tmp_path / "shards.sh"
    script.write_text(page.split("```bash\n")[1].split("```")[0])
    names = {"SHOWS": shows, "DATASET": tmp_path / "d", "RECIPE": recipe}
    given = {name: str(path) for name, path in names.items()}
    given["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    running = [
        scale.start(
            ["bash", str(script)],
            SLURM_ARRAY_TASK_ID=str(number),
            SLURM_ARRAY_TASK_COUNT="3",
            **given,
        )
        for number in (1, 2, 3)
    ]
    texts = [process.communicate(timeout=300)[1] for process in running]
    assert sorted(process.returncode for process in running) == [0, 0, 3], texts
    assert scale.artifacts(tmp_path / "d") == scale.artifacts(undisturbed)
