"""Two engines on one dataset: beside each other, one after the other, and with a node that dies."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import ray_cluster
import scale_builds as scale

pytestmark = [
    pytest.mark.service,
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="no Ray installed"),
]
ON_RAY = ("--engine", "ray", "--workers", "1")


@pytest.fixture
def begin(shows, recipe, tmp_path):
    """Starts a command on the dataset `d`."""

    def start(*more: str, **environment: str) -> subprocess.Popen[str]:
        return scale.start(scale.command(shows, tmp_path / "d", recipe, *more), **environment)

    return start


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    said = process.communicate(timeout=900)[1]
    assert "Traceback" not in said
    return process.returncode, said


def wait_for(path: Path, pattern: str, process: subprocess.Popen[str]) -> None:
    while process.poll() is None and not list(path.glob(pattern)):
        time.sleep(0.02)


def test_of_a_build_on_ray_and_a_local_one_the_later_is_refused_and_nothing_changes(
    begin, undisturbed, tmp_path
) -> None:
    on_ray = begin(*ON_RAY)
    wait_for(tmp_path / "d", ".lock", on_ray)
    code, said = ended(begin("--workers", "1"))
    if on_ray.poll() is None:  # it was still at work
        assert (code, "another caer-data command is writing here" in said) == (4, True), said
    assert ended(on_ray)[0] == 3
    assert scale.result(tmp_path / "d") == undisturbed
    assert ended(begin("--workers", "1"))[0] == 3
    assert scale.result(tmp_path / "d") == undisturbed
    assert scale.leftovers(tmp_path / "d") == []


@pytest.mark.parametrize(
    ("ray", "local"),
    [
        ((*ON_RAY, "--shard", "1/1"), ()),
        (ON_RAY, ("--shard", "1/1")),
        ((*ON_RAY, "--shard", "1/1"), ("--shard", "1/1")),
    ],
    ids=["shard-on-ray-and-build", "build-on-ray-and-shard", "one-shard-twice"],
)
def test_ray_and_this_machine_work_on_one_dataset_at_once(
    begin, undisturbed, tmp_path, ray, local
) -> None:
    on_ray = begin(*ray)
    wait_for(tmp_path / "d", "work/videos/*.zip", on_ray)
    here = begin(*local, "--workers", "1")
    ends = [ended(on_ray), ended(here)]
    assert {code for code, _ in ends} <= {0, 3}, ends  # the shard without the broken file: 0
    assert ended(begin("--workers", "1"))[0] == 3
    assert scale.result(tmp_path / "d") == undisturbed
    assert scale.leftovers(tmp_path / "d") == []


@pytest.mark.parametrize("first", [ON_RAY, ("--workers", "1")], ids=["ray-first", "local-first"])
def test_one_engine_goes_on_with_what_another_began(begin, undisturbed, tmp_path, first) -> None:
    second = ("--workers", "1") if first == ON_RAY else ON_RAY
    killed = begin(*first)
    wait_for(tmp_path / "d", "work/faces/*.zip", killed)
    made = {path.name: path.stat().st_ino for path in (tmp_path / "d").glob("work/*/*.zip")}
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert ended(begin(*second))[0] == 3
    assert scale.result(tmp_path / "d") == undisturbed
    kept = {path.name: path.stat().st_ino for path in (tmp_path / "d").glob("work/*/*.zip")}
    assert made.items() <= kept.items()
    assert scale.leftovers(tmp_path / "d") == []


def test_a_node_dies_while_shards_run_beside_ray(begin, undisturbed, tmp_path) -> None:
    cluster, address = ray_cluster.start()
    try:
        on_ray = begin("--engine", "ray", "--address", address, **ray_cluster.SETTINGS)
        wait_for(tmp_path / "d", "work/videos/*.zip", on_ray)
        shards = [begin("--shard", part, "--workers", "1") for part in ("1/2", "2/2")]
        wait_for(tmp_path / "d", "work/samples/*", on_ray)
        ray_cluster.kill_node(cluster)
        ends = [ended(process) for process in (on_ray, *shards)]
        assert ends[0][0] == 3, ends
        assert {code for code, _ in ends[1:]} <= {0, 3}, ends
        assert scale.result(tmp_path / "d") == undisturbed
        assert ended(begin("--workers", "1"))[0] == 3
        assert scale.result(tmp_path / "d") == undisturbed
    finally:
        cluster.stdin.close()
        cluster.wait(timeout=60)
