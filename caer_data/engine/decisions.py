"""What people decided by hand about a dataset: one text file, outside machine-made folders.

`decisions/decisions.jsonl` holds one JSON object per line and only ever grows; undoing a decision
is a row that refers to it. A row carries what it is about (a clip's anchor, faces seen of a
person), never only a name, so that it survives rebuilds; `identity` alone says what that is today.
Append while the dataset is locked.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from caer_data.engine import identity
from caer_data.engine.errors import CaerError
from caer_data.engine.identity import Anchor, Box

NAME: Final = Path("decisions") / "decisions.jsonl"
KINDS: Final = (
    "keep_clip",
    "drop_clip",
    "forget_video",
    "forget_person",
    "forget_clip",
    "forget_rater",
    "merge_persons",
    "split_person",
    "name_person",
    "undo",
)


@dataclass(frozen=True)
class Seen:
    """A face seen: `box` in the frame at `pts`, in the video's time base."""

    video_key: str
    pts: int
    box: Box


@dataclass(frozen=True)
class Decision:
    """One decision.

    Attributes:
        kind: one of `KINDS`.
        who: who decided.
        why: in their words.
        when: UTC, ISO 8601; given by `append`.
        clip: the clip it is about.
        faces: faces of the persons it is about.
        value: what else it says: a name, a hash; for `undo` the `key` of the row it undoes.
    """

    kind: str
    who: str
    why: str
    when: str = ""
    clip: Anchor | None = None
    faces: tuple[Seen, ...] = ()
    value: str | None = None

    @property
    def key(self) -> str:
        """Name of the row, by its content."""
        return hashlib.sha256(_line(self).encode()).hexdigest()[:16]


class Decisions:
    """The decisions of one dataset.

    Args:
        folder: the dataset folder.

    Attributes:
        rows: every whole row, in order.
        torn: whether the last line was cut off while it was written; it is then left out.

    Raises:
        CaerError: the file cannot be read, or a line other than the last is no decision.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.rows: list[Decision] = []
        self.torn = False
        self._whole = 0
        for number, line in enumerate(self._lines(), 1):
            try:
                self.rows.append(_decision(json.loads(line)))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                if line.endswith(b"\n"):
                    raise CaerError(
                        f"{self.path}, line {number}: is no decision; mend or remove the line"
                    ) from error
                self.torn = True
            else:
                self._whole += len(line)

    def standing(self) -> list[Decision]:
        """Decisions that were not undone, in order; an undone `undo` undoes nothing."""
        undone: set[str] = set()
        found = []
        for row in reversed(self.rows):
            if row.key in undone:
                continue
            if row.kind == "undo":
                undone.add(str(row.value))
            else:
                found.append(row)
        return found[::-1]

    def append(self, decision: Decision) -> Decision:
        """Write a decision to disk, in place of a torn last line, and give it with its time.

        Raises:
            CaerError: its kind is none of `KINDS`, or the file cannot be written.
        """
        row = replace(decision, when=decision.when or datetime.now(UTC).isoformat())
        if row.kind not in KINDS:
            raise CaerError(f"'{row.kind}' is no kind of decision; choose from {', '.join(KINDS)}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file:
                file.truncate(self._whole)
                file.seek(max(0, self._whole - 1))
                ended = file.read(1) in (b"", b"\n")
                self._whole += file.write((b"" if ended else b"\n") + (_line(row) + "\n").encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CaerError(f"{self.path}: cannot be written ({error.strerror})") from error
        self.torn = False
        self.rows.append(row)
        return row

    def _lines(self) -> list[bytes]:
        try:
            return self.path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CaerError(f"{self.path}: cannot be read ({error.strerror})") from error


def by_clip(decisions: Iterable[Decision], clips: Mapping[str, Anchor]) -> dict[str, Decision]:
    """The last decision about each clip of today, by its key.

    Args:
        decisions: in order; those about no clip, or one that changed or went, are passed over.
        clips: the clips of today, by key.
    """
    about = [(row, row.clip) for row in decisions if row.clip is not None]
    found = identity.resolve([clip for _, clip in about], clips)
    return {
        answer.key: row
        for (row, _), answer in zip(about, found, strict=True)
        if answer.verdict == "same" and answer.key is not None
    }


def _line(row: Decision) -> str:
    return json.dumps(asdict(row), ensure_ascii=True, sort_keys=True)


def _decision(values: dict[str, Any]) -> Decision:
    if values["kind"] not in KINDS:
        raise ValueError(values["kind"])
    clip = values.get("clip")
    faces = [Seen(**{**face, "box": Box(**face["box"])}) for face in values.get("faces", ())]
    if clip is not None:
        clip = Anchor(**{**clip, "box": None if clip["box"] is None else Box(**clip["box"])})
    return Decision(**{**values, "clip": clip, "faces": tuple(faces)})
