"""A table read from a file of another program."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Sheet:
    """A header and the rows below it, every cell as stripped text."""

    header: list[str]
    rows: list[tuple[int, dict[int, str]]]
    """Pairs of a row's number (the header is row 1) and its cells by column."""
    separator: str = ","
    recognised: list[str] = field(default_factory=list)
    """What was recognised: parts of a sentence for the user."""
    mistakes: list[str] = field(default_factory=list)
    """Rows that do not fit the header, one sentence each."""
