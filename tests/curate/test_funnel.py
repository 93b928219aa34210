"""The funnel adds up, and every reason is explained."""

from __future__ import annotations

import built_dataset
import pytest

from caer_data.curate.funnel import REASONS, duration_text, funnel, label, score_text
from caer_data.engine import tables


@pytest.fixture
def dataset(tmp_path):
    return built_dataset.make(tmp_path / "dataset", shots=24)


def test_every_reason_of_the_table_is_explained_in_order() -> None:
    column = next(c for c in tables.CLIPS.columns if c.name == "reason")
    assert set(REASONS) == set(column.values)
    assert all(reason.meaning for reason in REASONS.values())


def test_what_is_lost_and_what_is_kept_add_up(dataset) -> None:
    steps = funnel(dataset.videos, dataset.shots, dataset.clips)
    clips = steps[steps["of"] == "clips"].set_index("step")
    lost = clips[clips["change"] == "lost"]
    for column in ("count", "seconds", "share"):
        left = clips.loc["clips", column] - lost[column].sum()
        assert left == pytest.approx(clips.loc["kept", column])
    assert clips.loc["kept", "count"] == 8
    assert clips.loc["group", "count"] == 2
    assert clips.loc["too_short", "seconds"] == pytest.approx(2 * 20 / 25)
    videos = steps[steps["of"] == "videos"].set_index("step")["count"].to_dict()
    assert videos == {"found": 3, "failed": 1, "duplicate": 1}
    assert list(steps["step"])[-1] == "kept"


def test_reasons_that_took_nothing_have_no_row(dataset) -> None:
    steps = funnel(dataset.videos, dataset.shots, dataset.clips)
    assert "failed" in set(steps[steps["of"] == "videos"]["step"])
    assert "failed" not in set(steps[steps["of"] == "clips"]["step"])


def test_empty_tables_give_zeros(tmp_path) -> None:
    dataset = built_dataset.make_empty(tmp_path / "dataset")
    steps = funnel(dataset.videos, dataset.shots, dataset.clips).set_index(["of", "step"])
    assert steps.loc[("clips", "kept"), "count"] == 0
    assert steps.loc[("clips", "kept"), "share"] == 0
    assert steps.loc[("videos", "failed"), "count"] == 1


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("too_short", "too_short: seconds 0.8 < 1.0"),
        ("no_face", "no_face"),
        ("group", "group: n_people 3 > 2"),
        ("too_brief", "too_brief: coverage 0.2 < 0.6"),
        ("ambiguous", "ambiguous: dominance 1.349 < 1.35"),
        ("too_small", "too_small: face_height 0.08 < 0.1"),
        ("blurred", "blurred: sharpness 0.079 < 0.08"),
        ("too_dark", "too_dark: brightness 0.05 < 0.1"),
        (None, ""),
    ],
)
def test_score_text(dataset, reason, text) -> None:
    clips = dataset.clips
    chosen = clips["reason"].isna() if reason is None else clips["reason"] == reason
    assert score_text(clips[chosen].iloc[0].to_dict(), dataset.recipe) == text


def test_score_text_names_the_clip_that_is_repeated(dataset) -> None:
    clip = dataset.clips.iloc[0].to_dict()
    clip |= {"reason": "repeated", "repeat_score": 0.9, "repeat_of": "show.e1.s0001.c1"}
    told = "repeated: repeat_score 0.9 >= 0.75"
    assert score_text(clip, dataset.recipe) == f"{told}, the same as show.e1.s0001.c1"
    forgotten = clip | {"repeat_of": None}
    assert score_text(forgotten, dataset.recipe) == told


def test_label_names_the_row_alone(dataset) -> None:
    steps = funnel(dataset.videos, dataset.shots, dataset.clips).to_dict("records")
    labels = [label(step) for step in steps]
    assert labels[0] == "videos found"
    assert labels[-1] == "clips kept"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (48.4, "48 s"), (750, "12.5 min"), (11520, "3.2 h"), (36e6, "10,000.0 h")],
)
def test_duration_text(seconds, text) -> None:
    assert duration_text(seconds) == text
