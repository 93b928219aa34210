"""Unused intermediate results in `work/`, and their removal.

When a recipe is changed or a video edited, earlier artifacts remain. They make it quick to go back,
but take space. Every build records which artifacts its tables are based on; the records about
absent videos are kept.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from caer_data.engine.artifacts import Store, write_json
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.ownership import read_object

NAME: Final = "pieces.json"
_STAGES: Final = ("shots", "prints", "faces", "sound", "speakers", "repeats", "clips")
_SPOOL: Final = {"samples.bin", "samples.npy"}


@dataclass(frozen=True)
class Unused:
    """Artifacts and samples that no table is based on."""

    paths: tuple[Path, ...]
    bytes: int


def note(work: Path, used: dict[str, dict[str, Any]], absent: set[str]) -> None:
    """Record which artifacts the tables are based on.

    Args:
        work: the work folder.
        used: by `video_id`: `faces`, the artifact of the face stage, and `pieces`, all artifacts.
        absent: absent videos, whose records are kept.
    """
    earlier = noted(work)
    write_json(work / NAME, {v: earlier[v] for v in sorted(absent & earlier.keys())} | used)


def noted(work: Path) -> dict[str, dict[str, Any]]:
    """Return the records of the last build by `video_id`; empty if there are none."""
    values = read_object(work / NAME)
    return {v: note for v, note in values.items() if isinstance(note, dict) and "pieces" in note}


def unused(dataset: Dataset) -> Unused:
    """Return what may be removed; call it while the dataset is locked.

    Raises:
        CaerError: no build has finished, so it is unknown what is in use.
    """
    work = dataset.work_folder
    used = {name for note in noted(work).values() for name in note["pieces"]}
    if not used and Store(work).files():
        raise CaerError(
            f"{dataset.folder}: no build has finished, so it is unknown which intermediate results "
            "are in use; run 'caer-data build' first"
        )
    artifacts = [p for stage in _STAGES for p in Store(work).files(stage)]
    paths = [p for p in artifacts if f"{p.parent.name}/{p.name}" not in used]
    spools = [p for p in sorted((work / "samples").glob("*")) if _is_spool(p)]
    sizes = [p.stat().st_size for p in paths]
    sizes += [file.stat().st_size for spool in spools for file in spool.iterdir()]
    return Unused((*paths, *spools), sum(sizes))


def remove(found: Unused) -> None:
    """Remove what `unused` found."""
    for path in found.paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _is_spool(path: Path) -> bool:
    """Whether a folder contains only the samples of an interrupted build."""
    return (
        path.is_dir()
        and not path.is_symlink()
        and not path.name.startswith(".")
        and {file.name for file in path.iterdir()} <= _SPOOL
    )
