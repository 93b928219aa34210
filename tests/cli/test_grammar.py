"""One grammar for all verbs: the same option has the same name and meaning everywhere."""

from __future__ import annotations

import json
from pathlib import Path

import built_dataset
import click
import pytest
from click.testing import CliRunner

from caer_data import cli
from caer_data.engine import logs


def commands() -> dict[str, click.Command]:
    """Every command of the command line, by its words."""
    found: dict[str, click.Command] = {}

    def walk(words: tuple[str, ...], command: click.Command) -> None:
        found[" ".join(words)] = command
        if isinstance(command, click.Group):
            ctx = click.Context(command)
            for name in command.list_commands(ctx):
                inner = command.get_command(ctx, name)
                assert inner is not None
                walk((*words, name), inner)

    for verb in cli._VERBS:
        command = cli.cli.get_command(click.Context(cli.cli), verb)
        assert command is not None
        walk((verb,), command)
    return found


def names(command: click.Command) -> dict[str, click.Option]:
    return {
        name: option
        for option in command.params
        if isinstance(option, click.Option)
        for name in option.opts
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("grammar") / "mine"
    built_dataset.make(folder, shots=2)
    return folder


def run(*arguments: object):
    return CliRunner().invoke(cli.cli, [str(a) for a in arguments])


@pytest.mark.parametrize("words", commands())
def test_an_option_means_the_same_everywhere(words) -> None:
    options = names(commands()[words])
    assert options.get("-d") is options.get("--dataset")
    assert options.get("-o") is options.get("--output")
    assert "--jobs" not in options or options["--jobs"].hidden
    assert "--jobs" not in options or "--workers" in options
    if "--json" in options:
        assert options["--json"].help == "One JSON object per line, for programs."


@pytest.mark.parametrize("words", [w for w, c in commands().items() if not hasattr(c, "commands")])
def test_every_command_can_show_its_log(words) -> None:
    assert {"--verbose", "--debug"} <= set(names(commands()[words]))


def test_debug_shows_what_status_logs(folder, monkeypatch) -> None:
    monkeypatch.setattr(logs, "show", lambda **shown: click.echo(f"shown: {shown}"))
    assert "shown: {'verbose': False, 'debug': True}" in run("status", folder, "--debug").output
    assert "shown: {'verbose': True, 'debug': False}" in run("doctor", "--verbose").output


VERBS = ["build", "demo", "inspect dataset", "inspect clip", "status", "view", "export", "clean",
         "upgrade", "annotate push", "annotate status", "annotate pull",
         "annotate import"]  # fmt: skip


@pytest.mark.parametrize("words", VERBS)
def test_the_dataset_is_named_the_same_way(words) -> None:
    assert "--dataset" in names(commands()[words])


@pytest.mark.parametrize("given", [["-d", "{}"], ["--dataset", "{}"], ["{}"]])
def test_the_dataset_by_option_or_by_place(folder, given) -> None:
    result = run("inspect", *[word.format(folder) for word in given], "--json")
    assert result.exit_code == 0, result.output
    assert "funnel" in json.loads(result.output)


def test_two_datasets_are_refused(folder) -> None:
    result = run("inspect", folder, "-d", "other")
    assert result.exit_code == 2
    assert "give only one, with -d/--dataset" in result.output


def test_a_folder_after_split_is_told_how_to_name_it(folder) -> None:
    result = run("export", "--split", folder)
    assert result.exit_code == 2
    assert f"give the dataset with -d {folder}" in result.output


def test_the_former_name_of_workers_is_taken_with_a_sentence(folder, tmp_path) -> None:
    result = run("export", folder, "-o", tmp_path / "out", "--jobs", 1)
    assert "--jobs is now --workers" in result.output
    assert "No such option" not in result.output


@pytest.mark.parametrize("command", [(), ("train",), ("suite", "table4")])
@pytest.mark.parametrize("old", [("--most-left-out", "0.2"), ("--most-left-out=0.2",)])
def test_the_former_name_of_max_left_out_is_taken_with_a_sentence(
    tmp_path, command: tuple[str, ...], old: tuple[str, ...]
) -> None:
    result = run("benchmark", *command, tmp_path / "absent", *old)
    assert "--most-left-out is now --max-left-out" in result.output
    assert "No such option" not in result.output
    assert str(tmp_path / "absent") in str(result.exception)  # the command itself then ran
    assert "--most-left-out" not in run("benchmark", "train", "--help").output


def test_the_page_of_benchmark_lists_its_commands() -> None:
    text = run("benchmark", "--help").output
    for word in ("train", "test", "suite", "cross", "compare", "describe", "selftest"):
        assert f"\n  {word} " in text
    assert len(text.splitlines()) < 40


@pytest.mark.parametrize("words", [["train"], []], ids=["train", "bare"])
def test_benchmark_without_a_word_is_train(words, tmp_path) -> None:
    result = CliRunner().invoke(cli.cli, ["benchmark", *words, "nowhere", "--device", "cpu"])
    assert "nowhere: no such folder" in str(result.exception)


@pytest.mark.parametrize("words", [["describe", "vgg"], ["--describe", "vgg"]])
def test_describe_by_word_and_by_its_former_option(words) -> None:
    result = run("benchmark", *words, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["parameters"] > 1_000_000


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["suite", "table3", "nowhere"], "nowhere: no clips or images"),
        (["cross", "nowhere", "elsewhere"], "nowhere: no such folder"),
        (["test", __file__, "nowhere"], "nowhere: no such folder"),
    ],
)
def test_words_of_benchmark_reach_the_run(words, sentence, tmp_path) -> None:
    result = run("benchmark", *words, "--device", "cpu", "-o", tmp_path / "o")
    assert sentence in str(result.exception)
