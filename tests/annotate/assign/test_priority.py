"""What is rated first: balanced, unlike, and the same however often it is asked for more."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from caer_data.annotate.assign.priority import choose

ALL = ("show", "person", "length", "speech", "label", "unlike")


def table(count: int, **columns: Any) -> pd.DataFrame:
    """Most clips are of one show, one person and one length: balance has something to do."""
    rng = np.random.default_rng(count)
    show = np.where(rng.random(count) < 0.8, "long", np.where(rng.random(count) < 0.5, "b", "c"))
    person = [f"{s}-p{int(p)}" for s, p in zip(show, rng.geometric(0.5, count), strict=True)]
    return pd.DataFrame(
        {
            "clip_key": [f"k{i:04d}" for i in range(count)],
            "show": show,
            "person_id": person,
            "start_s": 0.0,
            "end_s": rng.exponential(1.2, count) + 1,
            **{
                name: rng.random(count)
                for name in ("face_height", "sharpness", "brightness", "coverage", "dominance")
            },
            **columns,
        }
    )


def test_a_part_now_and_the_rest_later_are_the_whole_at_once() -> None:
    clips = table(300)
    labels = {key: "happy" if i % 5 else "fear" for i, key in enumerate(clips["clip_key"])}
    at_once = choose(clips, [], 120, ALL, labels=labels, seed=3)
    parts: list[str] = []
    for limit in (1, 40, 41, 120):
        parts += choose(clips.sample(frac=1), parts, limit, ALL, labels=labels, seed=3)
    assert parts == at_once
    assert len(set(at_once)) == 120
    assert choose(clips, at_once, 120, ALL, labels=labels, seed=3) == []
    assert choose(clips, [], 120, ALL, labels=labels, seed=4) != at_once


def test_a_limit_beyond_all_takes_all() -> None:
    clips = table(20)
    assert set(choose(clips, [], 1000, ALL)) == set(clips["clip_key"])


@pytest.mark.parametrize("word", ["show", "length", "speech", "label"])
def test_each_criterion_is_level_while_there_are_clips(word: str) -> None:
    rng = np.random.default_rng(5)
    clips = table(
        600, end_s=rng.choice([1.2, 2.0, 3.0, 5.0, 9.0], 600, p=[0.6, 0.1, 0.1, 0.1, 0.1])
    )
    speech = {key: bool(rng.random() < 0.1) for key in clips["clip_key"]}
    labels = {key: "neutral" if rng.random() < 0.8 else "fear" for key in clips["clip_key"]}
    found = choose(clips, [], 60, [word], speech=speech, labels=labels)
    rows = clips.set_index("clip_key").loc[found]
    kind = {
        "show": rows["show"],
        "length": rows["end_s"],
        "speech": pd.Series(speech).loc[found],
        "label": pd.Series(labels).loc[found],
    }[word]
    counts = Counter(kind)
    assert max(counts.values()) - min(counts.values()) <= 1
    assert len(counts) == {"show": 3, "length": 5, "speech": 2, "label": 2}[word]


def test_what_is_assigned_counts() -> None:
    clips = table(100)
    long = clips.loc[clips["show"] == "long", "clip_key"].tolist()
    found = choose(clips, long[:10], 22, ["show"])
    assert set(clips.set_index("clip_key").loc[found, "show"]) == {"b", "c"}


def test_unlike_goes_to_the_corners_first() -> None:
    clips = table(200, face_height=0.2, sharpness=0.5, coverage=0.9, dominance=2.0, end_s=2.0)
    clips["brightness"] = [0.5] * 198 + [0.0, 1.0]
    found = choose(clips, [], 3, ["unlike"])
    assert {"k0198", "k0199"} <= set(found)
    nothing_measured = clips.assign(brightness=np.nan, dominance=np.nan)
    assert len(choose(nothing_measured, [], 3, ALL)) == 3
