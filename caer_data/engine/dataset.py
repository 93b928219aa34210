"""The dataset folder: where its files are, and how Python code reads them.

dataset/
  caer-data.json     marks the folder as a dataset, see `caer_data.engine.ownership`
  recipe.yaml        the recipe as used, every default explicit
  provenance.json    versions, machine, path of the shows
  tables/*.parquet   the tables of `caer_data.engine.tables`, for other programs to read
  generations/       the tables of each build, which `Dataset` reads, see `engine.generations`
  clips/<show>/*.mp4 the kept clips
  report.html        the report on the build
  work/              intermediate results; recomputed if deleted
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa
from filelock import FileLock, Timeout

from caer_data.engine import copies, logs, tables
from caer_data.engine import recipe as recipes
from caer_data.engine.errors import BusyError, CaerError
from caer_data.engine.generations import Generations, mirror

BUILT = (
    tables.VIDEOS,
    tables.AUDIO_TRACKS,
    tables.SHOTS,
    tables.TRACKS,
    tables.FACES,
    tables.PEOPLE,
    tables.CLIPS,
    tables.REPEATS,
    tables.KEYS,
    tables.SPEECH,
    tables.LINES,
)
"""Tables that a build writes, all at once."""

_PUSH, _PULL = "'caer-data annotate push'", "'caer-data annotate pull'"
_MADE_BY = {"assignments": _PUSH, "known": _PUSH, "checks": _PULL, "raters": _PULL}


class Dataset:
    """A dataset folder, whose tables are attributes: `Dataset("dataset").clips` reads one.

    All tables that a build writes are read from the same build, however long this object is kept.

    Raises:
        CaerError: the folder is not a dataset (when a table or the recipe is read).
    """

    def __init__(self, folder: str | os.PathLike[str] = "dataset") -> None:
        self.folder = Path(folder)
        self._generations = Generations(
            self.folder / "generations", [f"{table.name}.parquet" for table in BUILT]
        )

    def __repr__(self) -> str:
        return f"Dataset({str(self.folder)!r})"

    @property
    def recipe_path(self) -> Path:
        """The recipe as used."""
        return self.folder / "recipe.yaml"

    @property
    def exists(self) -> bool:
        """Whether a build has begun here."""
        return self.recipe_path.is_file()

    @property
    def provenance_path(self) -> Path:
        """The file with the versions of the tools that built the dataset."""
        return self.folder / "provenance.json"

    @property
    def tables_folder(self) -> Path:
        """Folder of the parquet tables."""
        return self.folder / "tables"

    @property
    def clips_folder(self) -> Path:
        """Folder of the cut clips."""
        return self.folder / "clips"

    @property
    def work_folder(self) -> Path:
        """Folder of intermediate results."""
        return self.folder / "work"

    @property
    def report_path(self) -> Path:
        """The report page."""
        return self.folder / "report.html"

    @property
    def recipe(self) -> recipes.Recipe:
        """The recipe this dataset was built with."""
        self.require()
        return recipes.load(self.recipe_path)

    def require(self) -> None:
        """Raise a CaerError unless the folder is a dataset."""
        if not self.exists:
            raise CaerError(
                f"{self.folder}: not a dataset; run 'caer-data build --shows FOLDER "
                f"-o {self.folder}' first"
            )

    def path_of(self, table: tables.Table) -> Path:
        """Return the path of a table's parquet file."""
        if table in BUILT and self._generation is not None:
            return self._generation / f"{table.name}.parquet"
        return self.tables_folder / f"{table.name}.parquet"

    @cached_property
    def _generation(self) -> Path | None:
        return self._generations.current()

    def has(self, table: tables.Table) -> bool:
        """Whether the table has been written."""
        return self.path_of(table).is_file()

    def read(self, table: tables.Table) -> pd.DataFrame:
        """Read a table as a data frame with its declared types."""
        return tables.to_pandas(self.read_arrow(table))

    def read_columns(self, table: tables.Table, columns: list[str]) -> pd.DataFrame:
        """Read some columns of a table as `read` does; memory holds no others."""
        return tables.to_pandas(self.read_arrow(table, columns))

    def read_arrow(self, table: tables.Table, columns: list[str] | None = None) -> pa.Table:
        """Read a table, or some of its columns, as Arrow with the declared types."""
        self.require()
        if table not in BUILT and not self.has(table):
            made_by = _MADE_BY.get(table.name, f"{_PULL} or 'caer-data annotate import'")
            raise CaerError(
                f"{self.path_of(table)}: no table '{table.name}' yet; it is written by {made_by}"
            )
        return tables.read_arrow(table, self.path_of(table), columns)

    def read_or_empty(self, table: tables.Table) -> pd.DataFrame:
        """Read a table; return one without rows if it was never written."""
        return self.read(table) if self.has(table) else tables.empty(table)

    def write(self, table: tables.Table, data: pd.DataFrame) -> None:
        """Validate a table and write it atomically; a table of a build gets a new generation."""
        if table not in BUILT or self._generation is None:
            tables.write(table, data, self.path_of(table))
            return
        with self.generation() as path_of:
            for other in BUILT:
                if other is not table and self.has(other):
                    mirror(self.path_of(other), path_of(other))
            tables.write(table, data, path_of(table))

    @contextmanager
    def generation(self) -> Iterator[Callable[[tables.Table], Path]]:
        """Write the tables of a build; all of them take effect at once when the block ends.

        Yields:
            A function that returns the path to write each table of `BUILT` to.
        """
        with self._generations.next() as folder:
            yield lambda table: folder / f"{table.name}.parquet"
        self.__dict__.pop("_generation", None)
        for table in BUILT:
            if self.has(table):
                mirror(self.path_of(table), self.tables_folder / f"{table.name}.parquet")

    def remove_earlier_generations(self) -> int:
        """Remove the tables of earlier builds, kept for processes that still read them.

        Returns:
            Number of generations removed.
        """
        return self._generations.remove_earlier()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder for writing, and log to it while the block runs.

        The lock is released when the process ends, even if it is killed.

        Raises:
            BusyError: another process holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock", timeout=0)
        try:
            self._acquire(lock)
        except Timeout as error:
            raise BusyError(
                f"{self.folder}: another caer-data command is writing here; wait for it to end, "
                "or give another folder"
            ) from error
        try:
            with logs.to_file(self.work_folder / "log"):
                yield
        finally:
            lock.release()

    def _acquire(self, lock: FileLock) -> None:
        """Acquire the lock; wait for a command that holds it only while it moves files."""
        copy = copies.at(self.folder)
        try:
            lock.acquire()
        except Timeout:
            if copy is None:
                raise
            with copy.settled():
                lock.acquire()

    @property
    def videos(self) -> pd.DataFrame:
        """One row per video file."""
        return self.read(tables.VIDEOS)

    @property
    def audio_tracks(self) -> pd.DataFrame:
        """One row per sound track of a video."""
        return self.read(tables.AUDIO_TRACKS)

    @property
    def shots(self) -> pd.DataFrame:
        """One row per shot."""
        return self.read(tables.SHOTS)

    @property
    def tracks(self) -> pd.DataFrame:
        """One row per face followed through a shot."""
        return self.read(tables.TRACKS)

    @property
    def faces(self) -> pd.DataFrame:
        """One row per box of a track in a frame."""
        return self.read(tables.FACES)

    @property
    def people(self) -> pd.DataFrame:
        """One row per person of a show."""
        return self.read(tables.PEOPLE)

    @property
    def clips(self) -> pd.DataFrame:
        """One row per shot or part of one, kept or dropped."""
        return self.read(tables.CLIPS)

    @property
    def keys(self) -> pd.DataFrame:
        """One row per clip that was ever kept: its key and the anchor it was minted for."""
        return self.read(tables.KEYS)

    @property
    def speech(self) -> pd.DataFrame:
        """One row per span of time in which somebody speaks, or in which this is unknown."""
        return self.read(tables.SPEECH)

    @property
    def repeats(self) -> pd.DataFrame:
        """One row per shot that repeats an earlier one."""
        return self.read(tables.REPEATS)

    @property
    def lines(self) -> pd.DataFrame:
        """One row per line of subtitles."""
        return self.read(tables.LINES)

    @property
    def assignments(self) -> pd.DataFrame:
        """One row per clip assigned to a rater."""
        return self.read(tables.ASSIGNMENTS)

    @property
    def ratings(self) -> pd.DataFrame:
        """One row per answer."""
        return self.read(tables.RATINGS)

    @property
    def labels(self) -> pd.DataFrame:
        """One row per clip whose label was decided."""
        return self.read(tables.LABELS)

    @property
    def known(self) -> pd.DataFrame:
        """One row per clip whose correct answer the researcher knows."""
        return self.read(tables.KNOWN)

    @property
    def checks(self) -> pd.DataFrame:
        """One row per clip shown to a rater as a check, with the answer."""
        return self.read(tables.CHECKS)

    @property
    def raters(self) -> pd.DataFrame:
        """One row per rater: results in training, on gold clips and on repeats."""
        return self.read(tables.RATERS)
