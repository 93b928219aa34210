"""Read datasets: releases of caer-data, the released CAER / CAER-S trees, and box lists.

Three layouts are recognised, in this order:

1. a release of `caer-data export`: `manifest.parquet` beside `CAER/` or `CAER-S/`;
2. a tree `{train,validation,test}/<Class>/file`, the folder itself or its `CAER` / `CAER-S`;
3. such a tree with box lists `train.txt`, `test.txt` beside the split folders, inside them, or
   beside the tree: lines `Class/0001.png,label,x1,y1,x2,y2`, with the path relative to the split
   folder, and the box in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from caer_data.benchmark.data.samples import NO_BOXES, SPLITS, Boxes, Sample, Source
from caer_data.engine import bounded, ownership, parquet
from caer_data.engine.emotions import EMOTIONS, LABELS
from caer_data.engine.errors import CaerError
from caer_data.engine.files import inside
from caer_data.export import manifest as manifests
from caer_data.labels import vote_text

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["clips", "images"]

EXTENSIONS: Final[dict[Kind, frozenset[str]]] = {
    "clips": frozenset({".mp4", ".avi", ".mkv", ".mov", ".webm"}),
    "images": frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"}),
}
TREES: Final[dict[Kind, str]] = {"clips": "CAER", "images": "CAER-S"}
LAYOUTS: Final[dict[Kind, str]] = {"clips": "caer", "images": "caer-s"}

# The released train folder says Angry, its test folder Anger; AFEW says Angry too.
_ALIASES: Final = {
    "angry": "anger",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}
_SPLIT_FOLDERS: Final = {
    "train": ("train",),
    "validation": ("validation", "val", "valid"),
    "test": ("test",),
}
VALIDATION_SHARE: Final = 1 / 8  # 10 of the paper's 80 % that are not test


def read(folder: Path, kind: Kind) -> Source:
    """Return the clips or pictures of a release.

    Raises:
        CaerError: nothing of this kind exists, a class folder is missing, a list or a table is
            damaged or has impossible rows, or a split is empty.
    """
    tree = check(folder, kind)
    if ownership.is_release(folder):
        manifests.check(folder)
    if (folder / "manifest.parquet").is_file() and tree != folder:
        source = _from_manifest(folder, tree, kind)
    else:
        source = _from_tree(folder, tree, kind)
    source = _with_validation(source)
    source.require_splits()
    missing = source.untrained_classes()
    if missing:
        note = f"No training sample of {', '.join(missing)}: these classes cannot be learned."
        source = replace(source, notes=(*source.notes, note))
    return source


def check(folder: Path, kind: Kind) -> Path:
    """Check that a folder is a release with clips or pictures, without reading files.

    Returns:
        The folder with the split folders.

    Raises:
        CaerError: it is not such a release.
    """
    if folder.is_file():
        raise CaerError(f"{folder}: this is a file; name the folder that contains it")
    if not folder.is_dir():
        raise CaerError(
            f"{folder}: no such folder; name the folder that 'caer-data export' wrote, "
            "or that contains CAER/ or CAER-S/"
        )
    tree = _tree(folder, kind)
    if tree is None or not has(folder, kind):
        raise CaerError(
            f"{folder}: no {kind} in {TREES[kind]}/train; this model needs {kind}: run 'caer-data "
            f"export --split --layout {LAYOUTS[kind]}', or 'caer-data rebuild' if the release "
            "has no media"
        )
    return tree


def has(folder: Path, kind: Kind) -> bool:
    """Return whether a release contains clips, or pictures."""
    tree = _tree(folder, kind)
    return tree is not None and any(_media(tree / "train", kind))


def class_of(folder_name: str) -> int | None:
    """Return the class id of a class folder's name; None if it is not a class."""
    name = folder_name.lower()
    return LABELS.get(_ALIASES.get(name, name))


def _tree(folder: Path, kind: Kind) -> Path | None:
    """Return the folder with the split folders; None if there is none."""
    return next((t for t in (folder / TREES[kind], folder) if (t / "train").is_dir()), None)


def _media(folder: Path, kind: Kind) -> Iterator[Path]:
    return (p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS[kind])


