"""A store in memory of made-up images, and a recipe that learns them in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from caer_data.benchmark import planted
from caer_data.benchmark.recipe import ModelRecipe, vary
from caer_data.benchmark.samples import SPLITS, Sample, Source
from caer_data.benchmark.shards import MAX_FACES, Format
from caer_data.benchmark.store import Store


def tiny_recipe(**train: object) -> ModelRecipe:
    """The face stream alone on crops of 16 x 16."""
    return vary(
        planted.recipe(),
        {
            "streams": {"context": False, "context_attention": False, "fusion_attention": False},
            "input": {"face": (16, 16)},
            "train": {"epochs": 2, "batch_size": 8, **train},
        },
    )


def tiny_store(train: int = 40, validation: int = 10, test: int = 10) -> Store:
    return planted.store(planted.make(train, validation, test), (16, 16))


def noise_store(count: int) -> Store:
    """Images of noise with labels that only remembering can tell; every split holds the same."""
    random = np.random.default_rng(0)
    samples = [
        Sample(f"{split}-{i}", Path(f"{i}"), split, i % 7) for split in SPLITS for i in range(count)
    ]
    arrays = {
        "face": [np.tile(random.integers(0, 256, (count, 16, 16, 3), np.uint8), (3, 1, 1, 1))],
        "context": [np.tile(random.integers(0, 256, (count, 24, 32, 3), np.uint8), (3, 1, 1, 1))],
        "boxes": [np.zeros((3 * count, MAX_FACES, 4), np.float32)],
    }
    source = Source("noise", "images", tuple(samples), made_up=True)
    rows = np.arange(3 * count, dtype=np.int64)
    form = Format((16, 16), (24, 32), None)
    return Store(source, form, samples, [], rows, np.ones_like(rows), arrays)
