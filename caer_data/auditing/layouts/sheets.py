"""CSV files of clips: one row per clip with its file, and a column or a file for each split."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Final

import pandas as pd

from caer_data.auditing.entries import Recognised, counted, frame, split_of
from caer_data.auditing.layouts.places import Places
from caer_data.auditing.layouts.texts import sheet
from caer_data.auditing.walk import PICTURES, VIDEOS, Files

_WORDS: Final = {
    "path": ("path", "file", "file_name", "filename", "filepath", "file_path", "video_path",
             "image_path", "clip_path", "clip", "image", "video", "name", "clip_id"),
    "split": ("split", "subset", "partition", "set", "fold"),
    "label": ("emotion", "label", "class", "category", "emotion_label"),
    "show": ("show", "series", "movie", "film"),
    "video_id": ("video_id", "episode", "source", "source_video", "youtube_id"),
    "person_id": ("person_id", "person", "speaker", "actor", "subject", "identity"),
    "shot_id": ("shot_id", "shot", "scene"),
    "start_s": ("start_s", "start", "start_time", "begin"),
    "end_s": ("end_s", "end", "end_time", "stop"),
}  # fmt: skip
"""Names that others use for our columns, the most likely first."""

_FOUND: Final = 0.5  # minimum share of rows that name a file, if there are media


def read(files: Files) -> Recognised | None:
    """Return a dataset from CSV files that list media, or clips with splits; None if none do."""
    places, media = Places(files), files.ending(*PICTURES, *VIDEOS)
    parts, names, lost = list[pd.DataFrame](), list[str](), 0
    for path in files.ending(".csv", ".tsv"):
        if path.count("/") > 2:
            continue
        entries = _entries(files, path, places)
        if entries is None:
            continue
        present = entries["path"].notna()
        if media and present.sum() < _FOUND * len(entries):
            continue
        lost += int((~present).sum())
        parts.append(entries)
        names.append(path)
    if not parts:
        return None
    unseen = counted(lost, "row names", "rows name") + " no file here; no footage to compare"
    notes = [unseen] if lost else []
    together = pd.concat(parts, ignore_index=True)
    return Recognised(f"a CSV of clips ({', '.join(names[:5])})", together, notes)


def _entries(files: Files, path: str, places: Places) -> pd.DataFrame | None:
    rows = sheet(files, path)
    found = {word: _column(rows, names) for word, names in _WORDS.items()}
    whole = split_of(PurePosixPath(path).stem)
    if found["path"] is None or (found["split"] is None and whole is None):
        return None
    folder = path.rpartition("/")[0]
    made = []
    for number, row in enumerate(rows.to_dict("records")):
        columns: dict[str, Any] = {
            w: row[c] for w, c in found.items() if c is not None and w != "path"
        }
        columns["split"] = split_of(str(columns["split"])) if found["split"] is not None else whole
        name = row[found["path"]]
        file = _file(name, places, folder) if name else None
        kind = "none" if file is None else _kind(file)
        named = {"clip_id": name or f"{path}:{number + 2}", "path": file, "kind": kind}
        made.append(columns | named)
    entries = frame(made)
    return entries[entries["split"].notna()].reset_index(drop=True)


def _column(rows: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    by_name = {str(column).strip().lower(): str(column) for column in rows.columns}
    return next((by_name[name] for name in names if name in by_name), None)


def _file(name: str, places: Places, folder: str) -> str | None:
    for suffix in ("", ".mp4", ".avi", ".jpg", ".png"):
        found = places.find(f"{name}{suffix}", folder)
        if found is not None and _kind(found) != "none":
            return found
    return None


def _kind(path: str) -> str:
    suffix = PurePosixPath(path).suffix.lower()
    return "picture" if suffix in PICTURES else "video" if suffix in VIDEOS else "none"
