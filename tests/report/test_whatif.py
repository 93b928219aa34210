"""Other thresholds tried: the same answers as a build would give, and nothing is written."""

from __future__ import annotations

import json

import built_dataset
import pandas as pd
import pytest
from click.testing import CliRunner

from caer_data.cli.inspect import command
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.report import whatif


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return built_dataset.make(tmp_path_factory.mktemp("try") / "dataset", shots=12)


def moves(dataset, *tried: str) -> set[tuple[str, str, int]]:
    found = whatif.effects(dataset, whatif.parse(tried))
    return {(move["before"], move["after"], move["clips"]) for move in found["moves"]}


def test_a_shorter_limit_judges_what_was_too_short(dataset) -> None:
    assert moves(dataset, "clips.min_seconds=0.5") == {("too_short", "no_face", 1)}


def test_a_longer_limit_comes_before_every_other_reason(dataset) -> None:
    found = moves(dataset, "clips.min_frames=51")
    assert {after for _, after, _ in found} == {"too_short"}
    assert sum(clips for _, _, clips in found) == 11  # one was too short before


def test_a_face_that_is_too_small_is_kept_with_a_lower_limit(dataset) -> None:
    shown = whatif.effects(dataset, whatif.parse(["filter.min_face_height=0.05"]))
    assert ("too_small", "kept", 1) in {
        (m["before"], m["after"], m["clips"]) for m in shown["moves"]
    }
    assert shown["would_keep"] == shown["kept"] + 1


def test_the_recipe_itself_changes_nothing(dataset) -> None:
    own = dataset.recipe.filter.min_face_height
    assert moves(dataset, f"filter.min_face_height={own}") == set()


def test_repeats_stay_dropped_unless_their_limit_is_raised(tmp_path) -> None:
    made = built_dataset.make(tmp_path / "dataset", shots=12, pictures=False)
    kept = whatif.effects(made, {})["kept"]
    clips = made.clips.assign(repeat_score=pd.array([0.9] + [None] * 11, "Float64"))
    clips.loc[0, ["status", "reason"]] = ["dropped", "repeated"]
    made.write(tables.CLIPS, pd.DataFrame(clips))
    same = whatif.effects(made, {"filter.min_face_height": 0.1})
    assert (same["kept"], same["would_keep"]) == (kept - 1, kept - 1)
    assert whatif.effects(made, {"filter.min_repeat_score": 0.95})["would_keep"] == kept
    assert whatif.effects(made, {"filter.min_repeat_score": None})["would_keep"] == kept
    made.recipe_path.write_text("filter: {min_repeat_score: 0.9}\n")
    with pytest.raises(CaerError, match="no scores are known below"):
        whatif.effects(made, {"filter.min_repeat_score": 0.86})


def test_nothing_is_written(dataset) -> None:
    before = {p: p.stat().st_mtime_ns for p in dataset.folder.rglob("*")}
    moves(dataset, "filter.max_people=5")
    assert {p: p.stat().st_mtime_ns for p in dataset.folder.rglob("*")} == before


@pytest.mark.parametrize(
    ("tried", "sentence"),
    [
        ("faces.detector=hog", "need a build"),
        ("filter.min_coverage", "FIELD=VALUE"),
        ("filter.min_coverage=[", "is not a valid value"),
        ("filter.min_coverage=much", "min_coverage"),
        ("filter.min_coverage=2", "min_coverage"),
    ],
)
def test_what_cannot_be_tried_is_a_sentence(dataset, tried, sentence) -> None:
    with pytest.raises(CaerError, match=sentence.replace("[", r"\[")):
        moves(dataset, tried)


def test_by_the_command_line(dataset) -> None:
    arguments = [str(dataset.folder), "--try", "filter.min_face_height=0.05"]
    run = CliRunner(env={"COLUMNS": "80"}).invoke(command, arguments, catch_exceptions=False)
    assert "(+1)" in run.output
    assert "Nothing was changed" in run.output
    told = CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False)
    assert json.loads(told.output)["would_keep"] == json.loads(told.output)["kept"] + 1


def test_a_clips_story_by_the_command_line(dataset) -> None:
    def run(*words: str) -> str:
        arguments = ["clip", *words, "-d", str(dataset.folder)]
        return (
            CliRunner(env={"COLUMNS": "90"})
            .invoke(command, arguments, catch_exceptions=False)
            .output
        )

    story = run("a-show.e1.s0007.c1")
    assert "dropped, ambiguous: dominance 1.349 < 1.35" in story
    assert "filter.min_dominance" in story
    assert "nobody has rated it" in story
    key = dataset.clips["clip_key"].dropna().iloc[0]
    assert json.loads(run(key, "--json"))["clip_key"] == key
    with pytest.raises(CaerError, match="no clip is called nobody"):
        run("nobody")
