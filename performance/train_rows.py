"""The rows of `train.py`: which in which order, and the file that they are added to one by one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from train_measure import Row

PLAIN = "plain port"
TELLING = (
    PLAIN,
    "bf16 channels_last, fused_kernels",
    "bf16 channels_last",
    "bf16 channels_last, fused_kernels, compile",
    "bf16 channels_last, fused_kernels, cuda_graphs",
)
"""What is measured first: the peer, the default on GPUs, and what kernels and `--compile` add."""

HEADS = ("model", "batch", "variant", "forward/s", "training/s", "to plain", "of limit")
HEADS += ("loading", "augment", "GiB")
WIDTHS = (11, 6, 50, 11, 12, 9, 9, 8, 8, 7)


@dataclass(frozen=True)
class Wanted:
    """A row to be measured."""

    model: str
    batch: int
    label: str

    @property
    def compiled(self) -> bool:
        return "compile" in self.label or "graphs" in self.label

    @classmethod
    def read(cls, text: str) -> Wanted:
        """A row as `__str__` writes it."""
        model, batch, label = text.strip().split(" ", 2)
        return cls(model, int(batch), label)

    def __str__(self) -> str:
        return f"{self.model} {self.batch} {self.label}"


def in_order(models: list[str], batches: list[int], labels: list[str]) -> list[Wanted]:
    """All rows, the most telling first; the plain port, whose steps are long, once among them."""
    first, rest = [], []
    for model in models:
        rows = [Wanted(model, batch, label) for batch in batches for label in labels]
        telling = [
            row
            for row in sorted(rows, key=lambda row: batches.index(row.batch))
            if row.label in TELLING and (row.label != PLAIN or row.batch == batches[0])
        ]
        telling.sort(key=lambda row: (batches.index(row.batch), TELLING.index(row.label)))
        first += telling
        rest += [row for row in rows if row not in telling]
    return first + rest


class Rows:
    """The rows of one machine, printed as they come; with a file, kept there, too.

    Args:
        out: a file of JSON lines, created if missing; None keeps none.
        where: machine and versions; rows of others in the file are left alone.
    """

    def __init__(self, out: Path | None, where: dict[str, Any]) -> None:
        self.out, self.where = out, where
        self.rows: list[dict[str, Any]] = []
        for line in out.read_text().splitlines() if out and out.exists() else ():
            row = json.loads(line)
            if all(row[key] == value for key, value in where.items()) and not row["failed"]:
                self.rows.append(row)
        for number, row in enumerate(self.rows):
            self._show(row, heading=number == 0)

    def __contains__(self, wanted: Wanted) -> bool:
        return any(_key(row) == wanted for row in self.rows)

    def add(self, wanted: Wanted, measured: Row) -> None:
        """Print a row and put it into the file; one that failed is tried again by the next run."""
        row = {**self.where, "model": wanted.model, **asdict(measured)}
        if self.out:
            with self.out.open("a") as stream:
                stream.write(json.dumps(row) + "\n")
        if measured.failed:
            print(f"{wanted}: {measured.failed}", flush=True)
            return
        self.rows.append(row)
        self._show(row, heading=len(self.rows) == 1)
        if self.out:
            self.out.with_suffix(".md").write_text(self.markdown())

    def plain(self, row: dict[str, Any]) -> float | None:
        """Training samples per second of the model's plain port, of the same batch if there is."""
        same = [r for r in self.rows if r["label"] == PLAIN and r["model"] == row["model"]]
        same.sort(key=lambda r: r["batch"] != row["batch"])
        return same[0]["training"] if same else None

    def markdown(self) -> str:
        lines = [HEADS, ("---",) * len(HEADS), *map(self._cells, self.rows)]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def _cells(self, row: dict[str, Any]) -> list[str]:
        plain = self.plain(row)
        return [
            row["model"],
            str(row["batch"]),
            row["label"] + (f" ({row['note']})" if row["note"] else ""),
            f"{row['forward']:,.2f}" if row["forward"] < 100 else f"{row['forward']:,.0f}",
            f"{row['training']:,.2f}" if row["training"] < 100 else f"{row['training']:,.0f}",
            f"{row['training'] / plain:.1f}" if plain else "",
            f"{row['training'] / row['limit']:.0%}",
            f"{row['loading']:.1%}",
            f"{row['augmenting']:.1%}",
            f"{row['memory'] / 2**30:.2f}",
        ]

    def _show(self, row: dict[str, Any], heading: bool) -> None:
        for line in [HEADS, self._cells(row)] if heading else [self._cells(row)]:
            cells = zip(line, WIDTHS, strict=True)
            print("".join(f"{cell:>{width}}" for cell, width in cells), flush=True)


def _key(row: dict[str, Any]) -> Wanted:
    return Wanted(row["model"], row["batch"], row["label"])