def _from_manifest(folder: Path, tree: Path, kind: Kind) -> Source:
    manifest = _table(folder / "manifest.parquet", _MANIFEST)
    files = manifest["path"].astype("string")
    own = files.str.startswith(f"{tree.name}/").fillna(False)
    rows = manifest[own].sort_values("path")
    unknown = sorted(set(rows["emotion"].astype(str)) - set(EMOTIONS))
    if unknown or not len(rows):
        raise CaerError(
            f"{folder / 'manifest.parquet'}: "
            + (f"unknown classes {unknown}" if unknown else f"lists nothing below {tree.name}/")
            + "; export the release again"
        )
    boxes = _release_boxes(folder, tree) if kind == "clips" else {}
    samples = []
    for row in rows.to_dict("records"):
        clip_id = str(row["clip_id"])
        if kind == "images":
            box = [0.0, *(_number(row.get(c)) for c in ("x1", "y1", "x2", "y2"))]
            known = np.asarray([box], np.float32) if np.isfinite(box).all() else NO_BOXES
        else:
            known = boxes.get(clip_id, NO_BOXES)
        samples.append(
            Sample(
                sample_id=clip_id if kind == "clips" else str(row["path"]),
                path=inside(folder, str(row["path"])),
                split=str(row["split"]),
                label=LABELS[str(row["emotion"])],
                boxes=known,
                clip_id=clip_id,
                group=str(row.get("video_id", clip_id)),
                sha256=_text(row.get("sha256")),
                show=_text(row.get("show")),
                episode=_text(row.get("episode")),
                video=_text(row.get("video_id")),
                person=_text(row.get("person_id")),
                votes=_votes(row.get("votes")),
            )
        )
    made_up = "made_up" in rows and bool(rows["made_up"].fillna(False).any())
    return Source(folder.resolve().name, kind, tuple(samples), made_up=made_up)


_MANIFEST = ("clip_id", "path", "split", "emotion")
_BOXES = ("clip_id", "frame", "x1", "y1", "x2", "y2")


