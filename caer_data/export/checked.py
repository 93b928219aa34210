"""Reading the tables of a release, which are not trusted: whole, or part by part in little memory.

Texts stay dictionaries of Arrow while they are checked, so that each different word is looked at
once, and no object of Python is made for a cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from caer_data.engine import bounded, parquet, tables
from caer_data.engine.columns import STRING, Table
from caer_data.engine.errors import CaerError

Mask = npt.NDArray[np.bool_]
"""Which rows are meant, shape (rows,)."""

Checks = Callable[[pa.Table], Iterator[tuple[str, Mask]]]
"""Yields columns of a part, each with its rows whose cells are impossible."""

PART: Final = 1 << 17
"""Number of rows in a part."""

_TEXT: Final = pa.dictionary(pa.int32(), STRING)


def read(table: Table, path: Path, checks: Checks | None = None) -> pd.DataFrame:
    """Return a table whose columns may be in another order or have pandas' own types.

    Args:
        table: its declaration.
        path: its file.
        checks: what its cells must be, besides what is declared.

    Raises:
        CaerError: it is missing or damaged, lacks columns, or a cell is impossible.
    """
    with _explained(path):
        arrow = bounded.read(path, table.names)
    typed = _typed(table, path, arrow)
    with _advised(path):
        tables.refuse_repeated(table, tables.to_pandas(plain(typed.select(list(table.key)))))
    _refuse(path, typed, 0, checks)
    return tables.to_pandas(plain(typed).cast(table.schema))


def parts(table: Table, path: Path, checks: Checks | None = None) -> Iterator[pa.Table]:
    """Yield a table as `read` returns it, part by part; all texts are dictionaries.

    Memory holds one part, and 8 bytes per row unless the rows are in the order of their keys. A key
    that occurs in two parts is refused after the last one, so take them all. Keys of a table that
    declares none are not compared.

    Raises:
        CaerError: see `read`.
    """
    keys = _Keys(table, path)
    rows = 0
    with _explained(path):
        for arrow in bounded.parts(path, table.names, PART):
            part = _typed(table, path, arrow)
            if table.key:
                keys.add(part)
            _refuse(path, part, rows, checks)
            rows += len(part)
            yield part
    keys.check()


def by_word(cells: pa.ChunkedArray, fits: Callable[[str], Any], empty: bool = True) -> Mask:
    """Return which cells of a column of text fit; each different word is asked about once.

    Args:
        cells: the column, as dictionaries.
        fits: whether a word fits.
        empty: whether an empty cell fits.
    """
    found = [np.empty(0, np.bool_)]
    for chunk in cells.chunks:
        codes, words = words_of(chunk)
        known = np.fromiter((bool(fits(word)) for word in words.to_pylist()), np.bool_, len(words))
        found.append(np.append(known, empty)[codes])
    return np.concatenate(found)


def words_of(chunk: pa.DictionaryArray) -> tuple[npt.NDArray[np.int64], pa.StringArray]:
    """Return the number of each cell's word, -1 if empty, and those words that occur."""
    codes = pc.fill_null(chunk.indices.cast(pa.int64()), -1).to_numpy()
    used = np.zeros(len(chunk.dictionary) + 1, np.bool_)  # the last one is that of empty cells
    used[codes] = True
    number = np.cumsum(used) - 1
    number[-1] = -1
    return number[codes], chunk.dictionary.filter(pa.array(used[:-1]))


def take(part: pa.Table, rows: npt.NDArray[np.intp]) -> pa.Table:
    """Return some rows of a part, with those words only that occur in them."""
    found = part.combine_chunks().take(pa.array(rows))
    for index, field in enumerate(found.schema):
        if field.type == _TEXT:
            codes, words = words_of(found.column(index).combine_chunks())
            indices = pa.array(codes, pa.int32(), mask=codes < 0)
            cells = pa.DictionaryArray.from_arrays(indices, words)
            found = found.set_column(index, field, cells)
    return found


def distinct(part: pa.Table) -> pa.Table:
    """Return the different rows of columns of text, in their order."""
    codes = {name: words_of(part[name].combine_chunks())[0] for name in part.column_names}
    return take(part, np.flatnonzero(~pd.DataFrame(codes).duplicated()))


