"""Made-up predictions of a row, as runs write them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from caer_data.engine.emotions import EMOTIONS


def predictions(
    n: int = 200,
    shows: int = 12,
    videos: int = 24,
    seed: int = 0,
    skill: float = 2.0,
    votes: bool = True,
    validation: int = 60,
) -> pd.DataFrame:
    """n test samples in shows and videos whose difficulty differs; the truth is that of seed 0."""
    truth, noise = np.random.default_rng(0), np.random.default_rng([7, seed])
    total = n + validation
    labels = truth.integers(0, 7, total)
    video = np.arange(total) % videos
    hard = truth.normal(0, 1.0, videos)[video]
    logits = noise.normal(0, 1, (total, 7))
    logits[np.arange(total), labels] += skill + hard
    powers = np.exp(logits)
    probabilities = powers / powers.sum(1, keepdims=True)
    answers = np.where(truth.random((total, 3)) < 0.75, labels[:, None], (labels[:, None] + 1) % 7)
    confidence = truth.integers(0, 5, (total, 3)) / 4
    frame = pd.DataFrame(
        {
            "sample_id": [f"c{i:04d}" for i in range(total)],
            "clip_id": [f"c{i:04d}" for i in range(total)],
            "split": ["test"] * n + ["validation"] * validation,
            "show": [f"show-{v % shows}" if shows else "" for v in video],
            "episode": "",
            "video": [f"video-{v}" if videos > 1 else "" for v in video],
            "person": "",
            "votes": [
                " ".join(
                    f"r{k}={EMOTIONS[a]}:{c}"
                    for k, (a, c) in enumerate(zip(row, sure, strict=True))
                )
                if votes
                else ""
                for row, sure in zip(answers, confidence, strict=True)
            ],
            "label": labels,
        }
    )
    for k, name in enumerate(EMOTIONS):
        frame[f"p_{name}"] = probabilities[:, k]
    return frame
