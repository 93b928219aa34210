"""Decisions that people make by hand about a dataset, in one file that only grows.

Builds never write `decisions/decisions.jsonl` of a dataset. Each line is a JSON object with `kind`,
`about`, `value`, `who`, `when` (UTC, ISO 8601) and `why`. `about` lists anchors
(`identity.Anchor`), never names, so that a decision survives rebuilds. `value` is JSON text.

| kind | `about` | `value` |
|---|---|---|
| `keep`, `drop` | the clip | `null`: it is kept or dropped regardless of the filter |
| `target` | the clip | `[x1, y1, x2, y2]`: the face in the span's middle frame, as shares of it |
| `merge` | a track of each of several persons | `null`: they are one person |
| `apart` | a track of each of several persons of different shows | `null`: different persons |
| `split` | the tracks that are somebody else | `null`: they become a person of their own |
| `name` | tracks of one person | `"..."`: the person's name |
| `cut_add`, `cut_remove` | the cut | `null` |
| `cut_move` | the cut | the cut's new timestamp |
| `forget` | what must not come back | `{"what": "video", ...}`, see `caer_data.forget` |
| `undo` | nothing | `"..."`: the key of an earlier row, which no longer counts |

A track's anchor is its span with the box in its middle frame. A cut's anchor begins and ends at the
first frame of the new shot and has no frames. Rows that were undone stay. Only forgetting removes
lines (`Decisions.scrub`).

>>> cut = Decision("cut_add", "ann", about=(Anchor("9f86d081", 9000, 9000, 0, None),))
>>> cut.content is None
True
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from caer_data.engine.errors import BusyError, CaerError
from caer_data.engine.files import explain_os_error, write_text
from caer_data.engine.identity import Anchor, Box

NAME: Final = Path("decisions") / "decisions.jsonl"
FORGOTTEN: Final = ("video", "person", "clip", "rater")
"""What can be forgotten."""

_MANY: Final = 1_000_000
_ANCHORS: Final = {
    "keep": (1, 1),
    "drop": (1, 1),
    "target": (1, 1),
    "merge": (2, _MANY),
    "apart": (2, _MANY),
    "split": (1, _MANY),
    "name": (1, _MANY),
    "cut_add": (1, 1),
    "cut_remove": (1, 1),
    "cut_move": (1, 1),
    "forget": (0, _MANY),
    "undo": (0, 0),
}
"""Minimum and maximum number of anchors of each kind."""
KINDS: Final = tuple(_ANCHORS)

_MAX_TEXT: Final = 10_000
_WAIT_S: Final = 30


@dataclass(frozen=True)
class Decision:
    """One decision.

    Attributes:
        kind: one of `KINDS`.
        who: who decided.
        about: the anchors it refers to, see the module.
        value: the value of the decision, as JSON text.
        why: the reason, in the person's own words.
        when: time in UTC, ISO 8601; set by `Decisions.append`.
    """

    kind: str
    who: str
    about: tuple[Anchor, ...] = ()
    value: str = "null"
    why: str = ""
    when: str = ""

    @property
    def key(self) -> str:
        """Identifier of the decision, a hash of its content."""
        return hashlib.sha256(_line(self).encode()).hexdigest()[:16]

    @property
    def content(self) -> Any:
        """The parsed `value`."""
        return json.loads(self.value)


class Decisions:
    """The decisions of one dataset.

    Args:
        folder: the dataset folder.

    Attributes:
        rows: every complete row, in order.
        torn: whether the last line is incomplete, because writing it was interrupted; such a line
            is ignored.

    Raises:
        CaerError: the file cannot be read, or a line other than the last is not a decision.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.rows: list[Decision] = []
        self.torn = False
        self._whole = 0
        self._read()

    def standing(self, *kinds: str) -> list[Decision]:
        """Return the decisions that were not undone, in order; by default those of all kinds.

        An `undo` has no effect if it was itself undone or refers to a later row.
        """
        return [
            row
            for row in self._counting()
            if row.kind != "undo" and (not kinds or row.kind in kinds)
        ]

    def append(self, decision: Decision) -> Decision:
        """Append a decision, replacing an incomplete last line; return it with its time.

        Other processes may append at the same time, and builds may be running.

        Raises:
            CaerError: it is not a decision, it undoes one that does not stand, or the file cannot
                be written.
        """
        return self.append_all([decision])[0]

    def append_all(self, decisions: list[Decision]) -> list[Decision]:
        """Append all decisions or none, and return them with their time.

        Raises:
            CaerError: one is not a decision, one undoes a decision that does not stand, or the file
                cannot be written.
        """
        now = datetime.now(UTC).isoformat()
        rows = [_checked(replace(row, when=row.when or now)) for row in decisions]
        with self._alone():
            self._read()
            standing = {row.key for row in self._counting()}
            for row in rows:
                if row.kind == "undo" and row.content not in standing:
                    raise CaerError(f"{self.path}: there is no decision '{row.content}' to undo")
            text = "".join(_line(row) + "\n" for row in rows)
            with self.path.open("ab+") as file:
                file.truncate(self._whole)
                file.seek(max(0, self._whole - 1))
                ended = file.read(1) in (b"", b"\n")
                file.write((b"" if ended else b"\n") + text.encode())
                file.flush()
                os.fsync(file.fileno())
            self._read()
        return rows

    def scrub(self, clean: Callable[[Decision], Decision | None]) -> int:
        """Rewrite the file with each row as `clean` returns it; None removes the row.

        An `undo` is removed together with the row that it undoes, and updated if that row changes.

        Returns:
            Number of rows changed or removed.
        """
        with self._alone():
            self._read()
            names: dict[str, str | None] = {}
            kept = []
            for row in self.rows:
                undone = str(row.content) if row.kind == "undo" else None
                cleaned = clean(row) if undone is None or names.get(undone, undone) else None
                if cleaned is not None and undone is not None:
                    cleaned = replace(cleaned, value=json.dumps(names.get(undone, undone)))
                names[row.key] = cleaned.key if cleaned else None
                kept += [cleaned] if cleaned else []
            changed = sum(after != before for before, after in names.items())
            if changed or self.torn:
                write_text(self.path, "".join(_line(row) + "\n" for row in kept))
            self._read()
        return changed

    def _counting(self) -> list[Decision]:
        """Return the rows that were not undone, in order, including those of kind `undo`."""
        undone: set[str] = set()
        found = []
        for row in reversed(self.rows):
            if row.key not in undone:
                found.append(row)
                undone |= {str(row.content)} if row.kind == "undo" else set()
        return found[::-1]

    def _read(self) -> None:
        self.rows, self.torn, self._whole = [], False, 0
        for number, line in enumerate(self._lines(), 1):
            try:
                self.rows.append(_checked(_decision(json.loads(line))))
            except (ValueError, KeyError, TypeError, RecursionError, CaerError) as error:
                if line.endswith(b"\n"):
                    raise CaerError(
                        f"{self.path}, line {number}: is not a decision ({error}); repair or "
                        "remove it"
                    ) from error
                self.torn = True
            else:
                self._whole += len(line)

    def _lines(self) -> list[bytes]:
        try:
            return self.path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CaerError(f"{self.path}: cannot be read ({error.strerror})") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Lock the file for writing while the block runs."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.parent / ".lock", timeout=_WAIT_S):
                yield
        except Timeout as error:
            raise BusyError(
                f"{self.path}: another caer-data command is writing to it; try again"
            ) from error
        except OSError as error:
            raise CaerError(explain_os_error(error, self.path)) from error


