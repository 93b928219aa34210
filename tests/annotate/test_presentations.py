"""What the server calls clips: a name a showing, that tells nothing and leads back to the clip."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from caer_data.annotate import presentations
from caer_data.annotate.assign import assignments as assign
from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.recipe import Annotate

New = Callable[..., Dataset]
RATERS = [f"r{number}@example.org" for number in range(6)]


def assigned(dataset: Dataset) -> pd.DataFrame:
    """All clips assigned, with everything that a row has."""
    keys = list(dataset.clips["clip_key"])
    rows = assign.assign(keys, RATERS, tables.empty(tables.ASSIGNMENTS), Annotate(), 1)
    rows = presentations.fill(dataset, rows)
    dataset.write(tables.ASSIGNMENTS, rows)
    return rows


def test_every_showing_has_a_name_of_its_own_that_tells_nothing(new_dataset: New) -> None:
    dataset = new_dataset(4)
    rows = assigned(dataset)
    assert rows["presentation"].is_unique and len(rows) == 12
    told = " ".join(rows["presentation"])
    assert not any(word in told for word in (*rows["clip_id"], *rows["clip_key"], "secret"))
    assert presentations.fill(dataset, rows).equals(rows)
    other = new_dataset(4, name="other")
    assert not set(assigned(other)["presentation"]) & set(rows["presentation"])


def test_rows_carry_name_and_anchor_of_their_clip(new_dataset: New) -> None:
    dataset = new_dataset(2)
    rows, known = assigned(dataset), anchors.of_clips(dataset.clips)
    assert anchors.of_rows(rows) == [known[key] for key in rows["clip_key"]]
    names = dataset.clips.set_index("clip_key")["clip_id"]
    assert (rows["clip_key"].map(names) == rows["clip_id"]).all()


def test_names_lead_back_to_the_clip_also_after_it_went_to_somebody_else(new_dataset: New) -> None:
    dataset = new_dataset(4)
    rows = assigned(dataset)
    gone = rows[rows["rater"] == RATERS[0]]
    dataset.write(tables.ASSIGNMENTS, rows[rows["rater"] != RATERS[0]].reset_index(drop=True))
    shown = presentations.of(dataset)
    for row in rows.itertuples():
        assert shown.clip_of(row.presentation, row.rater) == row.clip_key
    assert len(gone)
    assert shown.clip_of(gone["presentation"].iloc[0], RATERS[1]) is None
    assert shown.clip_of("nothing", RATERS[0]) is None
