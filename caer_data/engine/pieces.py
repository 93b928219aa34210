"""Pieces of finished work: whole or absent, found again by what they were made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from caer_data.engine.files import atomic_path


def key_of(stage: str, version: int, section: BaseModel | None, *inputs: Any) -> str:
    """Key of a piece: stage, its version, its section of the recipe, and what it was made from."""
    parts = [stage, version, section.model_dump(mode="json") if section else None, *inputs]
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Pieces:
    """The work folder of a dataset: `work/<stage>/<subject>.<key>/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, stage: str, subject: str, key: str) -> Path:
        """Folder of a piece, whether it exists or not."""
        return self.folder / stage / f"{subject}.{key}"

    def make(self, stage: str, subject: str, key: str, fill: Callable[[Path], None]) -> Path:
        """Return the piece's folder, filling it first if it is not there."""
        path = self.path(stage, subject, key)
        if not path.is_dir():
            with atomic_path(path) as temporary:
                temporary.mkdir()
                fill(temporary)
        return path


def write_json(path: Path, values: Any) -> None:
    """Write JSON atomically, with sorted keys."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, sort_keys=True, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON."""
    return json.loads(path.read_text(encoding="utf-8"))
