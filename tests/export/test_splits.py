from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.export import splits
from caer_data.export.groups import GROUP_OF
from caer_data.export.splits import Scheme, assign, parse_shares, reached

PAPER = (1628, 719, 514, 2726, 4579, 1473, 1562)


def made_clips(count: int, shows: int = 12, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    labels = random.choice(7, count, p=np.array(PAPER) / sum(PAPER))
    video = random.integers(0, shows * 8, count)
    return pd.DataFrame(
        {
            "clip_id": [f"c{i:05d}" for i in range(count)],
            "clip_key": [f"c{i:05d}" for i in range(count)],
            "shot_id": [f"s{i * 9 // 10:05d}" for i in range(count)],
            "video_id": [f"v{v:03d}" for v in video],
            "show": [f"show {v // 8}" for v in video],
            "person_id": [f"p{v // 8}-{random.integers(0, 6)}" for v in video],
            "scene_id": [f"s{i * 7 // 10:05d}" for i in range(count)],
            "label": labels,
            "emotion": [EMOTIONS[label] for label in labels],
        }
    )


@pytest.mark.parametrize("by", GROUP_OF)
def test_groups_never_straddle_and_shares_come_close(by):
    clips = made_clips(1500)
    scheme = Scheme((70, 10, 20), by, 1)
    split = assign(clips, scheme)
    assert clips.assign(split=split).groupby(GROUP_OF[by])["split"].nunique().max() == 1
    table = reached(clips, split, scheme).set_index("split")
    worst = {"clip": 0.002, "video": 0.01, "show": 0.04, "person": 0.01, "scene": 0.002}[by]
    assert (table["reached"] - table["asked"]).abs().max() < worst
    assert table["clips"].sum() == len(clips)


@pytest.mark.parametrize("clips", [400, 3000])
def test_among_many_groups_no_move_would_help_and_as_many_steps_are_few(clips, monkeypatch):
    made = made_clips(clips)
    drawn = []
    improved = splits._Kinds.improved

    def remembered(kinds, wanted, targets):
        chosen = improved(kinds, wanted, targets)
        drawn.append((kinds, chosen, targets))
        return chosen

    monkeypatch.setattr(splits._Kinds, "improved", remembered)
    assign(made, Scheme((70, 10, 20), "clip", 3))
    (kinds, chosen, targets), *_ = drawn
    assert len(kinds._rows) < 60  # a step costs as much as there are kinds, not groups
    kind_of = {g: k for (k, _), groups in kinds._members.items() for g in groups}
    weights = kinds._rows[[kind_of[group] for group in range(len(chosen))]]
    pull = weights @ (splits._sums(weights, chosen) - targets[:, None]).T
    assert np.nanmin(splits._gain_of_moves(weights, pull, chosen)) > -1e-11
    assert set(chosen) == {0, 1, 2}


def test_by_clip_is_stratified():
    clips = made_clips(2000)
    table = reached(clips, assign(clips, s := Scheme((70, 10, 20), "clip", 3)), s)
    for emotion in EMOTIONS:
        assert (table[f"{emotion}_share"] - table["asked"]).abs().max() < 0.02


@pytest.mark.parametrize("by", ["video", "show", "person"])
def test_never_farther_from_the_request_than_scikit_learn(by):
    clips = made_clips(900, shows=20)
    groups = clips[GROUP_OF[by]]
    folds = np.zeros(len(clips), int)
    for fold, (_, inside) in enumerate(
        StratifiedGroupKFold(10, shuffle=True, random_state=7).split(
            clips["label"], clips["label"], groups
        )
    ):
        folds[inside] = fold
    peer = pd.Series(np.where(folds < 7, "train", np.where(folds < 8, "validation", "test")))
    scheme = Scheme((70, 10, 20), by, 7)

    def distance(split):
        table = reached(clips, split, scheme)
        shares = table[[f"{e}_share" for e in EMOTIONS]].to_numpy() - table[["asked"]].to_numpy()
        return (shares**2).sum() + ((table["reached"] - table["asked"]) ** 2).sum()

    assert distance(assign(clips, scheme)) <= distance(peer)


def test_few_groups_are_tried_in_every_way():
    sizes = {"a": 60, "b": 21, "c": 10, "d": 9}
    clips = pd.DataFrame({"show": [s for s, n in sizes.items() for _ in range(n)]})
    clips["clip_key"] = clips["clip_id"] = [f"c{i}" for i in range(len(clips))]
    clips["label"] = np.arange(len(clips)) % 7
    clips["emotion"] = [EMOTIONS[label] for label in clips["label"]]
    split = assign(clips, Scheme((70, 10, 20), "show", 0))
    counts = split.value_counts()
    assert (counts["train"], counts["validation"], counts["test"]) in {(69, 10, 21), (70, 9, 21)}


def test_same_seed_same_split_in_any_row_order_other_seed_other_split():
    clips = made_clips(400)
    scheme = Scheme((70, 10, 20), "person", 5)
    split = assign(clips, scheme)
    shuffled = assign(clips.sample(frac=1, random_state=1), scheme)
    assert shuffled.sort_index().equals(split)
    by_clip = [assign(clips, Scheme((70, 10, 20), "clip", seed)) for seed in (1, 2)]
    assert 0.2 < (by_clip[0] != by_clip[1]).mean() < 0.8


@pytest.mark.parametrize("by", GROUP_OF)
def test_no_clip_changes_its_split_when_clips_are_added(by):
    clips = made_clips(1200)
    scheme = Scheme((70, 10, 20), by, 5)
    few = clips.iloc[:700]
    before = assign(few, scheme)
    kept = dict(zip(few["clip_key"], before, strict=True))
    after = assign(clips, scheme, kept)
    assert (after.iloc[:700] == before).all()
    assert clips.assign(split=after).groupby(GROUP_OF[by])["split"].nunique().max() == 1
    table = reached(clips, after, scheme)
    assert (table["reached"] - table["asked"]).abs().max() < 0.06


def test_a_group_that_joins_two_splits_is_an_error():
    clips = made_clips(100)
    clips["person_id"] = "one and the same"
    clips.loc[50:, "person_id"] = [f"p{i}" for i in range(50)]
    kept = {"c00000": "train", "c00001": "test"}
    with pytest.raises(CaerError, match="--resplit"):
        assign(clips, Scheme((70, 10, 20), "person", 0), kept)


@pytest.mark.parametrize(
    ("by", "shares", "shows", "said"),
    [
        pytest.param("show", (70, 10, 20), 1, "split by clip", id="one-show"),
        pytest.param("show", (70, 10, 20), 1, "by video", id="one-show-many-videos"),
        pytest.param("show", (70, 10, 20), 2, "shares 80/0/20", id="two-shows-three-splits"),
    ],
)
def test_impossible_groups_name_the_alternatives(by, shares, shows, said):
    clips = made_clips(200, shows=shows)
    with pytest.raises(CaerError, match="cannot fill") as error:
        assign(clips, Scheme(shares, by, 0))
    assert said in str(error.value)


def test_two_shows_fill_two_splits():
    clips = made_clips(200, shows=2)
    assert set(assign(clips, Scheme((80, 0, 20), "show", 0))) == {"train", "test"}


def test_a_wanted_split_is_never_empty():
    clips = made_clips(40, shows=1)
    for seed in range(10):
        split = assign(clips.iloc[:12], Scheme((98, 1, 1), "clip", seed))
        assert set(split) == {"train", "validation", "test"}


def test_kept_clips_that_leave_a_split_empty_are_an_error():
    clips = made_clips(30)
    kept = dict.fromkeys(clips["clip_key"], "train")
    with pytest.raises(CaerError, match="validation and test would be empty"):
        assign(clips, Scheme((70, 10, 20), "clip", 0), kept)


def test_clips_without_a_person_are_groups_of_their_own():
    clips = made_clips(60)
    clips["person_id"] = None
    assert set(assign(clips, Scheme((70, 10, 20), "person", 0))) == {"train", "validation", "test"}


@pytest.mark.parametrize(
    ("text", "shares"),
    [("70/10/20", (70, 10, 20)), ("0.8/0.1/0.1", (0.8, 0.1, 0.1)), ("80/20", (80, 0, 20))],
)
def test_shares_are_read(text, shares):
    assert parse_shares(text) == shares


@pytest.mark.parametrize(
    "text",
    ["", "70", "a/b/c", "70/-10/40", "0/0/0", "1/2/3/4", "nan/1/1", "inf/1/1", "70/10",
     "70/10/30", "700/100/200", "100/0/0", "0/50/50", "33/33/33"],
)  # fmt: skip
def test_other_shares_are_an_error(text):
    with pytest.raises(CaerError, match="such as 70/10/20"):
        parse_shares(text)
