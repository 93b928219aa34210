"""Ratings from a CSV file, for raters outside Label Studio.

    clip_id,rater,emotion,confidence
    friends-s01e01-0004-00,anna@example.org,happy,0.75

A clip may be given by its `clip_key` instead of its `clip_id`, or by both. Optional columns:
`created_at` (ISO 8601), `lead_time_s` (seconds from clip shown to answer) and
`source`, whose value `made-up` marks ratings that no person gave. The mark is kept in every table,
card and report.

Common variants written by spreadsheets and survey services are recognised (`reading`, `columns`,
`cells`) and reported to the user.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd

from caer_data.engine import anchors, files, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.engine.forgotten import Forgotten
from caer_data.engine.ledger import Ledger
from caer_data.labels import columns, reading
from caer_data.labels.cells import SYNONYMS, Scale, point
from caer_data.labels.validate import CSV, MADE_UP, parse_confidence, parse_seconds

SHOWN: Final = 20
"""Maximum number of mistakes shown; if there are more, all are written to a file beside it."""


@dataclass(frozen=True)
class ImportOptions:
    """The user's options for reading a file."""

    columns: Sequence[tuple[str, str]] = ()
    """Pairs of our column name and the file's."""
    scale: Scale = field(default_factory=Scale)
    synonyms: bool = False
    encoding: str | None = None