def _line(row: Decision) -> str:
    return json.dumps(asdict(row), ensure_ascii=True, sort_keys=True)


def _decision(values: dict[str, Any]) -> Decision:
    return Decision(**{**values, "about": tuple(_anchor(value) for value in values["about"])})


def _anchor(values: dict[str, Any]) -> Anchor:
    box = values["box"]
    return Anchor(**{**values, "box": None if box is None else Box(**box)})


def _checked(row: Decision) -> Decision:
    """Return the row if it is valid as the module describes.

    Raises:
        CaerError: it is not; the message says why.
    """
    if row.kind not in KINDS:
        raise CaerError(f"'{row.kind}' is not a kind of decision; choose from {', '.join(KINDS)}")
    texts = (row.who, row.why, row.when)
    if not all(isinstance(text, str) and len(text) <= _MAX_TEXT for text in texts):
        raise CaerError(f"who, why and when are texts of at most {_MAX_TEXT:,} characters")
    least, most = _ANCHORS[row.kind]
    if not least <= len(row.about) <= most:
        raise CaerError(
            f"'{row.kind}' needs {least} anchor{'s' * (least != 1)}; {len(row.about)} were given"
        )
    for anchor in row.about:
        _check_anchor(anchor)
    try:
        sound = _says(row.kind, row.content)
    except (ValueError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise CaerError(f"'{row.kind}' has no value '{str(row.value)[:60]}'")
    return row


def _check_anchor(anchor: Anchor) -> None:
    whole = (anchor.start_pts, anchor.end_pts, anchor.frames)
    sides = () if anchor.box is None else (*asdict(anchor.box).values(),)
    good = (
        isinstance(anchor.video_key, str)
        and len(anchor.video_key) <= 64
        and all(type(number) is int and abs(number) < 2**63 for number in whole)
        and anchor.start_pts <= anchor.end_pts
        and anchor.frames >= 0
        and all(_is_share(side) for side in sides)
    )
    if not good:
        raise CaerError(
            "an anchor needs a video's hash, two rising timestamps, a number of frames and a box"
        )


def _says(kind: str, content: Any) -> bool:
    """Whether a kind may have this value."""
    if kind == "target":
        return isinstance(content, list) and len(content) == 4 and all(map(_is_share, content))
    if kind in ("name", "undo"):
        return isinstance(content, str) and content.strip() != "" and len(content) <= 200
    if kind == "cut_move":
        return type(content) is int and abs(content) < 2**63
    if kind == "forget":
        return isinstance(content, dict) and content.get("what") in FORGOTTEN
    return content is None


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 1
