"""DFEW (Jiang et al. 2020): five folds of lists, clips as videos or as folders of pictures."""

from __future__ import annotations

import re
from typing import Any, Final

from caer_data.auditing.entries import Recognised, frame
from caer_data.auditing.layouts.texts import sheet
from caer_data.auditing.walk import PICTURES, VIDEOS, Files

_LIST: Final = re.compile(r"(?:.*/)?(train|test)\(single-labeled\)/set_([1-5])\.csv")
_LABELS: Final = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
"""Classes in the order of their numbers, which start at 1."""


def read(files: Files) -> Recognised | None:
    """Return the first fold that has both lists; None if this is not DFEW."""
    lists: dict[str, dict[str, str]] = {}
    for path in files.ending(".csv"):
        named = _LIST.fullmatch(path)
        if named is not None:
            lists.setdefault(named[2], {})[named[1]] = path
    whole = sorted(fold for fold, of in lists.items() if len(of) == 2)
    if not whole:
        return None
    media = _media(files)
    rows: list[dict[str, Any]] = []
    for split, path in lists[whole[0]].items():
        table = sheet(files, path)
        if not {"video_name", "label"} <= set(table.columns):
            return None
        rows += [
            _row(str(row["video_name"]), row["label"], split, media)
            for row in table.to_dict("records")
        ]
    entries = frame(rows)
    missing = int(entries["path"].isna().sum())
    notes = [f"fold {whole[0]} of {len(whole)} is audited; all folds have the same clips"]
    if missing:
        notes.append(f"{missing:,} of {len(entries):,} clips missing")
    return Recognised("DFEW", entries, notes)


def _media(files: Files) -> dict[str, tuple[str, str]]:
    """Return the kind and path of each clip, by number; videos are preferred to picture folders."""
    found: dict[str, tuple[str, str]] = {}
    for path in files.ending(*PICTURES):
        folder, _, _ = path.rpartition("/")
        number = _number(folder.rpartition("/")[2])
        if number:
            found.setdefault(number, ("frames", folder))
    for path in files.ending(*VIDEOS):
        number = _number(path.rpartition("/")[2].rpartition(".")[0])
        if number and found.get(number, ("frames", ""))[0] == "frames":
            found[number] = ("video", path)
    return found


def _number(name: str) -> str | None:
    plain = name.lstrip("0")
    return plain if plain.isascii() and plain.isdigit() else None


def _row(name: str, label: Any, split: str, media: dict[str, tuple[str, str]]) -> dict[str, Any]:
    kind, path = media.get(_number(name) or "", ("none", None))
    known = str(label) in "1234567" and len(str(label)) == 1
    return {
        "clip_id": name,
        "path": path,
        "kind": kind,
        "split": split,
        "label": _LABELS[int(label) - 1] if known else label,
    }
