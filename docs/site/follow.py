"""Follow a page word for word: run its commands in this folder, compare what they print.

    python docs/site/follow.py docs/tutorial.md --until 'Train and test a model'

Blocks of the kind `console` are followed: lines that begin with `$ ` are commands, the lines below
them what is printed. A line `...` stands for any lines, `…` in a line for any
text.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_BLOCK: Final = re.compile(r"^```console\n(.*?)^```", re.M | re.S)


@dataclass(frozen=True)
class Step:
    """A command of a page and what the page says it prints."""

    command: str
    shown: tuple[str, ...]


def steps(text: str) -> Iterator[Step]:
    """Steps of a page, in order."""
    for block in _BLOCK.findall(text):
        parts = re.split(r"^\$ ", re.sub(r"\\\n\s*", "", block), flags=re.M)
        if parts[0]:
            raise SystemExit(f"a console block begins with what is no command: {parts[0]!r}")
        for part in parts[1:]:
            command, _, shown = part.partition("\n")
            yield Step(command, tuple(line.rstrip() for line in shown.rstrip().splitlines()))


def between(text: str, start: str | None, end: str | None) -> str:
    """The part of a page from one heading of the second level up to another."""
    sections = re.split(r"^(?=## )", text, flags=re.M)
    titles = [section.partition("\n")[0].removeprefix("## ") for section in sections]
    for wanted in (start, end):
        if wanted is not None and wanted not in titles:
            raise SystemExit(f"no heading {wanted!r}; there are {titles[1:]}")
    first = titles.index(start) if start else 0
    last = titles.index(end) if end else len(sections)
    return "".join(sections[first:last])


def agrees(shown: tuple[str, ...], printed: str) -> bool:
    """Whether the page shows what was printed."""
    lines = [line.rstrip() for line in printed.rstrip().splitlines()]
    return re.fullmatch(_pattern(shown), "".join(f"{line}\n" for line in lines)) is not None


def _pattern(shown: tuple[str, ...]) -> str:
    parts = []
    for line in shown:
        fixed = (re.escape(part) for part in line.split("…"))
        parts.append(r"(?:.*\n)*?" if line == "..." else f"{'.*'.join(fixed)}\n")
    return "".join(parts)


def main() -> None:
    """Follow the page that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--from", dest="start", help="heading to begin with")
    parser.add_argument("--until", dest="end", help="heading to stop before")
    options = parser.parse_args()
    text = between(options.page.read_text(encoding="utf-8"), options.start, options.end)
    for step in steps(text):
        print(f"$ {step.command}", flush=True)
        done = subprocess.run(
            ["bash", "-ec", step.command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        print(done.stdout, end="", flush=True)
        if done.returncode != 0:
            sys.exit(f"{options.page}: '{step.command}' ended with {done.returncode}")
        if step.shown and not agrees(step.shown, done.stdout):
            expected = "\n".join(step.shown)
            sys.exit(f"{options.page}: '{step.command}' printed other lines than\n{expected}")


if __name__ == "__main__":
    main()