def _table(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    """Return a table of a release, which is not trusted.

    Raises:
        CaerError: it cannot be read, lacks a column, or names an impossible file.
    """
    names = [str(name) for name in parquet.schema_of(path).names]
    missing = [name for name in needed if name not in names]
    if missing:
        raise CaerError(f"{path}: lacks the columns {missing}; export the release again")
    table: pd.DataFrame = bounded.read(path, names).to_pandas()
    if "path" in needed and table["path"].astype(str).str.contains("\0", regex=False).any():
        raise CaerError(f"{path}: a path contains a NUL; fetch the release again")
    return table


def _number(cell: object) -> float:
    """Return a coordinate of a box; NaN if it is not a number."""
    return float(cell) if isinstance(cell, int | float | np.number) else float("nan")


def _text(cell: object) -> str:
    return cell if isinstance(cell, str) else ""  # an empty cell is None or NaN


def _votes(cell: object) -> str:
    """Return votes as text, also from a manifest that stores them as a list of records."""
    if isinstance(cell, str) or not isinstance(cell, list | np.ndarray):
        return _text(cell)
    return vote_text.render(
        vote_text.Vote(
            vote["rater"],
            vote["emotion"],
            math.nan if vote["confidence"] is None else vote["confidence"],
        )
        for vote in cell
    )


def _release_boxes(folder: Path, tree: Path) -> dict[str, Boxes]:
    paths = (tree / "boxes.parquet", folder / "boxes.parquet")
    path = next((file for file in paths if file.is_file()), None)
    if path is None:
        return {}
    table = _table(path, _BOXES)
    table = table.assign(clip_id=table["clip_id"].astype(str)).sort_values(["clip_id", "frame"])
    try:
        numbers = table[["frame", "x1", "y1", "x2", "y2"]].to_numpy(np.float32)
    except (TypeError, ValueError) as error:
        raise CaerError(f"{path}: a box is not numeric; fetch the release again") from error
    if not np.isfinite(numbers).all():
        raise CaerError(f"{path}: a box is not finite; fetch the release again")
    clips = table["clip_id"].to_numpy(object)
    starts = np.flatnonzero(np.append(True, clips[1:] != clips[:-1]))
    return (
        dict(zip(clips[starts], np.split(numbers, starts[1:]), strict=True)) if len(clips) else {}
    )


def _from_tree(folder: Path, tree: Path, kind: Kind) -> Source:
    samples: list[Sample] = []
    notes: list[str] = []
    for split in SPLITS:
        split_folder = next((tree / n for n in _SPLIT_FOLDERS[split] if (tree / n).is_dir()), None)
        if split_folder is None:
            if split == "validation":
                continue
            raise CaerError(f"{tree / split}: no such folder; a tree needs train/ and test/")
        classes = _class_folders(split_folder)
        box_list = _box_list(folder, tree, split_folder, split)
        if box_list is not None:
            listed = list(_listed(box_list, split_folder, split))
            samples += listed
            unlisted = sum(1 for _ in _files(classes, kind)) - len(listed)
            if unlisted > 0:
                notes.append(f"{unlisted} {kind} of {split} are not in {box_list.name}: ignored.")
        else:
            samples += [
                Sample(path.relative_to(tree).as_posix(), path, split, label)
                for label, path in _files(classes, kind)
            ]
    name = folder.resolve().name
    return Source(name, kind, tuple(samples), notes=tuple(notes))


def _class_folders(split_folder: Path) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for path in sorted(p for p in split_folder.iterdir() if p.is_dir()):
        label = class_of(path.name)
        if label is None:
            raise CaerError(
                f"{path}: not a class; class folders are {', '.join(e.title() for e in EMOTIONS)}"
            )
        if label in found:
            raise CaerError(f"{path} and {found[label]} are the same class; merge them")
        found[label] = path
    missing = [e.title() for label, e in enumerate(EMOTIONS) if label not in found]
    if missing:
        lack = f"{split_folder}: no class folder {' and no '.join(missing)}"
        release = split_folder.parent.parent
        if (release / "manifest.parquet").is_file():
            raise CaerError(f"{lack}; name the release itself, {release}")
        raise CaerError(f"{lack}; create an empty folder for a class without files")
    return found


def _files(classes: dict[int, Path], kind: Kind) -> Iterator[tuple[int, Path]]:
    for label, class_folder in sorted(classes.items()):
        for path in sorted(class_folder.iterdir()):
            if path.suffix.lower() in EXTENSIONS[kind] and not path.name.startswith("."):
                yield label, path


def _box_list(folder: Path, tree: Path, split_folder: Path, split: str) -> Path | None:
    names = dict.fromkeys([f"{split}.txt", f"{split_folder.name}.txt"])
    lists = [parent / name for parent in (tree, split_folder, folder) for name in names]
    return next((path for path in lists if path.is_file()), None)


def _listed(box_list: Path, split_folder: Path, split: str) -> Iterator[Sample]:
    """Yield the samples of a box list; the path's folder and the label must be the same class."""
    seen: set[str] = set()
    for number, line in enumerate(box_list.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        where = f"{box_list}:{number}"
        name, *values = (part.strip() for part in line.split(","))
        try:
            label, box = int(values[0]), [float(v) for v in values[1:]]
        except (IndexError, ValueError):
            box = []
        if len(box) != 4 or not np.isfinite(box).all():
            raise CaerError(f"{where}: expected 'Class/file,label,x1,y1,x2,y2', found '{line}'")
        name = name.removeprefix(f"{split_folder.name}/")  # in some lists, paths include the split
        path = inside(split_folder, name)
        if class_of(Path(name).parent.name) != label:
            raise CaerError(
                f"{where}: label {label} is not the class of '{name}'; labels are "
                + ", ".join(f"{i} {e}" for e, i in LABELS.items())
            )
        if name in seen:
            raise CaerError(f"{where}: '{name}' is listed twice")
        seen.add(name)
        if not path.is_file():
            raise CaerError(f"{where}: {path} does not exist")
        boxes = np.asarray([[0.0, *box]], np.float32)
        yield Sample(f"{split_folder.name}/{name}", path, split, label, boxes)


def _with_validation(source: Source) -> Source:
    """Return the source with a validation split, taken from train if there is none (CAER-S).

    It consists of the last eighth of each class's training files by name. This is reproducible, and
    a block separates neighbouring frames of one clip less often than a random selection.
    """
    if any(s.split == "validation" for s in source.samples):
        return source
    train = [i for i, s in enumerate(source.samples) if s.split == "train"]
    moved: set[int] = set()
    for label in range(len(source.classes)):
        of_class = [i for i in train if source.samples[i].label == label]
        of_class.sort(key=lambda i: source.samples[i].sample_id)
        moved.update(of_class[len(of_class) - round(len(of_class) * VALIDATION_SHARE) :])
    samples = tuple(
        replace(s, split="validation") if i in moved else s for i, s in enumerate(source.samples)
    )
    note = "No validation split in this release: the last eighth of each class's training files."
    return replace(source, samples=samples, notes=(*source.notes, note))
