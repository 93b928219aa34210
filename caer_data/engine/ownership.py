"""Whether a folder belongs to caer-data: datasets and releases identify themselves by a file.

`caer-data.json` of a dataset and `release.json` of a release contain the format and version. Other
folders are never written to. Datasets from versions without such a file are recognised by their
tables, whose Arrow metadata contain the table's name. If a build stopped before it wrote tables,
its `provenance.json` identifies it. Older releases are recognised by their manifest.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from caer_data.engine import parquet
from caer_data.engine.errors import CaerError
from caer_data.engine.files import is_temporary, write_text
from caer_data.engine.schema import TABLES

NAME: Final = "caer-data.json"
FORMAT: Final = "caer-data dataset"
VERSION: Final = 2

RELEASE: Final = "release.json"
RELEASE_FORMAT: Final = "caer-data release"
RELEASE_VERSION: Final = 1

_LOCK: Final = ".lock"
_PROVENANCE: Final = {"caer_data", "shows", "packages", "ffmpeg"}
_OLDER_RELEASE: Final = {"caer_data", "key", "facts"}


def check_dataset(folder: Path) -> None:
    """Check that a folder is empty, missing, or a dataset; write nothing.

    Raises:
        CaerError: the folder contains something else, or a dataset of a later version.
    """
    if folder.is_dir() and _content(folder) and not is_dataset(folder):
        raise CaerError(
            f"{folder}: is not empty and not a dataset of caer-data; choose another folder"
        )


def claim_dataset(folder: Path) -> None:
    """Mark the folder as a dataset of this version, unless it is marked already."""
    values = {"format": FORMAT, "version": VERSION}
    if read_object(folder / NAME) != values:
        write_text(folder / NAME, json.dumps(values, indent=1) + "\n")


def is_outdated(folder: Path) -> bool:
    """Whether a folder is a dataset in an older format, which `caer-data upgrade` converts."""
    about = read_object(folder / NAME)
    older = about.get("format") == FORMAT and about.get("version") != VERSION
    return older or (not about and _is_older_dataset(folder))


def is_dataset(folder: Path) -> bool:
    """Whether a folder is a dataset, judged by its own files.

    Raises:
        CaerError: it is a dataset of a later version.
    """
    about = read_object(folder / NAME)
    return _says(folder, about, FORMAT, VERSION) or _is_older_dataset(folder)


def is_release(folder: Path) -> bool:
    """Whether a folder is a release, judged by its own files.

    Raises:
        CaerError: it is a release of a later version.
    """
    about = read_object(folder / RELEASE)
    older = about.get("format") == 1 and about.keys() >= _OLDER_RELEASE
    return _says(folder, about, RELEASE_FORMAT, RELEASE_VERSION) or (
        older and is_table(folder / "manifest.parquet", "manifest")
    )


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file; empty if it is missing or contains anything else."""
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def is_table(path: Path, name: str) -> bool:
    """Whether a file is a caer-data table of this name, by its parquet metadata."""
    try:
        metadata = parquet.schema_of(path).metadata or {}
    except CaerError:
        return False
    return bool(metadata.get(b"table") == name.encode())


def _says(folder: Path, about: dict[str, Any], form: str, newest: int) -> bool:
    version = about.get("version")
    if about.get("format") != form or not isinstance(version, int):
        return False
    if version > newest:
        raise CaerError(
            f"{folder}: was written by a later version of caer-data (format {version}, this "
            f"version reads up to {newest}); install that version"
        )
    return True


def _is_older_dataset(folder: Path) -> bool:
    if not (folder / "recipe.yaml").is_file():
        return False
    tables = (is_table(folder / "tables" / f"{name}.parquet", name) for name in TABLES)
    return any(tables) or read_object(folder / "provenance.json").keys() >= _PROVENANCE


def _content(folder: Path) -> list[str]:
    """Return the names in a folder, without temporary files or an empty lock file.

    A build that stopped right at its start leaves an empty lock. A temporary file may be the one
    with which another process is claiming the folder.
    """
    return [
        entry.name
        for entry in folder.iterdir()
        if not (entry.name == _LOCK and entry.is_file() and entry.stat().st_size == 0)
        and not is_temporary(entry.name)
    ]
