"""Tab completes commands and options, as docs/install.md has it set up."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "install.md"


def completed(words: str) -> set[str]:
    """What bash is offered for the last of some words."""
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    environment = {**os.environ, **asked, "_CAER_DATA_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-m", "caer_data"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return {line.partition(",")[2] for line in done.stdout.splitlines()}


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("caer-data re", {"report", "recipe", "rebuild"}),
        ("caer-data annotate pu", {"push", "pull"}),
        ("caer-data view --rel", {"--release"}),
    ],
)
def test_commands_and_options_are_completed(words, offered) -> None:
    assert offered <= completed(words)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_lines_of_the_page_give_a_script(shell) -> None:
    (variable,) = re.findall(rf"(_\w+)={shell}_source", PAGE.read_text(encoding="utf-8"))
    done = subprocess.run(
        [sys.executable, "-m", "caer_data"],
        env={**os.environ, variable: f"{shell}_source"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "caer-data" in done.stdout and f"{shell}_complete" in done.stdout
