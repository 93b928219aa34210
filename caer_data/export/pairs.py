"""List the evidence of an audit: pairs of clips that share footage, persons or moments."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from caer_data.engine import tables
from caer_data.engine.columns import BOOL, FLOAT, STRING, Column, Table
from caer_data.engine.files import atomic_path
from caer_data.export import duplicates
from caer_data.export.columns import distinct, with_all_columns
from caer_data.export.manifest import SPLITS
from caer_data.export.media import HASHED_AT

NAME: Final = "audit_pairs.csv"
"""File of the pairs, beside `audit.json`."""

KINDS: Final = (
    "same file",
    "same clip",
    "same shot",
    "overlapping time",
    "repeated footage",
    "near-duplicate pictures",
    "same person in two shows",
    "same face",
)

PAIRS: Final = Table(
    "audit_pairs",
    "two clips that share footage, persons or moments",
    ("part", "kind", "clip_id", "split", "of_clip_id", "of_split"),
    (
        Column("part", STRING, "release, or the layout with its own split"),
        Column("kind", STRING, "what they share", values=KINDS),
        Column("leaks", BOOL, "they are in different splits"),
        Column("clip_id", STRING, "a clip"),
        Column("split", STRING, "its split", values=SPLITS),
        Column("path", STRING, "a file of the clip", nullable=True),
        Column("start_s", FLOAT, "start of the shared part, from the source's", "s", nullable=True),
        Column("end_s", FLOAT, "until when", "s", nullable=True),
        Column("of_clip_id", STRING, "the other clip"),
        Column("of_split", STRING, "its split", values=SPLITS),
        Column("of_path", STRING, "a file of the other clip", nullable=True),
        Column("of_start_s", FLOAT, "start of the shared part there", "s", nullable=True),
        Column("of_end_s", FLOAT, "end of the shared part there", "s", nullable=True),
        Column("score", FLOAT, "similarity, at most 1; empty: not applicable", nullable=True),
    ),
)

_ALL: Final = 32
"""Maximum size of groups with all pairs listed; larger ones list one pair per clip and split."""


def find(
    manifest: pd.DataFrame, repeated: pd.DataFrame | None = None, part: str = "release"
) -> pd.DataFrame:
    """Return all pairs of a manifest, as `PAIRS`, by kind and clip.

    Args:
        manifest: as for `audit.audit`; all columns except `clip_id` and `split` may be missing.
        repeated: pairs of clips with the same footage, see `repeated.of_clips`.
        part: name of the part that the manifest describes.

    Raises:
        CaerError: `clip_id` or `split` is missing, or a split has an unknown name.
    """
    manifest = with_all_columns(manifest)
    clips = manifest.drop_duplicates(["clip_id", "split"]).reset_index(drop=True)
    found = [
        *_together(clips, "same clip", "clip_id"),
        *_together(clips, "same shot", "shot_id"),
        *_overlapping(clips),
        *_repeated(clips, repeated),
        *_near(manifest),
        *_same_person(clips),
    ]
    return _listed(found, part)


def counted(number: int) -> str:
    """Return a number of pairs in words, such as `1 pair` or `2,000 pairs`."""
    return f"{number:,} pair{'' if number == 1 else 's'}"


def nothing() -> pd.DataFrame:
    """Return an empty table of pairs."""
    return tables.empty(PAIRS)


def of_files(files: pd.DataFrame) -> pd.DataFrame:
    """Return pairs of clips in different splits with equal files, by `sha256`."""
    files = with_all_columns(files)
    return _listed(_together(files, "same file", "sha256"), "release")


def of_places(
    rows: pd.DataFrame, kind: str, found: Iterable[tuple[int, int, float]]
) -> pd.DataFrame:
    """Return pairs of rows, given by their indices and a score."""
    clips = list(tables.rows(with_all_columns(rows)))
    return _listed((_row(kind, (clips[a], clips[b]), score) for a, b, score in found), "release")


def _listed(found: Iterable[dict[str, Any]], part: str) -> pd.DataFrame:
    frame = tables.frame(PAIRS, [{"part": part, **row} for row in found])
    keys = list(PAIRS.key)
    frame = frame.assign(kind=pd.Categorical(frame["kind"], KINDS))
    frame = frame.sort_values(keys, kind="stable").drop_duplicates(keys)
    return frame.assign(kind=frame["kind"].astype(object)).reset_index(drop=True)


def write(pairs: pd.DataFrame, path: Path) -> None:
    """Write pairs as CSV, escaped so that a spreadsheet interprets no cell as a formula."""
    safe = pairs.copy()
    for name in ("clip_id", "path", "of_clip_id", "of_path"):
        cells = safe[name].astype(object)
        risky = cells.map(
            lambda cell: isinstance(cell, str) and cell[:1] in "=+-@\t\r" and cell != ""
        )
        safe[name] = cells.mask(risky, "./" + cells.astype(str))
    with atomic_path(path) as temporary:
        safe.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def _row(kind: str, pair: tuple[Any, Any], score: float | None = None) -> dict[str, Any]:
    """Return a pair of manifest rows, sorted by split, then by name."""
    sides = sorted(pair, key=lambda side: (SPLITS.index(side.split), side.clip_id))
    leaks = pair[0].split != pair[1].split
    row: dict[str, Any] = {"kind": kind, "leaks": leaks, "score": score}
    for of, side in zip(("", "of_"), sides, strict=True):
        row |= {
            f"{of}clip_id": side.clip_id,
            f"{of}split": side.split,
            f"{of}path": None if pd.isna(side.path) else side.path,
            f"{of}start_s": _number(side.start_s),
            f"{of}end_s": _number(side.end_s),
        }
    return row


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def _together(clips: pd.DataFrame, kind: str, column: str) -> Iterator[dict[str, Any]]:
    """Yield pairs of clips of one group in different splits."""
    known = clips.dropna(subset=[column])
    across = known[known.groupby(column, observed=True)["split"].transform("nunique") > 1]
    for _, group in across.groupby(column, sort=True, observed=True):
        for one, other in _across(list(tables.rows(group))):
            if kind == "same clip" or one.clip_id != other.clip_id:
                yield _row(kind, (one, other))


def _across(rows: list[Any]) -> Iterator[tuple[Any, Any]]:
    if len(rows) <= _ALL:
        yield from (
            (one, other)
            for one, other in itertools.combinations(rows, 2)
            if one.split != other.split
        )
        return
    first = {row.split: row for row in reversed(rows)}
    for row in rows:
        yield from (
            (row, first[split]) for split in SPLITS if split in first and split != row.split
        )


def _overlapping(clips: pd.DataFrame) -> Iterator[dict[str, Any]]:
    columns = ["video_id", "start_pts", "end_pts", "split", "clip_id", "path", "start_s", "end_s"]
    timed = clips[columns].dropna(subset=columns[:4])
    open_until: list[Any] = []
    current = None
    for clip in tables.rows(timed.sort_values(["video_id", "start_pts", "end_pts", "clip_id"])):
        before = open_until if clip.video_id == current else []
        open_until = [other for other in before if other.end_pts > clip.start_pts][-_ALL:]
        for other in open_until:
            if other.split != clip.split and other.clip_id != clip.clip_id:
                yield _row("overlapping time", (other, clip))
        open_until.append(clip)
        current = clip.video_id


def _repeated(clips: pd.DataFrame, found: pd.DataFrame | None) -> Iterator[dict[str, Any]]:
    if found is None or found.empty:
        return
    concerned = clips["clip_id"].isin(found["clip_id"]) | clips["clip_id"].isin(found["of_clip_id"])
    of_clip: defaultdict[str, list[Any]] = defaultdict(list)
    for row in tables.rows(clips[concerned]):
        of_clip[row.clip_id].append(row)
    for pair in tables.rows(found):
        for one in of_clip[pair.clip_id]:
            for other in of_clip[pair.of_clip_id]:
                yield _row(
                    "repeated footage",
                    (
                        _at(one, pair.start_s, pair.seconds),
                        _at(other, pair.of_start_s, pair.seconds),
                    ),
                    pair.score,
                )


def _at(row: Any, start: float, seconds: float = 0.0) -> Any:
    """Return a copy of a row that refers to a part of the clip."""
    return row._replace(start_s=start, end_s=start + seconds)


def _near(manifest: pd.DataFrame) -> Iterator[dict[str, Any]]:
    keys = ["clip_id", "split", "perceptual_hash"]
    columns = [*keys, "path", "frame", "fps", "start_s", "end_s"]
    hashed = distinct(manifest[columns].dropna(subset=["perceptual_hash"]), keys)
    values, of_row = duplicates.listed(hashed["perceptual_hash"])
    if not len(values):
        return
    sides = hashed["split"].map(SPLITS.index).to_numpy(np.int8)[of_row]
    number = np.arange(len(values)) - np.searchsorted(of_row, of_row)
    one, other, bits = duplicates.every(values, sides)
    at = np.unique(np.concatenate([of_row[one], of_row[other]]))
    rows = dict(zip(at.tolist(), tables.rows(hashed.iloc[at]), strict=True))
    listed: set[tuple[int, int]] = set()
    for a, b, different in zip(one.tolist(), other.tolist(), bits.tolist(), strict=True):
        first, second = int(of_row[a]), int(of_row[b])
        if (first, second) not in listed and (second, first) not in listed:
            listed.add((first, second))
            shown = _shown(rows[first], int(number[a])), _shown(rows[second], int(number[b]))
            yield _row("near-duplicate pictures", shown, 1 - different / 64)


def _shown(row: Any, number: int) -> Any:
    """Return a copy of a row that refers to the time of one of its pictures."""
    if pd.isna(row.start_s) or pd.isna(row.end_s):
        return row
    if not pd.isna(row.frame) and not pd.isna(row.fps):
        return _at(row, row.start_s + float(int(row.frame) / Fraction(row.fps)))
    many = row.perceptual_hash.count(" ") + 1
    share = HASHED_AT[number] if many == len(HASHED_AT) else (number + 0.5) / many
    return _at(row, row.start_s + share * (row.end_s - row.start_s))


def _same_person(clips: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield one pair of clips for each person who occurs in two shows."""
    known = clips.dropna(subset=["identity", "person_id", "show"])
    known = known[known.groupby("identity", observed=True)["show"].transform("nunique") > 1]
    firsts = known.drop_duplicates(["identity", "person_id", "split"])
    for _, group in firsts.groupby("identity", sort=True, observed=True):
        for one, other in itertools.combinations(list(tables.rows(group))[:_ALL], 2):
            if one.show != other.show:
                yield _row("same person in two shows", (one, other))
