"""Kernels that should run and do not are reported, and then not used."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest
import torch
from kernel_references import HERE, needs_triton

from caer_data.benchmark import kernels

GPU = torch.device("cuda", 0)
NAMES = ("FUSED", "REARRANGED", "AUGMENTED")


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch):
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    for function in (kernels.run_on, kernels.why_not):
        function.cache_clear()
    yield
    for function in (kernels.run_on, kernels.why_not):
        function.cache_clear()


def nothing(device):
    pass


def failing(device):
    raise RuntimeError("Failed to find C compiler.\nMore")


@pytest.mark.parametrize("which", range(3))
def test_kernels_that_do_not_run_are_said_once(monkeypatch, caplog, which):
    for number, name in enumerate(NAMES):
        probe = failing if number == which else nothing
        monkeypatch.setattr(kernels, name, SimpleNamespace(probe=probe))
    for _ in range(3):
        assert not kernels.run_on(GPU)
    assert kernels.why_not(GPU) == "RuntimeError: Failed to find C compiler."
    assert len(caplog.records) == 1
    assert "Failed to find C compiler." in caplog.text and "such as gcc" in caplog.text


def test_kernels_run_on_gpus_only(monkeypatch):
    for name in NAMES:
        monkeypatch.setattr(kernels, name, SimpleNamespace(probe=nothing))
    assert kernels.run_on(GPU) and kernels.why_not(GPU) is None
    assert not kernels.run_on(torch.device("cpu"))


def test_without_kernels_the_reason_is_said(monkeypatch):
    monkeypatch.setattr(kernels, "FUSED", None)
    assert not kernels.run_on(GPU)
    assert "without CUDA" in kernels.why_not(GPU)


@needs_triton
@pytest.mark.parametrize("name", ["fused", "rearranged", "augmented"])
def test_each_module_probes_its_kernels(name):
    importlib.import_module(f"caer_data.benchmark.kernels.{name}").probe(torch.device(HERE))
