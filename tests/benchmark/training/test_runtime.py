"""Devices and processes."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric

from caer_data.benchmark.training.runtime import BY_HAND, precision_of, start
from caer_data.engine.errors import CaerError

SCRIPT = """
import sys
from pathlib import Path
from made_up import tiny_recipe, tiny_store
from caer_data.benchmark.training.run import Context, run
from caer_data.benchmark.training.runtime import start
from caer_data.engine.progress import Reporter

fabric = start("cpu", devices=2)
result = run(tiny_recipe(epochs=1), tiny_store(41, 17, 1), 0,
             Context(Path(sys.argv[1]), fabric, Reporter("quiet")))
(Path(sys.argv[1]) / f"rank-{fabric.global_rank}.json").write_text(repr(result["confusion"]))
"""


def test_two_processes_train_one_model_and_see_the_same_figures(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(SCRIPT)
    helpers = Path(__file__).parents[2] / "helpers"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(helpers)}
    subprocess.run(
        [sys.executable, script, tmp_path / "r"], check=True, env=environment, timeout=300
    )
    result = json.loads(next((tmp_path / "r").rglob("result.json")).read_text())
    assert result["devices"] == 2
    assert sum(map(sum, result["confusion"])) == 1  # one of the processes tests nothing
    for rank in (0, 1):
        seen = (tmp_path / "r" / f"rank-{rank}.json").read_text()
        assert seen == repr(result["confusion"])


STOPPING = """
import sys
from pathlib import Path
from caer_data.benchmark.data import prepare
from caer_data.benchmark.recipe import load
from caer_data.benchmark.training.runtime import start
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter

def full(*_, **__):
    raise CaerError("the disk is full")

fabric = start("cpu", devices=2)
prepare.store.build = full
try:
    prepare.open_store(Path(sys.argv[1]), load("caer-net"), Path(sys.argv[2]), faces=None,
                       fabric=fabric, reporter=Reporter("quiet"))
except CaerError as error:
    (Path(sys.argv[2]) / f"rank-{fabric.global_rank}.txt").write_text(str(error))
"""


def test_where_the_first_process_cannot_prepare_all_stop(
    clips_release: Path, tmp_path: Path
) -> None:
    script = tmp_path / "stopping.py"
    script.write_text(STOPPING)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, script, clips_release, tmp_path], check=True, env=environment, timeout=300
    )
    said = [(tmp_path / f"rank-{rank}.txt").read_text() for rank in (0, 1)]
    assert said == ["the disk is full"] * 2


ORPHAN = """
import os, sys, time
from caer_data.benchmark.training import runtime

runtime.LOOK_FOR_PARENT_S = 0.02
if os.fork():
    time.sleep(0.5)
    os._exit(0)  # the parent is gone
runtime._end_with_parent()
time.sleep(60)
print("still here")
"""


def test_a_process_ends_with_the_one_that_started_it() -> None:
    done = subprocess.run(  # returns when both have closed the pipe
        [sys.executable, "-c", ORPHAN], check=False, capture_output=True, text=True, timeout=50
    )
    assert "still here" not in done.stdout


def test_several_machines_need_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    def launch(*_: object) -> None:
        raise RuntimeError("launched")

    monkeypatch.setattr(Fabric, "launch", launch)
    for name in (*BY_HAND, "TORCHELASTIC_RUN_ID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CaerError, match="--nodes 2: nothing starts the other machines"):
        start("cpu", nodes=2)
    launched = {
        "torchrun": {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "RANK": "0"},
        "by hand": {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", "NODE_RANK": "0"},
    }
    for variables in launched.values():
        with monkeypatch.context() as changed:
            for name, value in variables.items():
                changed.setenv(name, value)
            with pytest.raises(RuntimeError, match="launched"):
                start("cpu", nodes=2)


@pytest.mark.parametrize(
    ("wanted", "expected"), [("auto", "fp32"), ("fp32", "fp32"), ("bf16", "bf16")]
)
def test_precision_on_a_cpu(wanted: str, expected: str) -> None:
    assert precision_of(wanted, torch.device("cpu")) == expected


@pytest.mark.parametrize(("real", "expected"), [(True, "bf16"), (False, "fp32")])
def test_precision_on_a_gpu(monkeypatch: pytest.MonkeyPatch, real: bool, expected: str) -> None:
    """Older GPUs say that they support bf16, by emulation."""

    def supported(including_emulation: bool = True) -> bool:
        return real or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert precision_of("auto", torch.device("cuda", 0)) == expected


PAGES = """
import resource
import torch
from caer_data.benchmark.training.runtime import start

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def tensors():  # of 64 MB, which malloc would map and unmap each time
    before = faults()
    for _ in range(8):
        torch.ones(1 << 24)
    return faults() - before

start("cpu")
tensors()
print(tensors())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_a_step_on_a_cpu_reuses_the_memory_of_the_last() -> None:
    command = [sys.executable, "-c", PAGES]
    found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    assert int(found.stdout) < 1000  # one of these tensors has 16,384 pages
