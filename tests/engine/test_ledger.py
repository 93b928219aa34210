"""Keys and names of clips outlive the clips; rows find what became of theirs."""

import pandas as pd

from caer_data.engine import anchors, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.identity import Anchor, Box
from caer_data.engine.ledger import Ledger

FACE = Box(0.25, 0.25, 0.5, 0.75)
OTHER = Box(0.6, 0.25, 0.9, 0.75)


def anchor(start: int, end: int, box: Box | None = FACE) -> Anchor:
    return Anchor("v" * 64, start, end, end - start, box)


def clips(**found: Anchor) -> pd.DataFrame:
    """Table `clips` of one video, by key."""
    rows = [
        {"clip_id": f"name-of-{key}", "clip_key": key, "status": "kept", "start_frame": a.start_pts,
         "end_frame": a.end_pts} for key, a in found.items()
    ]  # fmt: skip
    data = tables.frame(tables.CLIPS, rows)
    return data.assign(**anchors.columns_of(list(found.values()), data.index)).drop(
        columns="frames"
    )


def test_a_ledger_is_read_as_written_and_only_grows(tmp_path):
    dataset, ledger = Dataset(tmp_path), Ledger()
    dataset.recipe_path.touch()
    first, second = ledger.assign(["s1", "s2"], [anchor(0, 50), anchor(50, 90, None)])
    dataset.write(tables.KEYS, ledger.table())
    again = Ledger.of(dataset)
    assert again.minted == ledger.minted and again.names == ledger.names
    assert again.assign(["s7"], [anchor(1, 50)]) == [first]
    assert again.names[first] == {"s1", "s7"}
    assert set(again.minted) == {first, second}
    assert again.assign(["s1"], [anchor(200, 250)]) != [first]
    assert len(again.named()["s1"]) == 2


def test_an_empty_ledger_is_a_table(tmp_path):
    dataset = Dataset(tmp_path)
    dataset.recipe_path.touch()
    dataset.write(tables.KEYS, Ledger().table())
    assert Ledger.of(dataset).minted == {}


def test_what_became_of_rows():
    now = clips(a=anchor(0, 50), b=anchor(100, 160), c=anchor(200, 250, OTHER))
    said = [anchor(0, 50), anchor(100, 150), anchor(200, 250), anchor(300, 350), anchor(1, 51)]
    keys = ["a", "old", "old-2", "old-3", "another-name"]
    rows = pd.DataFrame({"clip_key": keys})
    rows = rows.assign(**anchors.columns_of(said, rows.index))
    found = anchors.verdicts(rows, now)
    assert [told.verdict for told in found if told] == [
        "same", "changed", "changed", "gone", "same"
    ]  # fmt: skip
    assert found[-1] is not None and found[-1].key == "a"
    nothing = rows.iloc[:1].assign(clip_key=None, video_key=None)
    assert anchors.verdicts(nothing, now) == [None]


def test_anchors_survive_their_columns():
    said = [anchor(0, 50), anchor(5, 9, None), None]
    rows = pd.DataFrame({"clip_key": ["a", "b", "c"]})
    rows = rows.assign(**anchors.columns_of(said, rows.index))
    assert anchors.of_rows(rows) == said
    stamped = anchors.stamp(rows, {"a": anchor(7, 8), "c": anchor(7, 8)})
    assert anchors.of_rows(stamped) == [*said[:2], anchor(7, 8)]
