"""Validation of arguments and data frames from callers; every mistake gives one sentence."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caer_data.engine.errors import CaerError
from caer_data.engine.progress import printable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from caer_data.engine.recipe import Recipe

    RecipeLike = str | os.PathLike[str] | Mapping[str, Any] | Recipe

_SHOWN = 5  # number of invalid values that a message lists


def path(what: str, name: str, value: object) -> Path:
    """Return an argument as a path.

    Raises:
        CaerError: it is neither text nor a path, or is empty.
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise CaerError(f"{what}: {name} is {_said(value)}; give a path")
    if not os.fspath(value):
        raise CaerError(f"{what}: {name} is empty; give a path")
    return Path(os.fspath(value))


def recipe(what: str, value: object) -> RecipeLike:
    """Return an argument if it can be a recipe; its values are checked when it is read.

    Raises:
        CaerError: it is of the wrong type.
    """
    from caer_data.engine.recipe import Recipe

    if isinstance(value, str | os.PathLike | Mapping | Recipe):
        return value
    raise CaerError(
        f"{what}: recipe is {_said(value)}; give a name such as 'caer', a file, a dictionary or a "
        "Recipe"
    )


def whole(what: str, name: str, value: object, least: int | None = None) -> int:
    """Return an argument as a whole number, `least` or more.

    Raises:
        CaerError: it is not such a number.
    """
    number = _number(value)
    if number is None or number % 1 or (least is not None and number < least):
        wanted = "a whole number" + ("" if least is None else f", {least} or more")
        raise CaerError(f"{what}: {name} is {_said(value)}; give {wanted}")
    return int(number)


def distance(what: str, name: str, value: object) -> float:
    """Return an argument as a finite number, 0 or more.

    Raises:
        CaerError: it is not such a number.
    """
    number = _number(value)
    if number is None or number < 0:
        raise CaerError(f"{what}: {name} is {_said(value)}; give a number, 0 or more")
    return number


def frame(what: str, value: object, row: str, **holds: str) -> pd.DataFrame:
    """Return an argument if it is a data frame with the required columns.

    Args:
        what: name of the function, for messages.
        value: the argument.
        row: what a row is, for messages.
        holds: the required columns, and their content.

    Raises:
        CaerError: it is not a data frame, or a column is missing or occurs twice.
    """
    import pandas as pd

    if not isinstance(value, pd.DataFrame):
        raise CaerError(
            f"{what}: {_said(value)} is not a data frame; give one with one row per {row}"
        )
    missing = [f"{name} ({text})" for name, text in holds.items() if name not in value]
    if missing:
        columns, them = ("columns", "them") if len(missing) > 1 else ("column", "it")
        raise CaerError(f"{what}: the frame lacks the {columns} {', '.join(missing)}; add {them}")
    twice = value.columns[value.columns.duplicated()]
    if len(twice):
        raise CaerError(f"{what}: the frame has the column {twice[0]} more than once; drop one")
    return value


def filled(what: str, data: pd.DataFrame, *names: str) -> None:
    """Raise a CaerError if a cell of these columns is empty."""
    for name in names:
        empty = empty_cells(data[name])
        if empty.any():
            raise CaerError(
                f"{what}: {_rows(int(empty.sum()), len(data))} no {name}; fill the column, or "
                "remove these rows"
            )


def empty_cells(column: pd.Series[Any]) -> pd.Series[bool]:
    """Return which cells are empty: missing values, or texts of white space."""
    cells = column.astype(object)
    blank = cells.map(lambda cell: isinstance(cell, str) and not cell.strip())
    return cells.isna() | blank.astype(bool)


