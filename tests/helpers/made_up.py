"""Stores in memory of made-up samples, and a recipe that learns them in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from caer_data.benchmark.data.samples import SPLITS, Sample, Source
from caer_data.benchmark.data.shards import MAX_FACES, Format
from caer_data.benchmark.data.store import Store
from caer_data.benchmark.recipe import ModelRecipe, vary
from caer_data.benchmark.selftest import synthetic


def tiny_recipe(**train: object) -> ModelRecipe:
    """The face stream alone on crops of 16 x 16."""
    return vary(
        synthetic.recipe(),
        {
            "streams": {"context": False, "context_attention": False, "fusion_attention": False},
            "input": {"face": (16, 16)},
            "train": {"epochs": 2, "batch_size": 8, **train},
        },
    )


def tiny_store(train: int = 40, validation: int = 10, test: int = 10) -> Store:
    return synthetic.store(synthetic.make(train, validation, test), (16, 16))


def noise_store(count: int, frames: int = 1) -> Store:
    """Noise with labels that only remembering can tell; every split holds the same samples."""
    random = np.random.default_rng(0)
    kind = "clips" if frames > 1 else "images"
    samples = [
        Sample(f"{split}-{i}", Path(f"{i}"), split, i % 7) for split in SPLITS for i in range(count)
    ]

    def noise(height: int, width: int) -> np.ndarray:
        shown = random.integers(0, 256, (count * frames, height, width, 3), np.uint8)
        return np.tile(shown, (3, 1, 1, 1))

    arrays = {
        "face": [noise(16, 16)],
        "context": [noise(24, 32)],
        "boxes": [np.zeros((3 * count * frames, MAX_FACES, 4), np.float32)],
    }
    source = Source("noise", kind, tuple(samples), made_up=True)
    first = np.arange(3 * count, dtype=np.int64) * frames
    form = Format((16, 16), (24, 32), 10.0 if frames > 1 else None)
    return Store(source, form, samples, [], first, np.full_like(first, frames), arrays)
