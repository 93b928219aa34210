"""Progress: bars for people, silence, or JSON lines for programs."""

from __future__ import annotations

import json
import re
import time

import click
import pytest
from click.testing import CliRunner

from caer_data.engine.progress import Reporter, options, printable
from caer_data.engine.progress_columns import _short


def work(reporter: Reporter) -> None:
    with reporter.stage("faces", total=3, unit="videos") as bar:
        for name in ("a", "b", "c"):
            bar.advance(1, name)
        reporter.say("half way")
    reporter.warn("one thing went wrong")
    reporter.result({"kept": 5})


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_json_is_one_object_a_line_and_ends_complete(capsys) -> None:
    work(Reporter("json"))
    events = lines(capsys)
    progress = [event for event in events if event["event"] == "progress"]
    assert progress[-1] == {
        "event": "progress", "stage": "faces", "done": 3.0, "total": 3, "unit": "videos",
        "note": "c",
    }  # fmt: skip
    assert [event["text"] for event in events if event["event"] == "note"] == [
        "half way",
        "one thing went wrong",
    ]
    assert events[-1] == {"event": "result", "kept": 5}


def test_json_survives_any_name(capsys) -> None:
    name = 'a\udc80"\n日本'
    reporter = Reporter("json")
    with reporter.stage("faces", total=1) as bar:
        bar.advance(1, name)
    out = capsys.readouterr().out
    out.encode("utf-8")  # a lone surrogate could not be printed
    assert json.loads(out)["note"] == name


def test_json_does_not_flood(capsys) -> None:
    with Reporter("json").stage("faces", total=100_000) as bar:
        for _ in range(50_000):
            bar.advance()
    assert len(lines(capsys)) < 100


def test_quiet_says_only_what_went_wrong(capsys) -> None:
    work(Reporter("quiet"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "one thing went wrong\n"


def test_bars_go_to_stderr_and_show_stage_count_and_note(capsys) -> None:
    work(Reporter("bars"))
    captured = capsys.readouterr()
    assert captured.out == ""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", captured.err)
    assert "faces" in text
    assert "3/3 videos" in text
    assert "half way" in text
    assert "one thing went wrong" in text


def test_stages_may_run_side_by_side(capsys) -> None:
    reporter = Reporter("bars")
    with reporter.stage("shots", 2) as shots, reporter.stage("faces", 2) as faces:
        shots.advance(2)
        faces.advance(2)
    with reporter.stage("clips", 1) as clips:
        clips.advance(1)
    text = capsys.readouterr().err
    assert all(stage in text for stage in ("shots", "faces", "clips"))


def test_every_bar_fits_one_line_of_80_columns(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with Reporter("bars").stage("shots", 28.0, "min of video") as bar:
        for _ in range(3):
            bar.advance(1.37, "a-show-with-a-long-name.season-1-s01e01")
            time.sleep(0.02)
    last = capsys.readouterr().err.splitlines()[-1]
    assert len(last) <= 80
    for part in ("shots", "4.11/28 min of video", "s01e01"):
        assert part in last


def test_names_are_not_markup(capsys) -> None:
    with Reporter("bars").stage("faces", 1) as bar:
        bar.advance(1, "[red]a[/nonsense]")
    assert "[/nonsense]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [([], "bars"), (["--quiet"], "quiet"), (["-q"], "quiet"), (["--json"], "json")],
)
def test_options_choose_the_mode(arguments, mode) -> None:
    @click.command()
    @options
    def command(reporter: Reporter) -> None:
        click.echo(reporter.mode)

    assert CliRunner().invoke(command, arguments).output.strip() == mode


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (1234, "1,234"), (0.256, "0.26"), (12.34, "12.3")]
)
def test_numbers_are_short(value, text) -> None:
    assert _short(value) == text


def test_printable() -> None:
    assert printable("a\x1b[2J\nb\udc80ü") == "a?[2J?b?ü"
