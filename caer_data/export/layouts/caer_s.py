"""The layout of CAER-S: frames in the split of their clip, with lists of boxes for loaders.

Pictures are `CAER-S/{train,validation,test}/{Anger,...}/0001.png`. Beside the split folders, one
text file per split has a line per picture: `Anger/0001.png,0,x1,y1,x2,y2`. Published loaders differ
in the folder to which these paths are relative, so the spelling `peers` has both kinds of list; see
`write_lists`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd

from caer_data.engine.files import write_text
from caer_data.export import frames
from caer_data.export.layouts import (
    Finished,
    Wanted,
    class_folders,
    label_lists,
    numbered_paths,
    split_folder,
)

NAME = "caer-s"

COLUMNS: Final = ("split", "path", "sha256", "label", "x1", "y1", "x2", "y2")


def plan(wanted: Wanted) -> pd.DataFrame:
    """Return pictures spread over each clip, from frames in which its target has a box."""
    count = frames.number(wanted.clips, wanted.settings.frames_per_clip)
    rows = frames.stretches(wanted.clips, wanted.boxes, count)
    of_clip = pd.Index(wanted.clips["clip_id"]).get_indexer(rows["clip_id"])
    for name in ("split", "emotion"):
        rows[name] = wanted.clips[name].array.take(of_clip)
    return picture_paths(rows, "CAER-S", wanted.settings.spelling).assign(layout=NAME)


def finish(finished: Finished) -> None:
    """Write the box lists."""
    write_lists(finished, "CAER-S")


def picture_paths(rows: pd.DataFrame, folder: str, spelling: str) -> pd.DataFrame:
    """Return the pictures with paths, numbered from 0001 in each split and class."""
    rows["path"] = numbered_paths(rows, folder, "png", spelling)
    return rows.drop(columns="emotion")


def write_lists(finished: Finished, folder: str) -> None:
    """Write `<folder>/<split>.txt`, with paths relative to the split's folder.

    With the spelling `peers`, its paths include the split's folder, and lists with paths relative
    to that are in `<folder>/lists/`.
    """
    class_folders(finished, folder, "image")
    peers = finished.spelling == "peers"
    columns = ["split", "path", "label", "x1", "y1", "x2", "y2"]
    for split, rows in finished.rows[columns].groupby("split", sort=False, observed=True):
        name = split_folder(str(split), finished.spelling)
        whole, below = f"{folder}/", f"{folder}/{name}/"
        _write_boxes(finished.root / folder / f"{name}.txt", rows, whole if peers else below)
        if peers:
            _write_boxes(finished.root / folder / f"lists/{name}.txt", rows, below)
    if peers and finished.media:
        label_lists(finished, folder)


def _write_boxes(path: Path, rows: pd.DataFrame, prefix: str) -> None:
    sides = (rows[name].to_numpy(object) for name in ("x1", "y1", "x2", "y2"))
    columns = zip(rows["path"].to_numpy(object), rows["label"], *sides, strict=True)
    lines = [
        f"{file.removeprefix(prefix)},{label},{x1},{y1},{x2},{y2}\n"
        for file, label, x1, y1, x2, y2 in columns
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(lines))
