"""Small generated releases, made once for all tests of the benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from small_releases import make_images, make_release

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@pytest.fixture(scope="session")
def clips_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """28 clips of 30 frames at 25 fps: 14 train, 7 validation, 7 test."""
    root = tmp_path_factory.mktemp("clips") / "release"
    return make_release(root, {"train": 2, "validation": 1, "test": 1})


@pytest.fixture(scope="session")
def images_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CAER-S tree without validation: 56 training and 14 test pictures."""
    return make_images(tmp_path_factory.mktemp("images") / "CAER-S", {"train": 8, "test": 2})


@pytest.fixture(scope="session")
def fabric() -> Fabric:
    from caer_data.benchmark.training.runtime import start

    return start("cpu")
