"""How tables are declared: columns with unit and meaning, and the columns that several share.

Conventions: frames count from 0 in presentation order, `end_frame` is one past the last;
`start_pts` is the retimed timestamp of the first frame (strictly rising, in the video's own time
base) and `end_pts` that of the first frame after, or the end of the video's last frame; seconds
count from the first frame of the video; boxes are `x1, y1, x2, y2` in pixels of the displayed
source frame (upright, square pixels), right and bottom exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

STRING: Final = pa.string()
INT: Final = pa.int64()
FLOAT: Final = pa.float64()
FLOAT32: Final = pa.float32()
BOOL: Final = pa.bool_()


@dataclass(frozen=True)
class Column:
    """One column: its type, unit, meaning, whether it may be empty, and its allowed words.

    `added` marks one that tables of earlier versions lack; it is then read as empty. So is one that
    is `optional`, which is written only where a cell is filled.
    """

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""
    nullable: bool = False
    values: tuple[str, ...] = ()
    added: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Table:
    """A declared table: name, what a row is, the columns that identify a row, all columns."""

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema with unit and meaning as field metadata."""
        return pa.schema(
            [
                pa.field(
                    c.name,
                    c.type,
                    nullable=c.nullable,
                    metadata={"unit": c.unit, "meaning": c.meaning},
                )
                for c in self.columns
            ],
            metadata={"table": self.name, "row": self.row},
        )

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [c.name for c in self.columns]


ANCHOR: Final = (
    Column("video_key", STRING, "SHA-256 of the video's content", nullable=True),
    Column("start_pts", INT, "timestamp of the first frame", "time_base", nullable=True),
    Column("end_pts", INT, "timestamp one past the last frame", "time_base", nullable=True),
    Column("frames", INT, "frames of the span", "frames", nullable=True),
)
"""What a row is about, whatever its clip is called: with `BOX`, `caer_data.engine.identity`."""

BOX: Final = tuple(
    Column(f"box_{side}", FLOAT, f"target's {edge}, at the span's middle", of, nullable=True)
    for side, edge, of in (
        ("x1", "left edge", "share of the width"),
        ("y1", "top edge", "share of the height"),
        ("x2", "right edge", "share of the width"),
        ("y2", "bottom edge", "share of the height"),
    )
)
