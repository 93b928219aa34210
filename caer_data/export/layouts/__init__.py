"""Layouts of a release, one module each; `engine.release_layouts` lists them.

A layout has a word, `NAME`, and two functions. `plan` returns the future files, computed only from
tables: `clip_id, split, layout, path`, for files in an archive also `member`, and for pictures also
`from_frame` and `to_frame`. `finish` writes lists, metadata and archives once all media exist, with
the columns `COLUMNS` of the manifest.
"""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.files import write_text
from caer_data.engine.release_layouts import LAYOUTS

if TYPE_CHECKING:
    import pandas as pd

    from caer_data.engine.recipe import Export
    from caer_data.export.clip_files import ClipFile

_PATH: Final = re.compile(r"[\w.-]+/[\w./-]+", re.ASCII)


@dataclass(frozen=True)
class Wanted:
    """Input for planning the layouts.

    Attributes:
        clips: labelled clips with their `split`, by `clip_id`.
        boxes: boxes of their targets, `BOXES`.
        settings: the recipe's section on exports.
        seed: seed of all random choices.
    """

    clips: pd.DataFrame
    boxes: pd.DataFrame
    settings: Export
    seed: int


@dataclass(frozen=True)
class Finished:
    """Input for finishing a layout, after all clips were processed.

    Attributes:
        root: the unfinished release.
        rows: the layout's rows of the manifest, with the columns that it uses.
        boxes: reads the boxes of the targets, `BOXES`, which few layouts need and which are large.
        clip_files: media of each clip, by `clip_id`.
        media: whether footage is part of the release.
        lines: subtitles of the clips, `CLIP_LINES`.
        spelling: how splits and classes are spelled, see `split_folder`.
    """

    root: Path
    rows: pd.DataFrame
    boxes: Callable[[], pd.DataFrame]
    clip_files: Mapping[str, ClipFile]
    media: bool
    lines: pd.DataFrame
    spelling: str = "caer"


def is_media_path(path: str) -> bool:
    """Return whether a path can be that of a layout's media file, inside the release."""
    parts = path.split("/")
    known = any(parts[0] == layout.folder for layout in LAYOUTS.values())
    return known and _PATH.fullmatch(path) is not None and ".." not in parts


def module(word: str) -> ModuleType:
    """Return the module of a layout."""
    return importlib.import_module(f"{__name__}.{word.replace('-', '_')}")


def numbered(rows: pd.DataFrame, within: list[str]) -> pd.Series:
    """Number rows from 1 in their order, restarting in each group."""
    return rows.groupby(within, sort=False, observed=True).cumcount() + 1


def split_folder(split: str, spelling: str) -> str:
    """Return the folder of a split: `validation` as in CAER, or `val` as many loaders expect."""
    return "val" if spelling == "peers" and split == "validation" else split


def class_folder(emotion: str, spelling: str) -> str:
    """Return the folder of a class: `Anger` as in two of CAER's three splits, or `Angry`."""
    return "Angry" if spelling == "peers" and emotion == "anger" else emotion.capitalize()


def numbered_paths(rows: pd.DataFrame, folder: str, suffix: str, spelling: str) -> pd.Series:
    """Return `<folder>/<split>/<Class>/0001.<suffix>`, numbered in each split and class.

    Args:
        rows: `split, emotion`, in the order of the numbers.
        folder: folder of the layout.
        suffix: suffix of the files, without the dot.
        spelling: see `split_folder`.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    split, emotion = (pd.Categorical(rows[name]) for name in ("split", "emotion"))
    parents = [
        f"{folder}/{split_folder(one, spelling)}/{class_folder(other, spelling)}/"
        for one in split.categories
        for other in emotion.categories
    ]
    kind = split.codes.astype(int) * len(emotion.categories) + emotion.codes
    number = pa.array(numbered(rows, ["split", "emotion"])).cast(pa.string())
    digits = pc.utf8_lpad(number, 4, padding="0")
    parent = pa.array(parents, pa.string()).take(pa.array(kind))
    paths = pc.binary_join_element_wise(parent, digits, f".{suffix}", "")
    return pd.Series(paths.to_pandas().array, rows.index)


def class_folders(finished: Finished, folder: str, kind: str) -> None:
    """Create the folder of every class in every split, even if it is empty, and a card.

    Otherwise, readers that number the existing folders would assign different class ids. `datasets`
    numbers the folders that have files, so the card states the classes.

    Args:
        finished: the release.
        folder: folder of the layout.
        kind: `video` or `image`, what the files are.
    """
    import yaml

    if not finished.media:
        return
    splits = [str(split) for split in finished.rows["split"].unique()]
    for split in splits:
        for emotion in EMOTIONS:
            parent = finished.root / folder / split_folder(split, finished.spelling)
            path = parent / class_folder(emotion, finished.spelling)
            path.mkdir(parents=True, exist_ok=True)
    files = [{"split": s, "path": f"{split_folder(s, finished.spelling)}/**"} for s in splits]
    features = folder_features(kind, finished.spelling)
    config = {
        "config_name": "default",
        # `datasets` keeps what it has loaded by this header alone, so it must change with the files
        "description": f"files {_content(finished.rows)}",
        "data_files": files,
        "features": features,
    }
    card = yaml.safe_dump({"configs": [config]}, sort_keys=False)
    about = "This folder is one layout of the release above it, whose card describes it."
    write_text(finished.root / folder / "README.md", f"---\n{card}---\n\n{about}\n")


def _content(rows: pd.DataFrame) -> str:
    """Return a hash of the paths and contents of a layout's files."""
    content = hashlib.sha256()
    for path, sha256 in zip(rows["path"], rows["sha256"], strict=True):
        content.update(f"{path}\0{sha256}\n".encode())
    return content.hexdigest()[:16]


def folder_features(kind: str, spelling: str) -> list[dict[str, Any]]:
    """Return the columns of a layout with a folder per class, for a Hugging Face card.

    Args:
        kind: `video` or `image`.
        spelling: see `split_folder`.
    """
    names = {str(n): class_folder(emotion, spelling) for n, emotion in enumerate(EMOTIONS)}
    return [
        {"name": kind, "dtype": kind},
        {"name": "label", "dtype": {"class_label": {"names": names}}},
    ]


def label_lists(finished: Finished, folder: str) -> None:
    """Write `<folder>/lists/<split>.csv` with lines `train/Angry/0001.avi 0`.

    These are for loaders of the VideoMAE family. Paths are relative to `<folder>`.
    """
    place = finished.root / folder / "lists"
    place.mkdir(parents=True, exist_ok=True)
    for split, rows in finished.rows[["split", "path", "label"]].groupby(
        "split", sort=False, observed=True
    ):
        lines = [
            f"{path.removeprefix(folder + '/')} {label}\n"
            for path, label in zip(rows["path"], rows["label"], strict=True)
        ]
        name = split_folder(str(split), finished.spelling)
        write_text(place / f"{name}.csv", "".join(lines))
