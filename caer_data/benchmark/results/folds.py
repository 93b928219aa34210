"""Cross-validation: probabilities for training clips from models that never saw their video."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd

from caer_data.benchmark.data.store import Store
from caer_data.benchmark.recipe import ModelRecipe
from caer_data.benchmark.results.compare import Bench
from caer_data.benchmark.training.run import folder_of, run
from caer_data.engine.errors import CaerError

UNUSED = "unused"


def predictions(bench: Bench, recipe: ModelRecipe, store: Store, folds: int) -> pd.DataFrame:
    """Held-out probabilities of every train and validation sample, as runs write predictions.

    Trains `folds` models with the first seed. Each is tested on one fold and chooses its epoch on
    the next; the test split takes no part.

    Raises:
        CaerError: there are fewer videos than folds.
    """
    true_split = {s.sample_id: s.split for s in store.samples}
    seed = bench.seeds[0]
    found = []
    for number, fold_store in enumerate(stores(store, folds, seed), 1):
        run(
            recipe,
            fold_store,
            seed,
            results=bench.results,
            fabric=bench.fabric,
            reporter=bench.reporter,
            title=f"fold {number} of {folds}",
        )
        path = folder_of(bench.results, recipe, fold_store, seed) / "predictions.parquet"
        frame = pd.read_parquet(path)
        found.append(frame[frame["split"] == "test"])
    held_out = pd.concat(found, ignore_index=True)
    return held_out.assign(split=held_out["sample_id"].map(true_split))


def stores(store: Store, folds: int, seed: int) -> Iterator[Store]:
    """The store once for every fold: that fold as test, the next as validation, the rest as train.

    Samples of one video stay in one fold; classes are spread as evenly as that allows.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    positions = np.concatenate([store.of_split("train"), store.of_split("validation")])
    samples = [store.samples[i] for i in positions]
    groups = np.array([s.group or s.clip_id or s.sample_id for s in samples])
    if folds < 3 or len(np.unique(groups)) < folds:
        raise CaerError(
            f"--folds {folds}: give at least 3 and at most {len(np.unique(groups))}, the number of "
            f"videos in train and validation of {store.source.name}"
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
