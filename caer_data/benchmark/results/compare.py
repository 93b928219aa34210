"""Compute results: one model over seeds, a suite of the paper, or a test across two datasets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from caer_data.benchmark.data import sources
from caer_data.benchmark.data.batches import OnDevice
from caer_data.benchmark.data.prepare import NoSoundError
from caer_data.benchmark.data.store import Store
from caer_data.benchmark.networks import create, try_own_class
from caer_data.benchmark.recipe import ModelRecipe, Preset
from caer_data.benchmark.results import entries as results
from caer_data.benchmark.results import suites
from caer_data.benchmark.results.entries import Entry
from caer_data.benchmark.training import checkpoint
from caer_data.benchmark.training.run import Context, folder_of, run
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter

if TYPE_CHECKING:
    from lightning_fabric import Fabric

KINDS: Final[tuple[sources.Kind, ...]] = ("clips", "images")
OpenStore = Callable[[Path, ModelRecipe], Store]
Changed = Callable[[ModelRecipe], ModelRecipe]


@dataclass(frozen=True)
class Bench:
    """Settings shared by all runs of a command: folder of results, seeds, devices, progress.

    Attributes:
        failures: sentences about rows of a suite that could not be computed.
        left_out: sentences about rows of a suite for which the release has no data.
        kept: arrays left on the GPU between runs.
    """

    results: Path
    seeds: range
    fabric: Fabric
    reporter: Reporter
    failures: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    kept: OnDevice = field(default_factory=OnDevice)

    @property
    def context(self) -> Context:
        """Context passed to each run."""
        return Context(self.results, self.fabric, self.reporter, self.kept)

    @property
    def with_graphs(self) -> bool:
        """Whether compiled models are replayed as CUDA graphs, which requires a single GPU."""
        return self.fabric.device.type == "cuda" and self.fabric.world_size == 1

    def runs(
        self,
        entry: Entry,
        store: Store,
        also_test: Mapping[str, Store] | None = None,
        weights: Path | None = None,
    ) -> Entry:
        """Perform an entry's runs, one per seed, and return the entry with their results."""
        seeds = self.seeds if weights is None else self.seeds[:1]
        entry.weights = weights
        for seed in seeds:
            result = run(
                entry.recipe,
                store,
                seed,
                self.context,
                also_test=also_test,
                weights=weights,
            )
            entry.runs.append(result)
            entry.folders.append(folder_of(self.results, entry.recipe, store, seed, weights))
        return entry


def check(recipe: ModelRecipe, weights: Path | None = None) -> None:
    """Raise errors that would stop a run later, before anything is decoded.

    Args:
        recipe: its class is imported and, if it is a user's own, called on noise; its weight file
            is read.
        weights: trained weights to be tested, if any.

    Raises:
        CaerError: see `create`, `try_own_class` and `load_weights`.
    """
    model = create(recipe)
    if recipe.is_own_class:
        try_own_class(model, recipe, len(EMOTIONS), learns=weights is None)
    if weights is not None:
        checkpoint.load_weights(weights, model, recipe, EMOTIONS)


def single(bench: Bench, recipe: ModelRecipe, store: Store, weights: Path | None = None) -> Entry:
    """Return the results of one model over all seeds, with the paper's figure for it."""
    paper, dataset = results.paper_figure(recipe)
    entry = Entry(recipe.name, recipe, paper=paper, paper_dataset=dataset)
    return bench.runs(entry, store, weights=weights)


def suite(
    bench: Bench,
    name: str,
    release: Path,
    open_store: OpenStore,
    *,
    preset: Preset,
    features: Mapping[str, str],
    changed: Changed,
    encoder: str | None = None,
) -> list[Entry]:
    """Return the results of all rows of a table of the paper for which the release has data.

    Raises:
        CaerError: the release has neither the clips nor the images that the table needs.
    """
    rows = [
        replace(r, recipe=changed(r.recipe)) for r in suites.rows(name, preset, features, encoder)
    ]
    present = {kind for kind in KINDS if sources.has(release, kind)}
    wanted = [row for row in rows if _kind(row.recipe) in present]
    skipped = [row for row in rows if _kind(row.recipe) not in present]
    for row in wanted:
        check(row.recipe)
    entries = [entry for row in wanted if (entry := _row(bench, row, release, open_store))]
    if skipped:
        kinds = sorted({_kind(row.recipe) for row in skipped})
        layouts = sorted({sources.LAYOUTS[_kind(row.recipe)] for row in skipped})
        sentence = (
            f"{release}: no {' or '.join(kinds)} for {len(skipped)} rows of {name} "
            f"({'; '.join(row.label for row in skipped)}); they need a release with "
            f"--layout {' --layout '.join(layouts)}"
        )
        if not wanted:
            raise CaerError(sentence)
        bench.left_out.append(sentence)
        bench.reporter.warn(sentence)
    if not entries:
        raise CaerError(f"{name}: no row could be computed; the first: {bench.failures[0]}")
    return entries


def _kind(recipe: ModelRecipe) -> sources.Kind:
    return "clips" if recipe.clips else "images"


def _row(bench: Bench, row: suites.Row, release: Path, open_store: OpenStore) -> Entry | None:
    """Return the results of a row; after a failure, record the reason and return None.

    A user's own model can fail in any way, which must not affect the other rows. With several
    processes, however, a failure ends the command, because a process that continued would wait for
    the others forever.
    """
    entry = Entry(row.label, row.recipe, [], row.paper, row.paper_dataset, row.note)
    try:
        return bench.runs(entry, open_store(release, row.recipe))
    except NoSoundError as error:  # a row without data is not a failure
        bench.left_out.append(f"{row.label}: left out ({error})")
        bench.reporter.warn(bench.left_out[-1])
        return None
    except Exception as error:
        if bench.fabric.world_size > 1:
            raise
        what = str(error) if isinstance(error, CaerError) else f"{type(error).__name__}: {error}"
        bench.failures.append(f"{row.label}: not computed ({what.strip()})")
        bench.reporter.warn(f"{bench.failures[-1]}; continuing with the next row")
        return None


def cross(bench: Bench, recipe: ModelRecipe, here: Store, other: Store) -> list[Entry]:
    """Return the results of Table 6: train on each dataset and on both; test on both datasets."""
    if here.source.name == other.source.name:
        other = replace(other, source=replace(other.source, name=f"{other.source.name}-2"))
    for one_side in (here, other):
        if not all(sample.sha256 for sample in one_side.samples):
            bench.reporter.warn(
                f"{one_side.source.name} has no manifest with hashes: whether test files of one "
                "release are training files of the other was not checked"
            )
    for train, test in ((here, other), (other, here)):
        shared = _hashes(train, "train") & _hashes(test, "test")
        if shared:
            bench.reporter.warn(
                f"{len(shared)} test files of {test.source.name} are training files of "
                f"{train.source.name}: these figures across releases leak"
            )
    entries = []
    for store in (here, other, here + other):
        others = {s.source.name: s for s in (here, other) if s.source.name != store.source.name}
        label = f"{recipe.name} trained on {store.source.name}"
        own = bench.runs(Entry(label, recipe), store, also_test=others)
        entries += [own, *(replace(own, test=name) for name in others)]
    return entries


def _hashes(store: Store, split: str) -> set[str]:
    return {s.sha256 for s in store.samples if s.split == split and s.sha256}