def votes(what: str, value: object, *, confidence: bool) -> pd.DataFrame:
    """Return a data frame of votes: `clip_id, rater, emotion` as texts, `confidence` as numbers.

    Raises:
        CaerError: a column is missing, a cell is empty, an emotion is not one of the seven, a
            confidence is not between 0 and 1, or a rater answered a clip twice.
    """
    from caer_data.engine.emotions import EMOTIONS

    holds = {"clip_id": "the clip's name", "rater": "who answered", "emotion": "the answer"}
    holds |= {"confidence": "0 to 1"} if confidence else {}
    data = frame(what, value, "answer", **holds)
    filled(what, data, *holds)
    known = data.assign(**_texts(what, data, ("clip_id", "rater", "emotion")))[[*holds]]
    strange = ~known["emotion"].isin(EMOTIONS)
    if strange.any():
        raise CaerError(
            f"{what}: the column emotion contains {_listed(known['emotion'][strange])}; the "
            f"emotions are {', '.join(EMOTIONS)}"
        )
    twice = known[known.duplicated(["clip_id", "rater"])]
    if len(twice):
        rater, clip = twice["rater"].iloc[0], twice["clip_id"].iloc[0]
        raise CaerError(f"{what}: {printable(f'{rater} answered clip {clip}')} more than once")
    if confidence:
        known["confidence"] = _numbers(what, data, "confidence", 0, 1, "numbers from 0 to 1")
    return known


def clips(what: str, value: object, **holds: str) -> pd.DataFrame:
    """Return a data frame of clips, in which all columns are validated.

    Args:
        what: name of the function, for messages.
        value: the data frame.
        holds: required columns besides `clip_id`, and their content.

    Returns:
        The data frame, with both `label` and `emotion` if it has one of them. Names are texts, and
        blank names are missing values.

    Raises:
        CaerError: a column is missing, there are no rows, a row has no `clip_id`, or a column has
            invalid values.
    """
    data = frame(what, value, "clip", clip_id="the clip's name", **holds)
    if data.empty:
        raise CaerError(f"{what}: the frame has no rows; give one row per clip")
    filled(what, data, "clip_id")
    named = [name for name in ("clip_id", *_GROUPS) if name in data]
    data = data.assign(**_texts(what, data, named), **_measures(what, data))
    if "perceptual_hash" in data:
        hashes = data["perceptual_hash"].dropna()
        strange = ~hashes.map(lambda cell: bool(_HASHES.fullmatch(cell))).astype(bool)
        if strange.any():
            raise CaerError(
                f"{what}: the column perceptual_hash contains {_listed(hashes[strange])}; give "
                "hexadecimal numbers of up to 16 digits, separated by spaces"
            )
    return _with_classes(what, data)


def _texts(what: str, data: pd.DataFrame, names: Iterable[str]) -> dict[str, pd.Series[Any]]:
    """Return columns of names (texts or numbers) as texts; empty cells stay empty."""
    found = {}
    for name in names:
        cells = data[name].astype(object)
        cells = cells.mask(empty_cells(cells), None)
        strange = cells.map(lambda cell: isinstance(cell, Collection) and not isinstance(cell, str))
        if strange.any():
            raise CaerError(
                f"{what}: the column {name} contains {_listed(cells[strange.astype(bool)])}; give "
                "text or a number"
            )
        found[name] = cells.map(str, na_action="ignore")
    return found


def _measures(what: str, data: pd.DataFrame) -> dict[str, pd.Series[float]]:
    """Return the numeric columns after checking their ranges and that ends follow starts."""
    height = (0, _TALLEST, "shares of the frame's height, such as 0.5")
    any_number = (-math.inf, math.inf, "numbers")
    spans = (("start_s", "end_s"), ("start_pts", "end_pts"))
    kinds = {"face_height": height, **dict.fromkeys(itertools.chain(*spans), any_number)}
    found = {n: _numbers(what, data, n, *kind) for n, kind in kinds.items() if n in data}
    for start, end in spans:
        if start not in found or end not in found:
            continue
        early = data["clip_id"][found[end] < found[start]]
        if len(early):
            raise CaerError(
                f"{what}: {end} is before {start} in {len(early):,} of {len(data):,} rows (such as "
                f"of clip {_said(early.iloc[0])}); correct them"
            )
    return found


def tracks(
    what: str, value: object, embeddings: object, **holds: str
) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    """Return a data frame of tracks and an array with one embedding per track.

    Raises:
        CaerError: a column is missing or has empty cells, a track occurs twice, or there is not one
            embedding per track.
    """
    import numpy as np

    data = frame(what, value, "track", **holds)
    filled(what, data, *holds)
    data = data.assign(**_texts(what, data, ("track_id", "shot_id")))
    for name in ("start_frame", "end_frame", "start_s", "end_s"):
        _numbers(what, data, name, -math.inf, math.inf, "numbers")
    twice = data["track_id"][data["track_id"].duplicated()]
    if len(twice):
        raise CaerError(
            f"{what}: track {_said(twice.iloc[0])} has several rows; if the tracks are of several "
            "videos, prefix the names of tracks and shots with the video"
        )
    try:
        vectors = np.asarray(embeddings, np.float32)
    except (TypeError, ValueError) as error:
        raise CaerError(
            f"{what}: the embeddings are {_said(embeddings)}; give an array, one row per track"
        ) from error
    if vectors.ndim != 2 or len(vectors) != len(data):
        raise CaerError(
            f"{what}: {len(data)} tracks, but embeddings of shape {vectors.shape}; "
            "give one row per track"
        )
    return data, vectors


