"""Opening the store of a release: what is said about options that do nothing there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from small_releases import small

from caer_data.benchmark.data import prepare
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Faces


@pytest.mark.parametrize("detector", [None, "hog"])
def test_a_detector_that_nothing_needs_is_said(
    images_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, detector: str | None
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Reporter, "warn", lambda _, text: said.append(text))
    alone: Any = SimpleNamespace(is_global_zero=True, broadcast=lambda value: value)
    faces = None if detector is None else Faces.model_validate({"detector": detector})
    prepare.open_store(
        images_tree, small(), tmp_path, faces=faces, fabric=alone, reporter=Reporter("quiet")
    )
    expected = f"{images_tree}: all samples have face boxes, so no faces are detected in it"
    assert said == ([] if detector is None else [expected])
