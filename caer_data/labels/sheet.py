"""A table as a file of another program holds it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Sheet:
    """A header and the rows below it, every cell as stripped text."""

    header: list[str]
    rows: list[tuple[int, dict[int, str]]]
    """Number of the row, counted from 1, the header, and its cells by column."""
    separator: str = ","
    recognised: list[str] = field(default_factory=list)
    """What was recognised, for the user, as parts of a sentence."""
    mistakes: list[str] = field(default_factory=list)
    """Rows that do not fit the header, one sentence each."""
