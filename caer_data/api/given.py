"""What a caller gives: arguments, and frames that are not ours. A mistake is one sentence."""

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

_SHOWN = 5  # wrong values that a message lists


def path(what: str, name: str, value: object) -> Path:
    """A path, of which a message can speak.

    Raises:
        CaerError: neither text nor a path, or empty.
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise CaerError(f"{what}: {name} is {_said(value)}; give a path")
    if not os.fspath(value):
        raise CaerError(f"{what}: {name} is empty; give a path")
    return Path(os.fspath(value))


def recipe(what: str, value: object) -> RecipeLike:
    """What a recipe can be given as; its values are checked where it is read.

    Raises:
        CaerError: nothing of this kind.
    """
    from caer_data.engine.recipe import Recipe

    if isinstance(value, str | os.PathLike | Mapping | Recipe):
        return value
    raise CaerError(
        f"{what}: recipe is {_said(value)}; give a name such as 'caer', a file, a dictionary or a "
        "Recipe"
    )


def whole(what: str, name: str, value: object, least: int | None = None) -> int:
    """A whole number, `least` or more.

    Raises:
        CaerError: anything else.
    """
    number = _number(value)
    if number is None or number % 1 or (least is not None and number < least):
        wanted = "a whole number" + ("" if least is None else f", {least} or more")
        raise CaerError(f"{what}: {name} is {_said(value)}; give {wanted}")
    return int(number)


def distance(what: str, name: str, value: object) -> float:
    """A finite number, 0 or more.

    Raises:
        CaerError: anything else.
    """
    number = _number(value)
    if number is None or number < 0:
        raise CaerError(f"{what}: {name} is {_said(value)}; give a number, 0 or more")
    return number


def frame(what: str, value: object, row: str, **holds: str) -> pd.DataFrame:
    """A data frame that has some columns.

    Args:
        what: the function.
        value: what it was given.
        row: what a row is.
        holds: the columns needed, and what they hold.

    Raises:
        CaerError: not a data frame, or a column is missing or there more than once.
    """
    import pandas as pd

    if not isinstance(value, pd.DataFrame):
        raise CaerError(f"{what}: {_said(value)} is no data frame; give one with one row per {row}")
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
                "leave these rows out"
            )


def empty_cells(column: pd.Series[Any]) -> pd.Series[bool]:
    """Which cells are empty: missing, or text without a letter."""
    cells = column.astype(object)
    blank = cells.map(lambda cell: isinstance(cell, str) and not cell.strip())
    return cells.isna() | blank.astype(bool)


def votes(what: str, value: object, *, confidence: bool) -> pd.DataFrame:
    """A frame of votes: `clip_id, rater, emotion` as texts, and `confidence` as numbers.

    Raises:
        CaerError: a column is missing, a cell is empty, an emotion is none of the seven, a
            confidence is not from 0 to 1, or a rater answered a clip twice.
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
            f"{what}: the column emotion holds {_listed(known['emotion'][strange])}; the emotions "
            f"are {', '.join(EMOTIONS)}"
        )
    twice = known[known.duplicated(["clip_id", "rater"])]
    if len(twice):
        rater, clip = twice["rater"].iloc[0], twice["clip_id"].iloc[0]
        raise CaerError(f"{what}: {printable(f'{rater} answered clip {clip}')} more than once")
    if confidence:
        known["confidence"] = _numbers(what, data, "confidence", 0, 1, "numbers from 0 to 1")
    return known


def clips(what: str, value: object, **holds: str) -> pd.DataFrame:
    """A frame of clips: whatever it knows of them, in any columns, is what it should be.

    Args:
        what: the function.
        value: the frame.
        holds: columns needed besides `clip_id`, and what they hold.

    Returns:
        The frame, with both `label` and `emotion` where it has one of them; names are texts, and
        blank ones are missing.

    Raises:
        CaerError: a column is missing, there are no rows, one has no `clip_id`, or a column holds
            something else than its name says.
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
                f"{what}: the column perceptual_hash holds {_listed(hashes[strange])}; give "
                "hexadecimal numbers of up to 16 digits, separated by spaces"
            )
    return _with_classes(what, data)


def _texts(what: str, data: pd.DataFrame, names: Iterable[str]) -> dict[str, pd.Series[Any]]:
    """Columns of names, which may be numbers, as texts; empty cells stay empty."""
    found = {}
    for name in names:
        cells = data[name].astype(object)
        cells = cells.mask(empty_cells(cells), None)
        strange = cells.map(lambda cell: isinstance(cell, Collection) and not isinstance(cell, str))
        if strange.any():
            raise CaerError(
                f"{what}: the column {name} holds {_listed(cells[strange.astype(bool)])}; give "
                "text or a number"
            )
        found[name] = cells.map(str, na_action="ignore")
    return found


def _measures(what: str, data: pd.DataFrame) -> dict[str, pd.Series[float]]:
    """The columns that hold numbers, each where it belongs: a share, an end after its start."""
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
    """A frame of tracks, and one embedding for each.

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
            f"{what}: track {_said(twice.iloc[0])} has several rows; put the video in front of the "
            "names of tracks and shots, if the tracks are of several videos"
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
"""Share of the frame's height: a box may reach beyond the frame, but not that far."""


def _with_classes(what: str, data: pd.DataFrame) -> pd.DataFrame:
    from caer_data.engine.emotions import EMOTIONS, LABELS

    given = [name for name in ("label", "emotion") if name in data]
    classes = {}
    for name in given:
        names: list[object] = [*EMOTIONS, *(range(len(EMOTIONS)) if name == "label" else ())]
        strange = ~data[name].isin(names) & data[name].notna()
        if strange.any():
            raise CaerError(
                f"{what}: the column {name} holds {_listed(data[name][strange])}; "
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
                f"{_said(emotion)} of clip {_said(clip)}); correct one, or leave one column out"
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
    """A column as numbers, empty cells as NaN."""
    numbers = data[name].map(_number, na_action="ignore").astype("float64")
    good = numbers.between(low, high) | data[name].isna()
    if not good.all():
        raise CaerError(
            f"{what}: the column {name} holds {_listed(data[name][~good].map(repr))}; give {wanted}"
        )
    return numbers


def _number(value: object) -> float | None:
    """A finite number, be it Python's or NumPy's; text is none, nor is a truth value."""
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
    """A value as a message shows it; of a table or another large thing only its kind."""
    import numpy as np

    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, str | bytes | int | float | tuple | list | os.PathLike | None):
        return f"a {type(value).__name__}"
    text = printable(repr(value))
    return text if len(text) <= longest else text[: longest - 1] + "…"
