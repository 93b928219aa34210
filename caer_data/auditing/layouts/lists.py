"""Lists of files by split: `train.txt` with lines such as `Anger/0001.png,0,x1,y1,x2,y2`."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import Any

from caer_data.auditing.entries import Recognised, counted, emotion_of, frame, split_of
from caer_data.auditing.layouts.places import Places
from caer_data.auditing.layouts.texts import text_of
from caer_data.auditing.walk import PICTURES, VIDEOS, Files

_FOUND = 0.5  # minimum share of lines that name a file
_SLIPS = 0.2  # maximum share of lines with a wrong number if folders are named after classes
_LOOKED_AT = 200  # number of lines checked to decide whether a text is a list


def read(files: Files) -> Recognised | None:
    """Return a dataset with lists for at least two splits; None if there are none."""
    places = Places(files)
    lists = {
        path: split
        for path in files.ending(".txt", ".lst")
        if (split := split_of(PurePosixPath(path).stem))
        and _is_list(text_of(files, path), path, split, places)
    }
    if len(set(lists.values())) < 2:
        return None
    rows: list[dict[str, Any]] = []
    lost = 0
    for path, split in lists.items():
        for line in text_of(files, path).splitlines():
            row = _row(line, path, split, places)
            if row is not None:
                rows.append(row)
            elif line.strip():
                lost += 1
    ignored = counted(lost, "line that names", "lines that name") + " no file, ignored"
    notes = [ignored] if lost else []
    against = _against_folders(rows)
    if against > _SLIPS * len(rows):  # so folders are no classes
        rows = [{**row, "label": row["number"]} for row in rows]
        notes.append("classes are the numbers in the lists, since folders are not named after them")
        if bare := sum(row["number"] is None for row in rows):
            notes.append(counted(bare, "line has", "lines have") + " no number, so no class")
    elif against:
        disagree = counted(against, "line has", "lines have")
        notes.append(f"{disagree} a number of another class than the folder; the folder is used")
    found = [{name: cell for name, cell in row.items() if name != "number"} for row in rows]
    return Recognised(f"lists of files by split ({', '.join(lists)})", frame(found), notes)


def _against_folders(rows: list[dict[str, Any]]) -> int:
    """Return how many lines disagree if folders are classes, each with its most frequent number.

    A single folder for several numbers is no class, even if most lines have the same number.
    """
    pairs = Counter(
        (emotion_of(row["label"]) or row["label"], row["number"])
        for row in rows
        if row["number"] is not None
    )
    names, numbers, agreeing = set(), set(), 0
    for (name, number), count in pairs.most_common():
        if name not in names and number not in numbers:
            names.add(name)
            numbers.add(number)
            agreeing += count
    alone = len(names) == 1 and len({number for _, number in pairs}) > 1
    return pairs.total() - (0 if alone else agreeing)


def _is_list(text: str, path: str, split: str, places: Places) -> bool:
    lines = [line for line in text.splitlines() if line.strip()][:_LOOKED_AT]
    found = sum(_row(line, path, split, places) is not None for line in lines)
    return bool(lines) and found >= _FOUND * len(lines)


def _row(line: str, path: str, split: str, places: Places) -> dict[str, Any] | None:
    cells = line.strip().split(",") if "," in line else line.strip().rsplit(maxsplit=1)
    folder = path.rpartition("/")[0]
    for name, rest in ((cells[0], cells[1:]), (line.strip(), [])) if cells else ():
        bases = (folder, f"{folder}/{split}".strip("/"), split)
        found = places.find(name, *bases)
        suffix = PurePosixPath(found).suffix.lower() if found else ""
        if suffix in (*PICTURES, *VIDEOS):
            box = dict(zip(("y1", "y2"), (rest[2], rest[4]), strict=True)) if len(rest) >= 5 else {}
            return {
                "clip_id": found,
                "path": found,
                "kind": "picture" if suffix in PICTURES else "video",
                "split": split,
                "label": _label(rest, name),
                "number": rest[0].strip() if rest else None,
                **box,
            }
    return None


def _label(rest: list[str], name: str) -> str | None:
    """Return the class; a folder's name is preferred to a number."""
    above = name.replace("\\", "/").split("/")[:-1]
    if above and split_of(above[-1]) is None:
        return above[-1]
    return rest[0].strip() if rest else None
