"""Unused intermediate results in `work/`, and their removal.

A changed recipe or an edited video leaves the artifacts of before behind: they make going back
quick, and take room. Every build notes which artifacts its tables were put together from; those of
videos that are absent today stay noted.
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
    """Artifacts and spools that no table comes from."""

    paths: tuple[Path, ...]
    bytes: int


def note(work: Path, used: dict[str, dict[str, Any]], absent: set[str]) -> None:
    """Remember which artifacts the tables come from.

    Args:
        work: the work folder.
        used: by `video_id`: `faces`, the piece of the face stage, and `pieces`, all of them.
        absent: videos that are absent today: what was noted of them stays.
    """
    earlier = noted(work)
    write_json(work / NAME, {v: earlier[v] for v in sorted(absent & earlier.keys())} | used)


def noted(work: Path) -> dict[str, dict[str, Any]]:
    """What the last build noted, by `video_id`; empty if there is none."""
    values = read_object(work / NAME)
    return {v: note for v, note in values.items() if isinstance(note, dict) and "pieces" in note}


def unused(dataset: Dataset) -> Unused:
    """Find what may be removed; call it while the dataset is locked.

    Raises:
        CaerError: the last build did not finish, so it is unknown what is in use.
    """
    work = dataset.work_folder
    used = {name for note in noted(work).values() for name in note["pieces"]}
    if not used and Store(work).files():
        raise CaerError(
            f"{dataset.folder}: no build has noted which intermediate results are in use; run "
            "'caer-data build' to its end first"
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
    """A folder of samples that a build which was stopped left, and nothing else."""
    return (
        path.is_dir()
        and not path.is_symlink()
        and not path.name.startswith(".")
        and {file.name for file in path.iterdir()} <= _SPOOL
    )
