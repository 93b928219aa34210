"""Ratings from a CSV file, for raters outside Label Studio.

    clip_id,rater,emotion,confidence
    friends-s01e01-0004-00,anna@example.org,happy,0.75

A clip may be given by its `clip_key` in place of its `clip_id`, or by both. Optional columns:
`created_at` (ISO 8601), `lead_time_s` (seconds from clip shown to answer) and
`source`, whose word `made-up` marks ratings that nobody gave; that mark goes with them into every
table, card and report.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd

from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.engine.ledger import Ledger
from caer_data.labels.accept import CSV, MADE_UP, parse_confidence, parse_seconds

REQUIRED: Final = ("clip_id", "rater", "emotion", "confidence")
OPTIONAL: Final = ("clip_key", "source", "created_at", "lead_time_s")


def read(path: Path, dataset: Dataset) -> pd.DataFrame:
    """Read and judge a CSV; return its rows, all accepted, as `tables.RATINGS`.

    The dataset is only read. Rows count from 1, the header, as a spreadsheet counts them. Names of
    raters and emotions are taken in lower case. A clip that was dealt takes answers only from the
    raters it was dealt to; any other clip takes as many different raters as the recipe's
    `annotate.raters_per_clip`, counting those of earlier files. Reading a file again replaces what
    it said before.

    Raises:
        CaerError: any mistake in the file, with its row.
    """
    dataset.require()
    clips = dataset.clips
    held = anchors.there(clips).set_index("clip_key")
    file = _File(path, _Names(clips, Ledger.of(dataset)))
    rows = [file.rating(number, cells) for number, cells in _records(path)]
    if not rows:
        raise CaerError(f"{path}: no ratings below the header; add one row a rating")
    _check_raters(path, rows, dataset)
    lengths = (held["end_s"] - held["start_s"]).to_dict()
    for row in rows:
        lead_time = row["lead_time_s"]
        row["too_fast"] = lead_time is not None and lead_time < lengths[row["clip_key"]]
    return tables.frame(tables.RATINGS, rows)


class _Names:
    """Finds the clip that a file means, whatever it was called when the file was made."""

    def __init__(self, clips: pd.DataFrame, ledger: Ledger) -> None:
        held = anchors.there(clips)
        self.today = dict(zip(held["clip_key"], held["clip_id"], strict=True))
        self.all = set(clips["clip_id"])
        self.meant = ledger.named()
        self.known = set(ledger.names)

    def key_of(self, where: str, clip_id: str, clip_key: str) -> str:
        """Key of a clip that is there today.

        Raises:
            CaerError: it is not, or the name has meant several clips.
        """
        keys = {clip_key} if clip_key else self.meant.get(clip_id, set())
        if len(keys) > 1:
            raise CaerError(
                f"{where}: '{clip_id}' has been the name of {len(keys)} clips, as builds differed; "
                "say which one in a column clip_key (see tables/keys.parquet)"
            )
        key = next(iter(keys), "")
        if key in self.today:
            return key
        said = clip_key or clip_id
        there = key in self.known or clip_id in self.all
        problem = "was dropped" if there else "is not in the dataset"
        raise CaerError(f"{where}: clip '{said}' {problem}; {_close(said, self.today.values())}")


class _File:
    """Judges one row after the other and remembers which clip a rater had before."""

    def __init__(self, path: Path, names: _Names) -> None:
        self.path = path
        self.names = names
        self.first_row: dict[tuple[str, str], int] = {}

    def rating(self, number: int, cells: dict[str, str]) -> dict[str, Any]:
        """Turn one row into a rating, or raise a CaerError that names the row."""
        where = f"{self.path}, row {number}"
        rater = cells["rater"].lower()
        key = self.names.key_of(where, cells.get("clip_id", ""), cells.get("clip_key", ""))
        clip_id = self.names.today[key]
        if not rater or any(c.isspace() or c == "=" for c in rater):
            raise CaerError(f"{where}: rater '{rater}' must be one word or address, without '='")
        emotion = cells["emotion"].lower()
        if emotion not in EMOTIONS:
            raise CaerError(f"{where}: '{cells['emotion']}' is no emotion; {_close(emotion)}")
        confidence = parse_confidence(cells["confidence"])
        if confidence is None:
            raise CaerError(
                f"{where}: confidence '{cells['confidence']}' is not a number from 0 (guess) to 1 "
                "(certain), written with a point"
            )
        source = cells.get("source") or CSV
        if source not in (CSV, MADE_UP):
            raise CaerError(f"{where}: source '{source}' is unknown; write {MADE_UP} or leave out")
        first = self.first_row.setdefault((key, rater), number)
        if first != number:
            raise CaerError(
                f"{where}: {rater} rated clip '{clip_id}' in row {first} already; keep one of them"
            )
        created_at = cells.get("created_at") or None
        if created_at is not None and not _is_time(created_at):
            raise CaerError(f"{where}: created_at '{created_at}' is not an ISO 8601 time")
        lead_time = cells.get("lead_time_s") or None
        if lead_time is not None and parse_seconds(lead_time) is None:
            raise CaerError(f"{where}: lead_time_s '{lead_time}' is not a number of seconds")
        return {
            "clip_key": key,
            "clip_id": clip_id,
            "rater": rater,
            "emotion": emotion,
            "confidence": confidence,
            "lead_time_s": parse_seconds(lead_time),
            "created_at": created_at,
            "status": "accepted",
            "edited": False,
            "source": source,
            "source_id": str(number),
        }


def _records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of the file with their number, cells stripped and named by the header."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise CaerError(f"{path}: no such file") from error
    except OSError as error:
        raise CaerError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        row = error.object[: error.start].count(b"\n") + 1
        raise CaerError(f"{path}, row {row}: not UTF-8 text; save it as 'CSV UTF-8'") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            values = [cell.strip() for cell in cells]
            if number == 1:
                header = values
                _check_header(path, header)
            elif any(values):
                if len(values) != len(header):
                    raise CaerError(
                        f"{path}, row {number}: {len(values)} cells where the header has "
                        f"{len(header)}; put quotes around cells that hold commas"
                    )
                yield number, dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise CaerError(f"{path}, row {number + 1}: not CSV ({error})") from error
    if not header:
        raise CaerError(f"{path}: the file is empty; its header is {','.join(REQUIRED)}")


def _check_header(path: Path, header: list[str]) -> None:
    named = {"clip_id"} if "clip_key" in header else set()
    missing = [name for name in REQUIRED if name not in header and name not in named]
    if missing:
        raise CaerError(
            f"{path}, row 1: no column {', '.join(missing)}; the header is {','.join(REQUIRED)}, "
            "separated by commas"
        )
    for name in header:
        if name not in REQUIRED + OPTIONAL:
            raise CaerError(
                f"{path}, row 1: unknown column '{name}'; remove it, or use one of "
                f"{', '.join(OPTIONAL)}"
            )
        if header.count(name) > 1:
            raise CaerError(f"{path}, row 1: column '{name}' stands twice; remove one")


def _check_raters(path: Path, rows: list[dict[str, Any]], dataset: Dataset) -> None:
    """Hold every clip to the raters it was dealt to, or else to the number the recipe allows."""
    allowed = dataset.recipe.annotate.raters_per_clip
    dealt: dict[Any, set[str]] = {}
    if dataset.has(tables.ASSIGNMENTS):
        dealt = dataset.assignments.groupby("clip_key")["rater"].agg(set).to_dict()
    raters: dict[Any, set[str]] = {}
    if dataset.has(tables.RATINGS):
        ratings = dataset.ratings
        accepted = ratings[ratings["status"] == "accepted"]
        made_up = accepted["source"] == MADE_UP
        raters = accepted.groupby(["clip_key", made_up])["rater"].agg(set).to_dict()
    for row in rows:
        clip_id, key, rater = row["clip_id"], row["clip_key"], row["rater"]
        where = f"{path}, row {row['source_id']}"
        if key in dealt:
            if rater not in dealt[key]:
                raise CaerError(
                    f"{where}: clip '{clip_id}' was dealt to {', '.join(sorted(dealt[key]))}, "
                    f"not to {rater}; remove the row"
                )
            continue
        known = raters.setdefault((key, row["source"] == MADE_UP), set())
        known.add(rater)
        if len(known) > allowed:
            raise CaerError(
                f"{where}: clip '{clip_id}' has {allowed} raters without {rater}; remove the row, "
                "or change annotate.raters_per_clip in the recipe"
            )


def _close(word: str, known: Any = EMOTIONS) -> str:
    """Hint at the nearest known word."""
    near = difflib.get_close_matches(word, list(known), n=1)
    if near and near[0] != word:
        return f"did you mean '{near[0]}'?"
    return (
        f"write one of {', '.join(EMOTIONS)}" if known is EMOTIONS else "see tables/clips.parquet"
    )


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
