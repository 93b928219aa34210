"""Cross-validation, also for predictions on training clips by models not trained on their video."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.benchmark.data.store import Store
from caer_data.benchmark.recipe import ModelRecipe
from caer_data.benchmark.results.compare import Bench
from caer_data.benchmark.results.entries import Entry
from caer_data.benchmark.training.run import Result, folder_of, predictions_file, run
from caer_data.engine import parquet
from caer_data.engine.errors import CaerError

UNUSED = "unused"
Positions = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]


def results(bench: Bench, recipe: ModelRecipe, store: Store, folds: int) -> Entry:
    """Return a row with the results of K-fold cross-validation, one run per fold and seed.

    Samples of one show are in one fold or, if there are fewer shows than folds, samples of one
    video. Each fold is tested by a model whose epoch was chosen on the next fold.

    Raises:
        CaerError: there are fewer shows, and fewer videos, than folds.
    """
    all_samples = np.arange(len(store.samples))
    kind, groups = _disjoint(store, all_samples, folds)
    over = "the folds and seeds" if len(bench.seeds) > 1 else "the folds"
    note = (
        f"{recipe.name}: {folds} folds, no {kind} in two of them; mean and deviation are over "
        f"{over}, the interval is of all held-out predictions together"
    )
    entry = Entry(f"{recipe.name}, {folds} folds", recipe, note=note)
    for seed in bench.seeds:
        for number, fold_store in enumerate(_folds(store, all_samples, groups, folds, seed), 1):
            result = _run(bench, recipe, fold_store, seed, f"fold {number} of {folds}, seed {seed}")
            entry.runs.append({**result, "fold": number})
            entry.folders.append(folder_of(bench.results, recipe, fold_store, seed))
    return entry


def _disjoint(store: Store, positions: Positions, folds: int) -> tuple[str, Names]:
    """Return the kind of group (shows or videos), and the group of each sample."""
    samples = [store.samples[i] for i in positions]
    shows = np.array([s.show for s in samples])
    if (shows != "").all() and len(np.unique(shows)) >= folds:
        return "show", shows
    return "video", np.array([s.group or s.clip_id or s.sample_id for s in samples])


def predictions(bench: Bench, recipe: ModelRecipe, store: Store, folds: int) -> pd.DataFrame:
    """Return held-out predictions for every train and validation sample, in the format of runs.

    Trains `folds` models with the first seed. Each is tested on one fold, and its epoch is chosen
    on the next. The test split is not used.

    Raises:
        CaerError: there are fewer videos than folds.
    """
    true_split = {s.sample_id: s.split for s in store.samples}
    seed = bench.seeds[0]
    found = []
    for number, fold_store in enumerate(stores(store, folds, seed), 1):
        _run(bench, recipe, fold_store, seed, f"fold {number} of {folds}")
        path = folder_of(bench.results, recipe, fold_store, seed) / predictions_file()
        frame = parquet.to_frame(path)
        found.append(frame[frame["split"] == "test"])
    held_out = pd.concat(found, ignore_index=True)
    return held_out.assign(split=held_out["sample_id"].map(true_split))


def _run(bench: Bench, recipe: ModelRecipe, store: Store, seed: int, title: str) -> Result:
    return run(recipe, store, seed, bench.context, title=title)


def stores(store: Store, folds: int, seed: int) -> Iterator[Store]:
    """Yield the store once per fold, with that fold as test and the next as validation.

    Samples of one video are in one fold, and classes are spread as evenly as this allows. The test
    split is not used.
    """
    positions = np.concatenate([store.of_split("train"), store.of_split("validation")])
    samples = [store.samples[i] for i in positions]
    groups = np.array([s.group or s.clip_id or s.sample_id for s in samples])
    return _folds(store, positions, groups, folds, seed)


def _folds(
    store: Store, positions: Positions, groups: Names, folds: int, seed: int
) -> Iterator[Store]:
    from sklearn.model_selection import StratifiedGroupKFold

    if folds < 3 or len(np.unique(groups)) < folds:
        raise CaerError(
            f"--folds {folds}: give at least 3 and at most {len(np.unique(groups))}, the number of "
            f"videos that can be held out of {store.source.name}"
        )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    fold_of = np.zeros(len(positions), int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class rarer than the number of folds
        parts = splitter.split(positions, store.labels[positions], groups)
        for number, (_, held_out) in enumerate(parts):
            fold_of[held_out] = number
    for fold in range(folds):
        splits = [UNUSED] * len(store.samples)
        for position, number in zip(positions, fold_of, strict=True):
            following = (fold + 1) % folds
            splits[position] = {fold: "test", following: "validation"}.get(int(number), "train")
        yield store.with_splits(splits, f"{store.source.name}-fold-{fold + 1}-of-{folds}")
