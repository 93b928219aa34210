"""A checkout works where caer-data is not installed, as the scripts in `performance/` need it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_recipes_are_found_beside_the_package(tmp_path) -> None:
    # without the module `site`, no .pth file and so no editable install counts
    given = os.environ | {"PYTHONPATH": sysconfig.get_path("purelib")}
    words = ["performance/checkout.py", "build", "--shows", f"{tmp_path}", "--recipe", "none"]
    done = subprocess.run(
        [sys.executable, "-S", *words], cwd=ROOT, env=given, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode != 0
    assert "caer-insightface" in done.stderr, done.stderr
    assert "No module named" not in done.stderr
