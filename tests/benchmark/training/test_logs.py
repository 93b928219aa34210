"""Curves for TensorBoard."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from caer_data.benchmark.training.logs import open_log
from caer_data.engine.progress import Reporter


def test_that_tensorboard_is_missing_is_said_once_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for reporter in (Reporter("json"), Reporter("json")):  # two commands of three runs
        for _ in range(3):
            with open_log(tmp_path, True, reporter):
                pass
        assert capsys.readouterr().out.count("No TensorBoard logs") == 1
    assert not list(tmp_path.iterdir())
