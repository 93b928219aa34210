"""A Hugging Face dataset on disk: Arrow files of `save_to_disk`, or parquet files by split."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pyarrow as pa

from caer_data.auditing.entries import Recognised, frame, split_of
from caer_data.auditing.layouts.places import Places
from caer_data.auditing.walk import PICTURES, VIDEOS, Files
from caer_data.engine import parquet
from caer_data.engine.errors import CaerError

_MEDIA: Final = ("image", "video", "img", "clip", "picture", "audio")
_LABELS: Final = ("label", "labels", "emotion", "class")
_ROWS: Final = 256  # read at a time
_FIELDS: Final = {
    "show": "show",
    "video_id": "video_id",
    "person_id": "person_id",
    "speaker": "person_id",
}


def read(files: Files) -> Recognised | None:
    """Return a dataset of Arrow or parquet files, with media in or beside them; None if not one."""
    tables = [path for path in files.ending(".arrow", ".parquet") if "cache-" not in path]
    parts = {path: split for path in tables if (split := _split(path, tables))}
    if not parts:
        return None
    places = Places(files)
    rows: list[dict[str, Any]] = []
    for path, split in parts.items():
        rows += _rows(files.root, path, split, places)
    if not any(row["kind"] != "none" for row in rows):
        return None
    return Recognised(f"a Hugging Face dataset on disk ({len(parts):,} files)", frame(rows))


def _split(path: str, tables: list[str]) -> str | None:
    """Return the split of a file, from its own name or its folder's."""
    parts = PurePosixPath(path)
    own = split_of(parts.stem)
    above = next((s for part in reversed(parts.parts[:-1]) if (s := split_of(part))), None)
    return own or above


def _rows(root: Path, path: str, split: str, places: Places) -> Iterator[dict[str, Any]]:
    number = 0
    schema = schema_of(root / path)
    media, label = _columns(schema)
    if media is None:
        return
    names = _class_names(schema, label)
    known_fields = [name for name in schema.names if name in _FIELDS]
    nested = pa.types.is_struct(schema.field(media).type)
    wanted = [f"{media}.path" if nested else media, *([label] if label else []), *known_fields]
    for batch in batches(root / path, wanted):
        known = {name: batch.column(name).to_pylist() for name in known_fields}
        labels = batch.column(label).to_pylist() if label else [None] * len(batch)
        for place, beside in enumerate(_paths(batch.column(media))):
            file = places.find(beside, path.rpartition("/")[0]) if beside else None
            yield {
                **{_FIELDS[name]: _text(cells[place]) for name, cells in known.items()},
                "clip_id": f"{path}:{number}",
                "path": file or path,
                "member": None if file else f"{media}:{number}",
                "kind": _kind(beside, media),
                "split": split,
                "label": _named(labels[place], names),
            }
            number += 1


def schema_of(path: Path) -> pa.Schema:
    """Return the schema of an Arrow or parquet file.

    Raises:
        CaerError: it is neither, or is damaged.
    """
    if path.suffix == ".parquet":
        return parquet.schema_of(path)
    try:
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_stream(source).schema
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of an Arrow or parquet file in batches.

    Args:
        path: the file.
        columns: required columns; an Arrow file yields all columns, read only when used.

    Raises:
        CaerError: it is neither, or is damaged.
    """
    if path.suffix == ".parquet":
        with parquet.opened(path) as file:
            yield from parquet.parts_of(file, _ROWS, columns)
        return
    try:
        with pa.memory_map(str(path)) as source:
            for batch in pa.ipc.open_stream(source):
                for at in range(0, len(batch), _ROWS):
                    yield batch.slice(at, _ROWS)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> CaerError:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return CaerError(f"{path}: cannot be read as a table ({reason})")


def _columns(schema: pa.Schema) -> tuple[str | None, str | None]:
    """Return the names of the column with media, and of the one with classes."""
    holds = [
        field.name
        for field in schema
        if pa.types.is_struct(field.type) and {"bytes", "path"} <= {f.name for f in field.type}
    ]
    named = [name for name in _MEDIA if name in holds] or holds
    texts = [n for n in ("file_name", "path", *_MEDIA) if n in schema.names
             and pa.types.is_string(schema.field(n).type)]  # fmt: skip
    media = next(iter(named + texts), None)
    return media, next((name for name in _LABELS if name in schema.names), None)


def _paths(column: pa.Array) -> list[str | None]:
    if pa.types.is_string(column.type):
        return [None if cell is None else str(cell) for cell in column.to_pylist()]
    return [None if cell is None else str(cell) for cell in column.field("path").to_pylist()]


def _kind(path: str | None, column: str) -> str:
    suffix = PurePosixPath(path or "").suffix.lower()
    if suffix in VIDEOS or (suffix not in PICTURES and column in ("video", "clip")):
        return "video"
    return "picture" if suffix in PICTURES or column in ("image", "img", "picture") else "none"


def _class_names(schema: pa.Schema, label: str | None) -> list[str]:
    """Return the class names that `datasets` stored in the file for numeric labels."""
    try:
        metadata = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = metadata["info"]["features"][label]["names"]
        return [str(name) for name in names]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def _named(label: Any, names: list[str]) -> str | None:
    if isinstance(label, int) and 0 <= label < len(names):
        return names[label]
    return _text(label)


def _text(cell: Any) -> str | None:
    return None if cell is None else str(cell)
