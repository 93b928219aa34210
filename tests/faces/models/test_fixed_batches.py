"""A GPU sees batches of few sizes, and every picture gets its own result."""

from __future__ import annotations

import numpy as np
import pytest

from caer_data.faces.models.fixed_batches import BATCH, FixedBatches


class Session:
    """Returns the sums of the pictures, and which sizes of batch it was given."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.model = "doubles"

    def run(self, outputs, feed):
        self.sizes.append(len(feed["pictures"]))
        sums = feed["pictures"].reshape(len(feed["pictures"]), -1).sum(1)
        return [sums, np.stack([sums, -sums], 1)]


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 16, 21])
def test_every_picture_gets_its_own_result(count):
    session = Session()
    pictures = np.random.default_rng(0).integers(0, 255, (count, 4, 4, 3))
    sums, pairs = FixedBatches(session).run(None, {"pictures": pictures})
    assert sums.tolist() == pictures.reshape(count, -1).sum(1).tolist()
    assert pairs.tolist() == np.stack([sums, -sums], 1).tolist()
    assert set(session.sizes) == {BATCH}


def test_models_that_take_one_picture_are_given_one():
    session = Session()
    FixedBatches(session, one_by_one=True).run(None, {"pictures": np.ones((1, 4, 4, 3))})
    assert session.sizes == [1]


def test_everything_else_is_the_sessions():
    assert FixedBatches(Session()).model == "doubles"
