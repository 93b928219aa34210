from __future__ import annotations

import pandas as pd
import pytest

from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import GROUPS, Export
from caer_data.export.groups import GROUP_OF, groups_of, with_scenes, words_of


def made() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clip_id": list("abcdef"),
            "shot_id": ["1", "1", "2", "3", "4", "5"],
            "show": ["x", "x", "x", "y", "y", "z"],
            "person_id": ["x.p1", "x.p2", "x.p2", "y.p1", None, "z.p1"],
            "identity": ["x.p1", "x.p2", "x.p2", "x.p1", None, "z.p1"],
        }
    )


def test_words_are_those_of_the_recipe():
    assert tuple(GROUP_OF) == GROUPS
    assert Export(by="person+scene").by == "person+scene"


@pytest.mark.parametrize("by", ["", "scenes", "clip+clip", "person+", "person,scene"])
def test_other_words_are_refused(by):
    with pytest.raises(CaerError, match="use clip, video"):
        words_of(by)
    with pytest.raises(ValueError, match="by must be one of"):
        Export(by=by)


def test_a_person_of_two_shows_is_one_group_and_an_unknown_one_a_group_of_its_own():
    assert list(groups_of(made(), "person")) == ["x.p1", "x.p2", "x.p2", "x.p1", "e", "z.p1"]
    alone = groups_of(made().drop(columns="identity"), "person")
    assert list(alone) == ["x.p1", "x.p2", "x.p2", "y.p1", "e", "z.p1"]


def test_clips_that_share_any_of_two_things_are_one_group_in_any_order_of_rows():
    groups = groups_of(made(), "person+show")
    assert list(groups) == ["e"] * 5 + ["z.p1"]
    turned = groups_of(made().iloc[::-1], "person+show")
    pd.testing.assert_series_equal(turned.sort_index(), groups)


def test_scenes_join_shots_that_repeat_each_other_and_nothing_else():
    repeated = pd.DataFrame({"clip_id": ["d", "f", "gone"], "of_clip_id": ["b", "d", "e"]})
    scenes = with_scenes(made(), repeated)["scene_id"]
    assert list(scenes) == ["1", "1", "2", "1", "4", "1"]
