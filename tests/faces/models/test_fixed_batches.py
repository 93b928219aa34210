"""A GPU sees batches of few sizes, and every picture gets its own result."""

from __future__ import annotations

import numpy as np
import pytest

from caer_data.faces.models.fixed_batches import BATCH, SHAPES, FixedBatches


class Session:
    """Returns the sums of the pictures, and which sizes of batch it was given."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.planned = 0
        self.model = "doubles"
        self._shape = None

    def run(self, outputs, feed):
        self.sizes.append(len(feed["pictures"]))
        self.planned += feed["pictures"].shape != self._shape
        self._shape = feed["pictures"].shape
        sums = feed["pictures"].reshape(len(feed["pictures"]), -1).sum(1)
        return [sums, np.stack([sums, -sums], 1)]


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 16, 21])
def test_every_picture_gets_its_own_result(count):
    session = Session()
    pictures = np.random.default_rng(0).integers(0, 255, (count, 4, 4, 3))
    sums, pairs = FixedBatches(session, Session).run(None, {"pictures": pictures})
    assert sums.tolist() == pictures.reshape(count, -1).sum(1).tolist()
    assert pairs.tolist() == np.stack([sums, -sums], 1).tolist()
    assert set(session.sizes) == {BATCH}


def test_models_that_take_one_picture_are_given_one():
    session = Session()
    FixedBatches(session, Session, one_by_one=True).run(None, {"pictures": np.ones((1, 4, 4, 3))})
    assert session.sizes == [1]


@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_shape_that_comes_again_is_not_planned_again(one_by_one):
    made = [Session()]

    def another():
        made.append(Session())
        return made[-1]

    model = FixedBatches(made[0], another, one_by_one)
    for side in (4, 6, 4, 8, 6, 4):
        pictures = np.full((1, side, side, 3), side)
        sums, _ = model.run(None, {"pictures": pictures})
        assert sums.tolist() == [3 * side**3]
    assert [session.planned for session in made] == [1, 1, 1]


def test_sessions_of_shapes_not_seen_for_long_are_given_up():
    made = []

    def another():
        made.append(Session())
        return made[-1]

    model = FixedBatches(Session(), another)
    for side in [*range(1, SHAPES + 1), 1, SHAPES + 1, 1]:
        model.run(None, {"pictures": np.ones((1, side, side, 3))})
    assert len(model._sessions) == SHAPES
    assert len(made) == SHAPES  # the first shape was used again and kept
    model.run(None, {"pictures": np.ones((1, 2, 2, 3))})
    assert len(made) == SHAPES + 1


def test_everything_else_is_the_sessions():
    assert FixedBatches(Session(), Session).model == "doubles"