def numbers(cells: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return a column of numbers; empty cells are NaN, and then whole numbers are floats."""
    return np.asarray(cells.to_numpy())


def _typed(table: Table, path: Path, arrow: pa.Table) -> pa.Table:
    """Return a part with the declared columns, texts as dictionaries; NaN becomes empty."""
    for column in table.columns:
        lacking = column.name not in arrow.schema.names
        if lacking and (column.added or column.optional):
            arrow = arrow.append_column(column.name, pa.nulls(len(arrow), column.type))
    missing = [name for name in table.names if name not in arrow.schema.names]
    if missing:
        raise CaerError(f"{path}: lacks the columns {missing}; export the release again")
    try:
        typed = _cast(table, arrow, table.names)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise CaerError(f"{path}: {tables.wrong_type(table, arrow, error)}") from error
    with _advised(path):
        typed = _without_nan(typed)
        tables.refuse_strange(table, typed)
    return typed


def _cast(table: Table, arrow: pa.Table, names: list[str]) -> pa.Table:
    """Return some columns of a part with the declared types, texts as dictionaries."""
    fields = [table.schema.field(name) for name in names]
    declared = [f.with_type(_TEXT) if f.type == STRING else f for f in fields]
    cells = [_as_words(arrow[f.name]) if f.type == _TEXT else arrow[f.name] for f in declared]
    return pa.table(cells, names).cast(pa.schema(declared))


def _as_words(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    if cells.type == _TEXT:
        return cells
    return cells.cast(STRING).dictionary_encode()


def _without_nan(part: pa.Table) -> pa.Table:
    """Return a part in which a number that is NaN is an empty cell.

    Raises:
        CaerError: the cell may not be empty.
    """
    for index, field in enumerate(part.schema):
        cells = part.column(index)
        if not pa.types.is_floating(field.type) or not pc.any(pc.is_nan(cells)).as_py():
            continue
        if not field.nullable:
            raise CaerError(
                f"column '{field.name}' has empty cells; it must hold numbers in every row"
            )
        cells = pc.if_else(pc.is_nan(cells), pa.scalar(None, field.type), cells)
        part = part.set_column(index, field, cells)
    return part


def plain(part: pa.Table) -> pa.Table:
    """Return a part, or some columns of one, whose texts are no dictionaries."""
    fields = [f.with_type(STRING) if f.type == _TEXT else f for f in part.schema]
    return part.cast(pa.schema(fields))


def _refuse(path: Path, part: pa.Table, before: int, checks: Checks | None) -> None:
    """Raise a CaerError about the first impossible cell, if there is one.

    Args:
        path: the file.
        part: rows of it.
        before: number of rows before the part.
        checks: see `read`.
    """
    for column, wrong in checks(part) if checks else ():
        at = np.flatnonzero(wrong)
        if len(at):
            cell = tables.to_pandas(plain(part.slice(at[0], 1).select([column])))[column].iloc[0]
            raise CaerError(
                f"{path}: row {before + at[0] + 1}: the column '{column}' cannot be "
                f"{str(cell)[:80]!r}; fetch the release again"
            )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say what to do if there is no such file."""
    try:
        yield
    except parquet.MissingFileError as error:
        raise CaerError(f"{path}: missing; fetch or export the release again") from error


@contextmanager
def _advised(path: Path) -> Iterator[None]:
    """Add the file and what to do about it to what is wrong with a table."""
    try:
        yield
    except CaerError as error:
        raise CaerError(f"{path}: {error}; fetch the release again") from error


class _Keys:
    """The keys of a table's parts, no two of which may be equal.

    Args:
        table: its declaration.
        path: its file, whose keys are read again if they are not in order.
    """

    def __init__(self, table: Table, path: Path) -> None:
        self._table, self._path = table, path
        self._last: tuple[Any, ...] | None = None
        self._in_order = True

    def add(self, part: pa.Table) -> None:
        """Note the keys of a part.

        Raises:
            CaerError: two of them are equal.
        """
        keys = part.select(list(self._table.key))
        if not len(keys):
            return
        rising = np.zeros(len(keys) - 1, np.bool_)
        for place in map(_places, reversed(keys.columns)):
            rising = (place[1:] > place[:-1]) | ((place[1:] == place[:-1]) & rising)
        if not rising.all() and len(np.unique(_hashes(keys))) < len(keys):
            self._refuse(keys)
        first, last = (_comparable(keys.slice(at, 1)) for at in (0, len(keys) - 1))
        follows = self._last is None or first > self._last
        self._in_order = self._in_order and follows and bool(rising.all())
        self._last = last

    def check(self) -> None:
        """Compare the keys of different parts.

        Raises:
            CaerError: two of them are equal.
        """
        if self._in_order:
            return
        hashes = np.sort(np.concatenate([_hashes(keys) for keys in self._again()]))
        equal = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        del hashes
        held: list[pa.Table] = []
        for keys in self._again() if len(equal) else ():
            held.append(plain(keys.filter(pa.array(np.isin(_hashes(keys), equal)))))
            self._refuse(pa.concat_tables(held))

    def _again(self) -> Iterator[pa.Table]:
        """Yield the keys once more, part by part."""
        names = list(self._table.key)
        for arrow in bounded.parts(self._path, names, PART):
            yield _cast(self._table, arrow, names)

    def _refuse(self, keys: pa.Table) -> None:
        """Raise a CaerError if keys are equal, which equal hashes do not prove."""
        with _advised(self._path):
            tables.refuse_repeated(self._table, tables.to_pandas(plain(keys)))


def _places(cells: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return numbers in the order of a part's cells; empty ones come first."""
    if cells.type != _TEXT:
        return numbers(cells)
    codes, words = words_of(cells.combine_chunks())
    order = np.unique(words.to_numpy(zero_copy_only=False), return_inverse=True)[1]
    return np.append(order, -1)[codes]


def _comparable(row: pa.Table) -> tuple[Any, ...]:
    """Return a row so that rows can be compared; empty cells come first."""
    cells = row.to_pylist()[0].values()
    return tuple((cell is not None, 0 if cell is None else cell) for cell in cells)


def _hashes(keys: pa.Table) -> npt.NDArray[np.uint64]:
    """Return a number for each row; equal rows have equal numbers."""
    found = np.zeros(len(keys), np.uint64)
    for cells in keys.columns:
        if cells.type == _TEXT:
            codes, words = words_of(cells.combine_chunks())
            of_words = pd.util.hash_array(words.to_numpy(zero_copy_only=False), categorize=False)
            own = np.append(of_words, np.uint64(0))[codes]
        else:
            own = pd.util.hash_array(numbers(cells))
        found = found * np.uint64(1_000_003) ^ own
    return found
