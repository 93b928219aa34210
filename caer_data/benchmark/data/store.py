"""The store: all samples, decoded once, as memory-mapped arrays for all runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.benchmark.data import shards
from caer_data.benchmark.data.samples import SPLITS, Sample, Source
from caer_data.benchmark.data.shards import Format, Work
from caer_data.engine.cores import cores
from caer_data.engine.errors import CaerError
from caer_data.engine.files import slug, write_text
from caer_data.engine.hashing import hash_of
from caer_data.engine.progress import Reporter

CLIPS_A_SHARD: Final = 64
IMAGES_A_SHARD: Final = 1024
MAX_LEFT_OUT: Final = 0.05


@dataclass(frozen=True)
class LeftOut:
    """A sample that could not be used."""

    sample: Sample
    reason: str


@dataclass
class Store:
    """Decoded samples of a source.

    Attributes:
        samples: usable samples, in the order of the arrays.
        left_out: samples that could not be used.
        first: (n,) row of each sample's first frame in the concatenated arrays of all shards.
        frames: (n,) number of frames of each sample.
    """

    source: Source
    form: Format
    samples: list[Sample]
    left_out: list[LeftOut]
    first: npt.NDArray[np.int64]
    frames: npt.NDArray[np.int64]
    _arrays: dict[str, list[npt.NDArray[Any]]]

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(n,) class ids."""
        return np.array([s.label for s in self.samples], np.int64)

    @property
    def fingerprint(self) -> str:
        """Hash of everything that results depend on: samples, labels, splits, frames, sizes."""
        parts: list[Any] = [self.form.face, self.form.frame, self.form.fps, self.source.classes]
        parts += [
            [s.sample_id, s.split, s.label, int(n), s.sha256]
            for s, n in zip(self.samples, self.frames, strict=True)
        ]
        return hash_of(parts, 16)

    def with_splits(self, splits: Sequence[str], name: str) -> Store:
        """Return the same samples in other splits; samples in unknown splits are not used."""
        samples = [replace(s, split=x) for s, x in zip(self.samples, splits, strict=True)]
        source = replace(self.source, name=name)
        return replace(self, source=source, samples=samples, left_out=[])

    def __add__(self, other: Store) -> Store:
        """Return both stores combined; the samples keep their splits.

        Raises:
            CaerError: their sizes or classes differ.
        """
        if (self.form, self.source.classes) != (other.form, other.source.classes):
            raise CaerError(
                f"{self.source.name} and {other.source.name} have different sizes or classes"
            )
        name = f"{self.source.name}+{other.source.name}"
        made_up = self.source.made_up or other.source.made_up
        rows = int(self.frames.sum())
        return Store(
            replace(self.source, name=name, made_up=made_up),
            self.form,
            [
                replace(s, sample_id=f"{store.source.name}:{s.sample_id}")
                for store in (self, other)
                for s in store.samples
            ],
            [*self.left_out, *other.left_out],
            np.concatenate([self.first, other.first + rows]),
            np.concatenate([self.frames, other.frames]),
            {name: [*arrays, *other._arrays[name]] for name, arrays in self._arrays.items()},
        )

    def left_out_as_csv(self) -> str:
        """Return the unusable samples as CSV: sample, split, reason."""
        rows = [(x.sample.sample_id, x.sample.split, x.reason) for x in self.left_out]
        columns = ["sample_id", "split", "reason"]
        return str(pd.DataFrame(rows, columns=columns).to_csv(index=False))

    @property
    def bytes(self) -> int:
        """Size of all arrays in bytes."""
        return sum(a.nbytes for arrays in self._arrays.values() for a in arrays)

    def of_split(self, split: str) -> npt.NDArray[np.int64]:
        """Return the positions of a split's samples."""
        found = [i for i, s in enumerate(self.samples) if s.split == split]
        return np.array(found, np.int64)

    def shard_arrays(self, name: str) -> list[npt.NDArray[Any]]:
        """Return the memory-mapped arrays `face`, `context`, `boxes` or `sound`, one per shard."""
        return self._arrays[name]

    def read(
        self,
        name: str,
        rows: npt.NDArray[np.int64],
        out: npt.NDArray[Any] | None = None,
    ) -> npt.NDArray[Any]:
        """Copy rows of an array to memory or `out`; return them, (*rows.shape, ...)."""
        arrays = self._arrays[name]
        starts = np.cumsum([0, *(len(a) for a in arrays)])
        flat = rows.ravel()
        if out is None:
            out = np.empty((*rows.shape, *arrays[0].shape[1:]), arrays[0].dtype)
        flat_out = out.reshape(len(flat), *arrays[0].shape[1:])
        of_shard = np.searchsorted(starts, flat, side="right") - 1
        # neighbouring rows, such as the frames of a window, are nearly always in one shard
        edges = np.flatnonzero(np.diff(of_shard)) + 1
        for part in np.split(np.arange(len(flat)), edges) if len(flat) else []:
            span, shard = slice(part[0], part[-1] + 1), of_shard[part[0]]
            # with a mode other than "raise", numpy writes directly into the result
            np.take(arrays[shard], flat[span] - starts[shard], 0, out=flat_out[span], mode="clip")
        return out