def one_row_each(what: str, data: pd.DataFrame) -> None:
    """Raise a CaerError if a clip has several rows."""
    twice = data["clip_id"][data["clip_id"].duplicated()]
    if len(twice):
        count = twice.nunique()
        raise CaerError(
            f"{what}: {count:,} clip{'s have' if count > 1 else ' has'} more than one row (such as "
            f"{_said(twice.iloc[0])}); give one row per clip, each with its own clip_id"
        )


_GROUPS = ("shot_id", "video_id", "show", "person_id", "identity", "scene_id", "perceptual_hash")
_HASHES = re.compile(r"\s*[0-9a-fA-F]{1,16}(\s+[0-9a-fA-F]{1,16})*\s*")
_TALLEST = 2.0
"""Maximum height of a box as a share of the frame's; a box may extend beyond the frame."""


def _with_classes(what: str, data: pd.DataFrame) -> pd.DataFrame:
    from caer_data.engine.emotions import EMOTIONS, LABELS

    given = [name for name in ("label", "emotion") if name in data]
    classes = {}
    for name in given:
        names: list[object] = [*EMOTIONS, *(range(len(EMOTIONS)) if name == "label" else ())]
        strange = ~data[name].isin(names) & data[name].notna()
        if strange.any():
            raise CaerError(
                f"{what}: the column {name} contains {_listed(data[name][strange])}; "
                + (
                    f"give a class id, 0 to {len(EMOTIONS) - 1}, or "
                    if name == "label"
                    else "give "
                )
                + f"one of {', '.join(EMOTIONS)}"
            )
        classes[name] = data[name].map(lambda cell: LABELS.get(cell, cell)).astype("Float64")
    if len(given) == 2:
        differ = (classes["label"] != classes["emotion"]).fillna(False)
        if differ.any():
            clip, label, emotion = data.loc[differ.to_numpy(bool), ["clip_id", *given]].iloc[0]
            raise CaerError(
                f"{what}: label and emotion contradict each other (such as {_said(label)} and "
                f"{_said(emotion)} of clip {_said(clip)}); correct one, or remove one column"
            )
    if not given:
        return data
    numbers = classes[given[0]]
    for other in given[1:]:
        numbers = numbers.fillna(classes[other])
    words = numbers.map(lambda number: EMOTIONS[int(number)], na_action="ignore")
    return data.assign(label=numbers.astype("Int64"), emotion=words.astype(object))


def _numbers(
    what: str, data: pd.DataFrame, name: str, low: float, high: float, wanted: str
) -> pd.Series[float]:
    """Return a column as numbers, with NaN for empty cells."""
    numbers = data[name].map(_number, na_action="ignore").astype("float64")
    good = numbers.between(low, high) | data[name].isna()
    if not good.all():
        raise CaerError(
            f"{what}: the column {name} contains {_listed(data[name][~good].map(repr))}; give "
            f"{wanted}"
        )
    return numbers


def _number(value: object) -> float | None:
    """Return a finite number of Python or NumPy; None for anything else, including booleans."""
    if isinstance(value, str | bytes | bool) or type(value).__name__ == "bool":
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _rows(some: int, total: int) -> str:
    return f"{some:,} of {total:,} rows {'has' if some == 1 else 'have'}"


def _listed(values: pd.Series[Any]) -> str:
    return ", ".join(sorted({printable(value)[:60] for value in values})[:_SHOWN])


def _said(value: object, longest: int = 60) -> str:
    """Return a value as text for messages; for large objects only the name of the type."""
    import numpy as np

    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, str | bytes | int | float | tuple | list | os.PathLike | None):
        return f"a {type(value).__name__}"
    text = printable(repr(value))
    return text if len(text) <= longest else text[: longest - 1] + "…"