def read(
    path: Path,
    dataset: Dataset,
    options: ImportOptions | None = None,
    say: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Read and validate a file; return its rows, all accepted, as `tables.RATINGS`.

    The dataset is not changed. Rows are numbered as in a spreadsheet: the header is row 1. Names of
    raters and emotions are converted to lower case. An assigned clip accepts answers only from the
    raters it was assigned to. Any other clip accepts at most `annotate.raters_per_clip` (in the
    recipe) different raters, including those of earlier files. Reading a file again replaces its
    earlier ratings.

    Args:
        path: the file.
        dataset: contains the clips.
        options: how to read the file.
        say: receives one sentence about what was recognised.

    Raises:
        CaerError: the file has mistakes, listed with their rows. If there are more than `SHOWN`,
            all are written to `<file>.mistakes.txt`.
    """
    dataset.require()
    options = options or ImportOptions()
    clips = dataset.clips
    held = anchors.present(clips).set_index("clip_key")
    sheet = reading.load(path, options.encoding)
    records = columns.named(path, sheet, options.columns)
    if say and sheet.recognised:
        say(f"{path}: {'; '.join(sheet.recognised)}.")
    file = _File(path, _Names(clips, Ledger.of(dataset)), options, sheet.separator == ";")
    rows, mistakes = [], sheet.mistakes
    records, left_out = _without_forgotten(list(records), dataset)
    if say and left_out:
        say(f"{path}: skipped {left_out:,} ratings of forgotten clips or raters.")
    for number, cells in records:
        try:
            rows.append(file.rating(number, cells))
        except CaerError as error:
            mistakes.append(str(error))
    mistakes += _wrong_raters(path, rows, dataset)
    _refuse(path, mistakes)
    if not rows and not left_out:
        raise CaerError(f"{path}: no ratings below the header; add one row per rating")
    lengths = (held["end_s"] - held["start_s"]).to_dict()
    for row in rows:
        lead_time = row["lead_time_s"]
        row["too_fast"] = lead_time is not None and lead_time < lengths[row["clip_key"]]
    return tables.frame(tables.RATINGS, rows)


def _without_forgotten(
    records: list[tuple[int, dict[str, str]]], dataset: Dataset
) -> tuple[list[tuple[int, dict[str, str]]], int]:
    """Return the records of clips and raters that are not forgotten, and the number of others."""
    known, folder = Forgotten.of(dataset.folder), dataset.folder
    kept = [
        (number, cells)
        for number, cells in records
        if not known.hides(folder, cells["rater"].lower())
        and cells.get("clip_key") not in known.clips
        and not known.hides_clip(folder, cells.get("clip_id", ""))
    ]
    return kept, len(records) - len(kept)


def _refuse(path: Path, mistakes: list[str]) -> None:
    """Raise a CaerError that lists the mistakes of a file, if there are any."""
    if len(mistakes) == 1:
        raise CaerError(mistakes[0])
    if not mistakes:
        return
    lines = [" ".join(mistake.split()) for mistake in mistakes]
    text = f"{path}: {len(lines)} mistakes, so nothing was imported"
    if len(lines) > SHOWN:
        listed = path.with_name(f"{path.name}.mistakes.txt")
        files.write_text(listed, "\n".join(lines) + "\n")
        text += f"; the first {SHOWN} are shown, all are in {listed}"
    raise CaerError("\n".join([f"{text}:", *lines[:SHOWN]]))


class _Names:
    """Finds the clip that a row refers to, even under a name from an earlier build."""

    def __init__(self, clips: pd.DataFrame, ledger: Ledger) -> None:
        held = anchors.present(clips)
        self.today = dict(zip(held["clip_key"], held["clip_id"], strict=True))
        self.all = set(clips["clip_id"])
        self.meant = ledger.named()
        self.known = set(ledger.names)

    def key_of(self, where: str, clip_id: str, clip_key: str) -> str:
        """Return the key of a clip of the current build.

        Raises:
            CaerError: the clip is not in the current build, or its name has referred to several.
        """
        if not (clip_key or clip_id):
            raise CaerError(f"{where}: no clip is named; if this is not a rating, remove the row")
        keys = {clip_key} if clip_key else self.meant.get(clip_id, {clip_id})
        if len(keys) > 1:
            raise CaerError(
                f"{where}: '{clip_id}' has been the name of {len(keys)} clips in different builds; "
                "say which one in a column clip_key (see tables/keys.parquet)"
            )
        key = next(iter(keys), "")
        if key in self.today:
            return key
        said = clip_key or clip_id
        exists = key in self.known or clip_id in self.all
        problem = "was dropped" if exists else "is not in the dataset"
        raise CaerError(f"{where}: clip '{said}' {problem}; {_close(said, self.today.values())}")


class _File:
    """Validates the rows one by one and remembers which clips each rater has rated."""

    def __init__(self, path: Path, names: _Names, options: ImportOptions, commas: bool) -> None:
        self.path = path
        self.options = options
        self.commas = commas  # commas are decimal, because semicolons separate the cells
        self.names = names
        self.first_row: dict[tuple[str, str], int] = {}

    def rating(self, number: int, cells: dict[str, str]) -> dict[str, Any]:
        """Return one row as a rating, or raise a CaerError that names the row."""
        where = f"{self.path}, row {number}"
        rater = cells["rater"].lower()
        key = self.names.key_of(where, cells.get("clip_id", ""), cells.get("clip_key", ""))
        clip_id = self.names.today[key]
        if not rater or any(c.isspace() or c == "=" for c in rater):
            raise CaerError(f"{where}: rater '{rater}' must be one word or address, without '='")
        emotion = self._emotion(where, cells["emotion"])
        confidence = parse_confidence(self.options.scale.share(cells["confidence"]))
        if confidence is None:
            raise CaerError(
                f"{where}: confidence '{cells['confidence']}' is not a number from "
                f"{self.options.scale}; write the number alone, or name another scale with "
                "--confidence-scale, such as 1..5"
            )
        source = cells.get("source") or CSV
        if source not in (CSV, MADE_UP):
            raise CaerError(
                f"{where}: source '{source}' is unknown; write {MADE_UP} or leave the cell empty"
            )
        first = self.first_row.setdefault((key, rater), number)
        if first != number:
            raise CaerError(
                f"{where}: {rater} already rated clip '{clip_id}' in row {first}; keep one of them"
            )
        created_at = cells.get("created_at") or None
        if created_at is not None and not _is_time(created_at):
            raise CaerError(
                f"{where}: created_at '{created_at}' is not an ISO 8601 time, such as "
                "2026-03-01T10:00:00; write it so, or leave the column out"
            )
        lead_time = point(cells.get("lead_time_s") or "", certain=self.commas) or None
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

    def _emotion(self, where: str, cell: str) -> str:
        """Return one of the seven emotions; synonyms count only if they are allowed."""
        emotion = cell.lower()
        if emotion in EMOTIONS:
            return emotion
        meant = SYNONYMS.get(emotion)
        if meant and self.options.synonyms:
            return meant
        hint = f"add --synonyms to read it as '{meant}'" if meant else _close(emotion)
        raise CaerError(f"{where}: '{cell}' is not an emotion; {hint}")


def _wrong_raters(path: Path, rows: list[dict[str, Any]], dataset: Dataset) -> list[str]:
    """Return the mistakes of clips rated by raters they were not assigned to, or by too many."""
    mistakes = []
    allowed = dataset.recipe.annotate.raters_per_clip
    assigned: dict[Any, set[str]] = {}
    if dataset.has(tables.ASSIGNMENTS):
        assigned = (
            dataset.assignments.groupby("clip_key", observed=True)["rater"].agg(set).to_dict()
        )
    raters: dict[Any, set[str]] = {}
    if dataset.has(tables.RATINGS):
        ratings = dataset.ratings
        accepted = ratings[ratings["status"] == "accepted"]
        made_up = accepted["source"] == MADE_UP
        raters = accepted.groupby(["clip_key", made_up], observed=True)["rater"].agg(set).to_dict()
    for row in rows:
        clip_id, key, rater = row["clip_id"], row["clip_key"], row["rater"]
        where = f"{path}, row {row['source_id']}"
        if key in assigned:
            if rater not in assigned[key]:
                mistakes.append(
                    f"{where}: clip '{clip_id}' was assigned to "
                    f"{', '.join(sorted(assigned[key]))}, not to {rater}; remove the row"
                )
            continue
        known = raters.setdefault((key, row["source"] == MADE_UP), set())
        known.add(rater)
        if len(known) > allowed:
            mistakes.append(
                f"{where}: clip '{clip_id}' has {allowed} raters without {rater}, as many as "
                "annotate.raters_per_clip in the recipe allows; remove the row, or raise that"
            )
    return mistakes


def _close(word: str, known: Any = EMOTIONS) -> str:
    """Return a hint at the nearest known word."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
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