def build(
    works: Sequence[Work],
    source: Source,
    form: Format,
    folder: Path,
    *,
    reporter: Reporter,
    workers: int | None = None,
    max_left_out: float = MAX_LEFT_OUT,
) -> Store:
    """Decode what is not decoded yet, verify the hashes of all shards, and return the store.

    After an interruption, only missing or damaged shards are made. Unusable samples are listed in a
    file in the folder.

    Raises:
        CaerError: a larger share of a split than `max_left_out` cannot be used, or the disk is
            full.
    """
    workers = workers or cores()
    size = CLIPS_A_SHARD if form.fps else IMAGES_A_SHARD
    chunks = [list(works[i : i + size]) for i in range(0, len(works), size)]
    wanted = {folder / shards.name_of(chunk, form): chunk for chunk in chunks}
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(lambda path: shards.is_whole(path, wanted[path], form), wanted)
        whole = dict(zip(wanted, found, strict=True))
    missing = {path: chunk for path, chunk in wanted.items() if not whole[path]}
    shards.make_all(missing, form, workers, reporter)
    store = _open(wanted, source, form)
    if store.left_out:
        listed = folder / f"left-out-{slug(source.name)}.csv"
        write_text(listed, store.left_out_as_csv())
        _complain(store, listed, max_left_out, reporter)
    return store


def _open(wanted: dict[Path, list[Work]], source: Source, form: Format) -> Store:
    samples, left_out, frames = [], [], []
    arrays: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in form.arrays}
    for path, chunk in wanted.items():
        notes = json.loads((path / "shard.json").read_text())["samples"]
        for work, note in zip(chunk, notes, strict=True):
            if note["frames"]:
                samples.append(work.sample)
                frames.append(note["frames"])
            else:
                left_out.append(LeftOut(work.sample, note["reason"]))
        for name in form.arrays:
            arrays[name].append(np.load(path / f"{name}.npy", mmap_mode="r"))
    counts = np.array(frames, np.int64)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    return Store(source, form, samples, left_out, first[: len(counts)], counts, arrays)


def _complain(store: Store, listed: Path, max_left_out: float, reporter: Reporter) -> None:
    """Report unusable samples; raise a CaerError if a split has too many."""
    example = store.left_out[0].reason
    for split in SPLITS:
        lost = [x for x in store.left_out if x.sample.split == split]
        total = len(lost) + len(store.of_split(split))
        if lost and len(lost) > max(1, total * max_left_out):
            raise CaerError(
                f"{store.source.name}: {len(lost)} of {total} {split} {store.source.kind} cannot "
                f"be used ({listed}); the first: {lost[0].reason}; repair them or continue without "
                f"them with --max-left-out {min(1.0, len(lost) / total + 0.01):.2f}"
            )
    reporter.warn(
        f"{len(store.left_out)} of {len(store.left_out) + len(store.samples)} "
        f"{store.source.kind} cannot be used and are omitted ({listed}); the first: {example}"
    )
