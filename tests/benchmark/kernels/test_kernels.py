"""Kernels that should run and do not are reported."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from caer_data.benchmark import kernels


@pytest.fixture(autouse=True)
def asked_anew():
    kernels.run_on.cache_clear()
    yield
    kernels.run_on.cache_clear()


def test_kernels_that_do_not_run_are_said_once(monkeypatch, caplog):
    problem = "RuntimeError: Failed to find C compiler"
    monkeypatch.setattr(kernels, "FUSED", SimpleNamespace(why_not=lambda device: problem))
    for _ in range(3):
        assert not kernels.run_on(torch.device("cuda", 0))
    assert len(caplog.records) == 1
    assert problem in caplog.text and "C compiler, such as gcc" in caplog.text


def test_kernels_run_on_gpus_only(monkeypatch):
    monkeypatch.setattr(kernels, "FUSED", SimpleNamespace(why_not=lambda device: None))
    assert kernels.run_on(torch.device("cuda", 0))
    assert not kernels.run_on(torch.device("cpu"))
    kernels.run_on.cache_clear()
    monkeypatch.setattr(kernels, "FUSED", None)
    assert not kernels.run_on(torch.device("cuda", 0))
