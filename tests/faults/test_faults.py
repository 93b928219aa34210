"""Whatever happens to a build, the same command again ends in the bytes of an undisturbed one."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import kills
import pytest
import scale_builds as scale
from small_disk import enlarge, small_disk

from caer_data.api import build
from caer_data.curate.shard_build import build_shard
from caer_data.curate.shards import Shard
from caer_data.engine.pool import Limits


def run(shows: Path, folder: Path, recipe: Path, *more: str) -> tuple[int, str]:
    done = subprocess.run(
        scale.command(shows, folder, recipe, *more),
        capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="no Ray installed")
engines = pytest.mark.parametrize(
    "more",
    [
        pytest.param((), id="local"),
        pytest.param(("--shard", "1/1"), id="shard"),
        pytest.param(("--engine", "ray"), id="ray", marks=[pytest.mark.service, needs_ray]),
    ],
)


def wait_for(path: Path, pattern: str, process: subprocess.Popen[str]) -> None:
    """Until a build has come so far that it wrote such a file."""
    while process.poll() is None and not list(path.glob(pattern)):
        time.sleep(0.02)


@pytest.mark.slow
def test_kills_at_random_moments(shows, recipe, tmp_path) -> None:
    count = kills.Killer(shows, recipe, tmp_path, random.Random(4), ["local", "shards"]).run(3)
    assert sum(count.kills.values()) == 3
    assert count.is_good, count


@pytest.mark.slow
def test_a_killed_shard_is_finished_by_the_build(shows, recipe, undisturbed, tmp_path) -> None:
    folder = tmp_path / "d"
    shard = scale.start(scale.command(shows, folder, recipe, "--shard", "1/1", "--workers", "1"))
    wait_for(folder, "work/shots/*.zip", shard)
    os.kill(shard.pid, signal.SIGKILL)
    shard.communicate()
    assert run(shows, folder, recipe)[0] == 3
    assert scale.result(folder) == undisturbed
    assert scale.leftovers(folder) == []


@engines
@pytest.mark.slow
def test_a_source_that_vanishes_is_named_and_comes_back(
    shows, recipe, undisturbed, tmp_path, more
) -> None:
    own = tmp_path / "raw"
    shutil.copytree(shows, own)
    folder = tmp_path / "d"
    process = scale.start(scale.command(own, folder, recipe, "--workers", "1", *more))
    wait_for(folder, "work/videos/*.zip", process)
    away = tmp_path / "away.mp4"
    (own / "One" / "b.mp4").rename(away)
    text = process.communicate()[1]
    assert process.returncode == 3
    assert "One/b.mp4" in text
    assert "Traceback" not in text
    away.rename(own / "One" / "b.mp4")
    assert run(own, folder, recipe)[0] == 3
    assert scale.result(folder) == undisturbed


@engines
@pytest.mark.slow
def test_a_source_that_is_replaced_gives_what_the_new_one_gives(
    shows, recipe, undisturbed, tmp_path, media_data, more
) -> None:
    own = tmp_path / "raw"
    shutil.copytree(shows, own)
    folder = tmp_path / "d"
    film = own / "One" / "b.mp4"
    other = media_data / "videos" / "carphone_4s.mp4"
    shutil.copyfile(other, film)  # another film first, the right one while it is worked on
    process = scale.start(scale.command(own, folder, recipe, "--workers", "1", *more))
    wait_for(folder, "work/videos/*.zip", process)
    shutil.copyfile(shows / "One" / "b.mp4", tmp_path / "right.mp4")
    (tmp_path / "right.mp4").replace(film)
    process.communicate()
    assert process.returncode in (0, 3)
    assert run(own, folder, recipe)[0] == 3
    assert scale.result(folder) == undisturbed


@engines
@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_nothing_is_lost(
    shows, recipe, undisturbed, tmp_path, more
) -> None:
    with small_disk(tmp_path / "disk", "120k") as disk:
        code, text = run(shows, disk / "d", recipe, *more)
        assert code in (2, 3)
        assert "no space left" in text
        enlarge(disk)
        assert run(shows, disk / "d", recipe, *more)[0] == 3
        assert run(shows, disk / "d", recipe)[0] == 3
        assert scale.result(disk / "d") == undisturbed


too_much = pytest.mark.parametrize(
    ("limits", "words"),
    [(Limits(memory=1e6), "needed more than"), (Limits(stall_s=0), "made no progress for")],
    ids=["memory", "hang"],
)


@pytest.mark.slow
@pytest.mark.parametrize("shard", [None, Shard(1, 1)], ids=["local", "shard"])
@too_much
def test_a_video_that_needs_too_much_is_tried_again(
    shows, recipe, undisturbed, tmp_path, shard, limits, words
) -> None:
    folder = tmp_path / "d"
    given = {"workers": 1, "limits": limits}
    if shard is None:
        failed = build(shows, folder, str(recipe), **given).failed
    else:
        failed = build_shard(shows, folder, str(recipe), shard=shard, **given).failed
    assert [why for why in failed.values() if words in why]
    assert run(shows, folder, recipe)[0] == 3
    assert scale.result(folder) == undisturbed
    assert scale.leftovers(folder) == []


@pytest.mark.slow
@pytest.mark.service
@needs_ray
@too_much
def test_a_video_that_needs_too_much_on_ray_is_tried_again(
    shows, recipe, undisturbed, tmp_path, limits, words
) -> None:
    folder = tmp_path / "d"
    script = (
        "import json, sys; from math import inf\n"
        "from caer_data.api import build; from caer_data.engine.pool import Limits\n"
        "from caer_data.engine.ray_engine import RayEngine\n"
        f"engine = RayEngine(workers=1)\n"
        f"done = build(*sys.argv[1:], engine=engine, limits={limits!r})\n"
        "engine.close(); print(json.dumps(done.failed))"
    )
    given = [str(path) for path in (shows, folder, recipe)]
    done = subprocess.run(
        [sys.executable, "-c", script, *given], capture_output=True, text=True, check=False,
        timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    failed = json.loads(done.stdout.splitlines()[-1])
    assert [why for why in failed.values() if words in why]
    assert run(shows, folder, recipe, "--engine", "ray")[0] == 3
    assert scale.result(folder) == undisturbed
    assert scale.leftovers(folder) == []


@pytest.mark.slow
def test_a_damaged_artifact_is_made_again(shows, recipe, undisturbed, tmp_path) -> None:
    folder = tmp_path / "d"
    run(shows, folder, recipe)
    for artifact in (folder / "work").glob("faces/*.zip"):
        artifact.write_bytes(artifact.read_bytes()[:-40])
    shutil.rmtree(folder / "generations")
    assert run(shows, folder, recipe)[0] == 3
    assert scale.result(folder) == undisturbed
    assert json.loads((folder / "caer-data.json").read_bytes())["format"] == "caer-data dataset"
