"""Read lists of clips from CSV files, by `clip_key` or by name."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from pathlib import Path

from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.engine.ledger import Ledger


def read(
    path: Path,
    clips: Collection[str],
    ledger: Ledger,
    missing: str,
    columns: Sequence[str] = (),
) -> list[tuple[str, dict[str, str]]]:
    """Return the key and cells of each row of a CSV file with a column `clip_key` or `clip_id`.

    Args:
        path: the file.
        clips: keys of the clips that may be listed.
        ledger: knows the clips that a name has referred to.
        missing: rest of the message, after "no clip 'name' ", about a clip that is not among them.
        columns: other columns that the file must have.

    Raises:
        CaerError: the file cannot be read, lacks a column, names a clip that may not be listed, or
            uses a name that several clips have had. The message gives the row.
    """
    among, meant = set(clips), ledger.named()
    found: list[tuple[str, dict[str, str]]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            names = set(reader.fieldnames or [])
            lacking = [name for name in columns if name not in names]
            if not {"clip_id", "clip_key"} & names:
                lacking.insert(0, "clip_key or clip_id")
            if lacking:
                raise CaerError(f"{path}:1: there is no column {', '.join(lacking)}")
            for row in reader:
                where = f"{path}:{reader.line_num}"
                key, name = row.get("clip_key"), str(row.get("clip_id"))
                keys = ({key} if key else meant.get(name, set())) & among
                if not keys:
                    raise CaerError(f"{where}: no clip '{key or name}' {missing}")
                if len(keys) > 1:
                    raise CaerError(
                        f"{where}: '{name}' has been the name of {len(keys)} clips in different "
                        "builds; use a column clip_key instead"
                    )
                found.append((keys.pop(), row))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CaerError(f"{path}: cannot be read as a CSV file ({error})") from error
    return found


def read_assigned(path: Path, assigned: Collection[str], ledger: Ledger) -> list[str]:
    """Return the keys of the listed clips, all of them assigned, without duplicates and in order.

    Raises:
        CaerError: see `read`.
    """
    missing = "was assigned; push it first, or remove the row"
    return list(dict.fromkeys(key for key, _ in read(path, assigned, ledger, missing)))


def read_emotions(path: Path, clips: Collection[str], ledger: Ledger) -> dict[str, str]:
    """Return emotions by clip, from a CSV file with an additional column `emotion`.

    Raises:
        CaerError: see `read`; or a word is not one of the seven emotions, or a clip has two.
    """
    found: dict[str, str] = {}
    missing = "is in the dataset; remove the row, or build the dataset with it"
    for key, row in read(path, clips, ledger, missing, columns=["emotion"]):
        emotion = str(row["emotion"]).strip().lower()
        if emotion not in EMOTIONS:
            raise CaerError(
                f"{path}: clip '{row.get('clip_key') or row.get('clip_id')}' has the emotion "
                f"'{row['emotion']}'; use one of {', '.join(EMOTIONS)}"
            )
        if found.setdefault(key, emotion) != emotion:
            raise CaerError(
                f"{path}: clip '{row.get('clip_key') or row.get('clip_id')}' has two emotions, "
                f"{found[key]} and {emotion}; keep one of the rows"
            )
    return found
