"""Devices and processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from caer_data.benchmark.runtime import precision_of

SCRIPT = """
import sys
from pathlib import Path
from made_up import tiny_recipe, tiny_store
from caer_data.benchmark.run import run
from caer_data.benchmark.runtime import start
from caer_data.progress import Reporter

fabric = start("cpu", devices=2)
result = run(tiny_recipe(epochs=1), tiny_store(41, 9, 11), 0, results=Path(sys.argv[1]),
             fabric=fabric, reporter=Reporter("quiet"))
(Path(sys.argv[1]) / f"rank-{fabric.global_rank}.json").write_text(repr(result["confusion"]))
"""


def test_two_processes_train_one_model_and_see_the_same_figures(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(SCRIPT)
    helpers = Path(__file__).parents[1] / "helpers"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(helpers)}
    subprocess.run(
        [sys.executable, script, tmp_path / "r"], check=True, env=environment, timeout=300
    )
    result = json.loads(next((tmp_path / "r").rglob("result.json")).read_text())
    assert result["devices"] == 2
    assert sum(map(sum, result["confusion"])) == 11
    for rank in (0, 1):
        seen = (tmp_path / "r" / f"rank-{rank}.json").read_text()
        assert seen == repr(result["confusion"])


@pytest.mark.parametrize(
    ("wanted", "expected"), [("auto", "fp32"), ("fp32", "fp32"), ("bf16", "bf16")]
)
def test_precision_on_a_cpu(wanted: str, expected: str) -> None:
    assert precision_of(wanted, torch.device("cpu")) == expected
