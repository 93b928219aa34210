"""Declaration of tables: columns with unit and meaning, and the columns that several tables share.

Conventions:

- Frames count from 0 in presentation order. `end_frame` is one past the last frame.
- `start_pts` is the retimed timestamp of the first frame (strictly rising, in the video's own time
  base). `end_pts` is the timestamp of the next frame after the span, or the end of the video's last
  frame.
- Seconds count from the first frame of the video.
- Boxes are `x1, y1, x2, y2` in pixels of the displayed source frame (upright, square pixels), right
  and bottom exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import pyarrow as pa

STRING: Final = pa.string()
INT: Final = pa.int64()
FLOAT: Final = pa.float64()
FLOAT32: Final = pa.float32()
BOOL: Final = pa.bool_()


@dataclass(frozen=True)
class Column:
    """One column: its type, unit and meaning, whether it may be empty, and its allowed values.

    A column with `added` is missing from tables of earlier versions. A column with `optional` is
    written only if one of its cells is filled. Both are read as empty if the file lacks them.
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
    """A declared table: its name, what a row is, the columns of its key, and all columns."""

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema, with unit and meaning as field metadata."""
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
        """Return the column names in order."""
        return [c.name for c in self.columns]


ANCHOR: Final = (
    Column("video_key", STRING, "SHA-256 of the video's content", nullable=True),
    Column("start_pts", INT, "timestamp of the first frame", "time_base", nullable=True),
    Column("end_pts", INT, "timestamp one past the last frame", "time_base", nullable=True),
    Column("frames", INT, "frames of the span", "frames", nullable=True),
)
"""With `BOX`, the anchor of the clip that a row is about; see `caer_data.engine.identity`."""

BOX: Final = tuple(
    Column(f"box_{side}", FLOAT, f"target's {edge}, at the span's middle", of, nullable=True)
    for side, edge, of in (
        ("x1", "left edge", "share of the width"),
        ("y1", "top edge", "share of the height"),
        ("x2", "right edge", "share of the width"),
        ("y2", "bottom edge", "share of the height"),
    )
)
