"""Lists of files by split: `train.txt` with lines such as `Anger/0001.png,0,x1,y1,x2,y2`."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from caer_data.auditing.entries import Recognised, counted, emotion_of, frame, split_of
from caer_data.auditing.layouts.places import Places
from caer_data.auditing.layouts.texts import text_of
from caer_data.auditing.walk import PICTURES, VIDEOS, Files

_FOUND = 0.5  # minimum share of lines that name a file
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
    if not _named(rows):  # so they are no classes
        rows = [{**row, "label": row["number"]} for row in rows]
    ignored = counted(lost, "line that names", "lines that name") + " no file, ignored"
    notes = [ignored] if lost else []
    found = [{name: cell for name, cell in row.items() if name != "number"} for row in rows]
    return Recognised(f"lists of files by split ({', '.join(lists)})", frame(found), notes)


def _named(rows: list[dict[str, Any]]) -> bool:
    """Return whether folders are named after classes: one name for each number in the lists."""
    pairs = {
        (emotion_of(row["label"]) or row["label"], row["number"])
        for row in rows
        if row["number"] is not None
    }
    return all(len({pair[side] for pair in pairs}) == len(pairs) for side in (0, 1))


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
