"""Whatever is edited: no label on other frames, no answer lost, no file of somebody's removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from random_edits import World


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_random_edits_lose_nothing_and_misattribute_nothing(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path, seed)
    world.rate()
    for _ in range(25):
        world.step()
    assert world.counts["builds"] > 5 and world.counts["labels looked at"] > 50
