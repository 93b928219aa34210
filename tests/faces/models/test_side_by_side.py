"""Any number of threads gives the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

from caer_data.engine.recipe import Faces
from caer_data.faces.models.choose import create_detector, create_embedder


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize(
    ("create", "side"),
    [(create_detector, (192, 320)), (create_embedder, (150, 150))],
    ids=["detector", "embedder"],
)
def test_the_number_of_threads_changes_no_byte(create, side, batch) -> None:
    answers = []
    for threads in (1, 2, 3):
        session = create(Faces(), threads)._session
        wanted = session.get_inputs()[0]
        shape = (batch, *side, 3) if wanted.shape[-1] == 3 else (batch, 3, *side)
        values = np.random.default_rng(1).random(shape) * 255
        kind = np.uint8 if "uint8" in wanted.type else np.float32
        answers.append(session.run(None, {wanted.name: values.astype(kind)}))
    for parts in zip(*answers, strict=True):
        assert len({part.tobytes() for part in parts}) == 1
        assert len({part.shape for part in parts}) == 1
