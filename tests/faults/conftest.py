"""Fixtures of the fault tests: shows, a recipe, and what an undisturbed build makes of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import scale_builds as scale


@pytest.fixture(scope="module")
def shows(media_data, tmp_path_factory) -> Path:
    return scale.write_shows(media_data, tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    return scale.write_recipe(tmp_path_factory.mktemp("recipe"))


@pytest.fixture(scope="module")
def undisturbed(shows, recipe, tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("local") / "d"
    subprocess.run(scale.command(shows, folder, recipe), capture_output=True, check=False)
    return scale.result(folder)
