"""Which runs make a result: one model over seeds, a suite of the paper, two datasets crossed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from caer_data.benchmark.data import sources
from caer_data.benchmark.data.store import Store
from caer_data.benchmark.recipe import ModelRecipe, Preset
from caer_data.benchmark.results import entries as results
from caer_data.benchmark.results import suites
from caer_data.benchmark.results.entries import Entry
from caer_data.benchmark.training.run import run
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter

if TYPE_CHECKING:
    from lightning_fabric import Fabric

OpenStore = Callable[[Path, ModelRecipe], Store]
Changed = Callable[[ModelRecipe], ModelRecipe]


@dataclass(frozen=True)
class Bench:
    """What all runs of a command share: folder of results, seeds, devices, progress."""

    results: Path
    seeds: range
    fabric: Fabric
    reporter: Reporter

    def runs(
        self,
        entry: Entry,
        store: Store,
        also_test: Mapping[str, Store] | None = None,
        weights: Path | None = None,
    ) -> Entry:
        """Do an entry's runs, one a seed, and return the entry with them."""
        seeds = self.seeds if weights is None else self.seeds[:1]
        for seed in seeds:
            result = run(
                entry.recipe,
                store,
                seed,
                results=self.results,
                fabric=self.fabric,
                reporter=self.reporter,
                also_test=also_test,
                weights=weights,
            )
            entry.runs.append(result)
        return entry


def one(bench: Bench, recipe: ModelRecipe, store: Store, weights: Path | None = None) -> Entry:
    """One model over all seeds, beside the paper's figure for it."""
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
) -> list[Entry]:
    """Every row of a table of the paper that the release has data for.

    Raises:
        CaerError: the release has neither clips nor images that the table needs.
    """
    entries, skipped = [], []
    for row in suites.rows(name, preset, features):
        recipe = changed(row.recipe)
        if not sources.has(release, "clips" if recipe.clips else "images"):
            skipped.append(row)
            continue
        entry = Entry(row.label, recipe, [], row.paper, row.paper_dataset, row.note)
        entries.append(bench.runs(entry, open_store(release, recipe)))
    if skipped:
        kinds = sorted({"clips" if row.recipe.clips else "images" for row in skipped})
        layouts = sorted(
            {sources.LAYOUTS["clips" if r.recipe.clips else "images"] for r in skipped}
        )
        sentence = (
            f"{release}: no {' or '.join(kinds)} for {len(skipped)} rows of {name} "
            f"({', '.join(row.label for row in skipped)}); they need a release with "
            f"--layout {' --layout '.join(layouts)}"
        )
        if not entries:
            raise CaerError(sentence)
        bench.reporter.warn(sentence)
    return entries


def cross(bench: Bench, recipe: ModelRecipe, here: Store, there: Store) -> list[Entry]:
    """Table 6: train here, there and on both; test each on both test splits."""
    if here.source.name == there.source.name:
        there = replace(there, source=replace(there.source, name=f"{there.source.name}-2"))
    for train, test in ((here, there), (there, here)):
        shared = _hashes(train, "train") & _hashes(test, "test")
        if shared:
            bench.reporter.warn(
                f"{len(shared)} test files of {test.source.name} are training files of "
                f"{train.source.name}: these cross figures leak"
            )
    entries = []
    for store in (here, there, here + there):
        elsewhere = {s.source.name: s for s in (here, there) if s.source.name != store.source.name}
        label = f"{recipe.name} trained on {store.source.name}"
        own = bench.runs(Entry(label, recipe), store, also_test=elsewhere)
        entries += [own, *(replace(own, test=name) for name in elsewhere)]
    return entries


def _hashes(store: Store, split: str) -> set[str]:
    return {s.sha256 for s in store.samples if s.split == split and s.sha256}
