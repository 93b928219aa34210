"""No option of `caer-data benchmark` is ignored: each is used, or refused with a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from caer_data.benchmark.data import sources
from caer_data.benchmark.results import compare, folds, plan
from caer_data.benchmark.selftest import statements
from caer_data.cli import benchmark as cli
from caer_data.cli import benchmark_group, benchmark_run, main

MODES: dict[str, tuple[str, ...]] = {
    "": ("REL",),
    "suite": ("REL", "--suite", "table3"),
    "cross": ("REL", "--cross", "OTHER"),
    "weights": ("REL", "--weights", "FILE"),
    "self_test": ("--self-test",),
    "describe": ("--describe", "caer-net"),
}
OPTIONS: dict[str, tuple[str, ...]] = {
    "model": ("--model", "c3d"),
    "preset": ("--preset", "tuned"),
    "seeds": ("--seeds", "2"),
    "epochs": ("--epochs", "3"),
    "batch_size": ("--batch-size", "4"),
    "baseline_input": ("--input", "face"),
    "precision": ("--precision", "fp32"),
    "features": ("--features", "c3d=FILE"),
    "encoder": ("--encoder", "FILE"),
    "folds": ("--folds", "3"),
    "grouped": ("--folds", "3", "--grouped"),
    "detect": ("--detect", "mmod"),
    "max_left_out": ("--max-left-out", "0.3"),
    "device": ("--device", "cpu"),
    "devices": ("--devices", "1"),
    "compiled": ("--compile",),
    "nodes": ("--nodes", "1"),
    "output": ("--output", "OUT"),
    "store_folder": ("--store", "OUT"),
    "release": ("REL",),
}
WORDS = {"suite": "suite", "cross": "cross", "test": "weights", "selftest": "self_test"}
WORDS["describe"] = "describe"
PAIRS = [(mode, option) for mode in MODES for option in OPTIONS]


class Recorded(benchmark_run.Options):
    """Remembers which options were read."""

    read: ClassVar[set[str]] = set()

    def __getattribute__(self, name: str) -> Any:
        if name in OPTIONS or name in MODES:
            Recorded.read.add(name)
        return super().__getattribute__(name)


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command reads its options and hands them on; nobody trains."""
    check = benchmark_run._check

    def checked(options: benchmark_run.Options) -> None:
        check(options)
        Recorded.read.clear()  # checking is not using

    def given(*_: Any, **__: Any) -> Any:
        return SimpleNamespace(predictions=list, note="", passed=True, checks=[], entries=[0, 0, 0])

    monkeypatch.setattr(cli, "Options", Recorded)
    monkeypatch.setattr(benchmark_run, "_check", checked)
    monkeypatch.setattr(benchmark_run, "_finish", lambda *_: {})
    monkeypatch.setattr(benchmark_run, "_suspicious", _reads_folds)
    with_features = plan.with_features
    monkeypatch.setattr(
        plan,
        "with_features",
        lambda recipe, files: recipe if files.keys() == {"c3d"} else with_features(recipe, files),
    )
    monkeypatch.setattr(plan.Changes, "__call__", lambda self, recipe: recipe)
    monkeypatch.setattr(plan.Stores, "__call__", given)
    monkeypatch.setattr(sources, "check", given)
    for module, names in (
        (compare, ("check", "cross", "single", "suite")),
        (folds, ("results",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, given)

    def self_test(*_: Any, **__: Any) -> Any:
        raise SystemExit(0)

    monkeypatch.setattr(statements, "self_test", self_test)
    yield


def _reads_folds(*given: Any) -> None:
    assert given[-1].folds is None or given[-1].folds


def run(tmp_path: Path, *arguments: str) -> int:
    (tmp_path / "file").write_bytes(b"")
    places = {"REL": tmp_path, "OTHER": tmp_path, "OUT": tmp_path / "out"}
    words = {**{k: str(v) for k, v in places.items()}, "FILE": str(tmp_path / "file")}
    given = [words.get(a, a.replace("=FILE", f"={tmp_path / 'file'}")) for a in arguments]
    with pytest.raises(SystemExit) as stop:
        main(["benchmark", "train", *given])
    return int(stop.value.code or 0)


@pytest.mark.parametrize(("mode", "option"), PAIRS, ids=lambda x: x or "model")
def test_an_option_is_used_or_refused(
    nothing_runs: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    option: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = MODES[mode]
    if option != "release" or "REL" not in arguments:
        arguments += OPTIONS[option]
    if option == "encoder" and mode in ("", "cross", "weights"):
        arguments += ("--model", "onnx-probe")
    code = run(tmp_path, *arguments)
    said = capsys.readouterr().err
    if option in benchmark_run._USEFUL[mode]:
        assert code == 0, said
        assert option in Recorded.read
    else:
        assert code == 2
        assert "has no effect with" in said or "give only one of them" in said


def test_every_option_is_among_them() -> None:
    names = {str(p.name) for p in cli.command.params} - benchmark_run._REPORTING
    assert names == {*OPTIONS, *MODES} - {""}


@pytest.mark.parametrize(("word", "mode"), WORDS.items())
def test_a_command_offers_what_it_uses_and_nothing_else(word: str, mode: str) -> None:
    offered = {str(p.name) for p in benchmark_group.command.commands[word].params}
    wanted = benchmark_run._USEFUL[mode] - {"self_test"}
    assert offered - benchmark_run._REPORTING == wanted


PAIRS_THAT_FAIL = {
    "two files of one model": (
        ("REL", "--model", "c3d", "--features", "c3d=FILE", "--features", "c3d=FILE"),
        "--features: give only one file per model",
    ),
    "a preset that is not there": (
        ("REL", "--model", "r2plus1d", "--preset", "tuned"),
        "r2plus1d.yaml: has no section 'tuned'",
    ),
    "described, too": (("--describe", "sound", "--preset", "tuned"), "has no section 'tuned'"),
    "an encoder of another model": (("REL", "--encoder", "FILE"), "add --model onnx-probe"),
    "features of an encoder": (
        ("REL", "--model", "onnx-probe", "--features", "onnx-probe=FILE"),
        "give its trained encoder with --encoder",
    ),
    "groups of nothing": (("REL", "--grouped"), "--grouped needs --folds K"),
    "folds of weights": (("REL", "--weights", "FILE", "--folds", "3"), "--folds has no effect"),
    "folds of a suite": (("REL", "--suite", "table3", "--folds", "3"), "--folds has no effect"),
}


@pytest.mark.parametrize("pair", PAIRS_THAT_FAIL)
def test_options_that_do_not_go_together_are_one_sentence(
    nothing_runs: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], pair: str
) -> None:
    arguments, sentence = PAIRS_THAT_FAIL[pair]
    assert run(tmp_path, *arguments) == 2
    assert sentence in capsys.readouterr().err
