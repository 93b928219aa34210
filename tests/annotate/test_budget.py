"""Limits that later pushes keep to, what is left to do and to pay, and who worked how long."""

import csv
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from caer_data.annotate import budget
from caer_data.annotate.budget import Budget, remaining
from caer_data.annotate.pay import pay
from caer_data.cli.annotate import command
from caer_data.engine import recipe, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError

KEYS = [f"k{i}" for i in range(10)]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    asked = recipe.load({"annotate": {"wage": 20.0}})
    (tmp_path / "recipe.yaml").write_text(recipe.dump(asked), encoding="utf-8")
    dataset = Dataset(tmp_path)
    same: dict[str, Any] = dict.fromkeys(("shot_id", "video_id", "episode"), "x")
    same |= dict.fromkeys(("start_frame", "end_frame", "start_pts", "end_pts", "n_people"), 1)
    same |= {"start_s": 0.0, "end_s": 2.0, "status": "kept"}
    rows = [{"clip_id": k, "clip_key": k, "show": "ab"[i % 2], **same} for i, k in enumerate(KEYS)]
    dataset.write(tables.CLIPS, tables.frame(tables.CLIPS, rows))
    return dataset


def test_a_limit_is_kept_until_it_is_lifted(dataset: Dataset) -> None:
    assert budget.within(dataset, KEYS, [], Budget()) == KEYS  # nobody set one
    four = budget.within(dataset, KEYS, [], Budget(limit=4))
    assert len(four) == 4
    assert budget.within(dataset, KEYS, four, Budget()) == four
    six = budget.within(dataset, KEYS, four, Budget(limit=6))
    assert set(four) < set(six)
    assert len(six) == 6
    assert budget.within(dataset, KEYS, six, Budget(limit=2)) == six  # assigned clips stay
    assert budget.within(dataset, KEYS, six, Budget(limit=budget.ALL)) == KEYS
    assert not (dataset.folder / "annotation-limit.json").exists()


def test_first_labels_balance_what_is_assigned(dataset: Dataset) -> None:
    rows = [f"{key},{'fear' if key in ('k3', 'k8') else 'Happy'}" for key in KEYS]
    path = dataset.folder / "first.csv"
    path.write_text("\n".join(["clip_key,emotion", *rows]), encoding="utf-8")
    only = recipe.load({"annotate": {"first": ["label"]}})
    (dataset.folder / "recipe.yaml").write_text(recipe.dump(only), encoding="utf-8")
    assert {"k3", "k8"} < set(budget.within(dataset, KEYS, [], Budget(4, path)))
    path.write_text("clip_key,emotion\nk3,joyful", encoding="utf-8")
    with pytest.raises(CaerError, match="'k3' has the emotion 'joyful'; use one of anger"):
        budget.within(dataset, KEYS, [], Budget(4, path))


def test_clips_with_and_without_speech_are_balanced(dataset: Dataset) -> None:
    only = recipe.load({"annotate": {"first": ["speech"]}})
    (dataset.folder / "recipe.yaml").write_text(recipe.dump(only), encoding="utf-8")
    silent = dataset.clips["clip_key"].isin(["k2", "k7"])
    speech = pd.Series(0.6, index=silent.index).where(~silent, 0.0)
    dataset.write(tables.CLIPS, dataset.clips.assign(speech=speech))
    assert {"k2", "k7"} < set(budget.within(dataset, KEYS, [], Budget(4)))


def test_a_damaged_note_is_named(dataset: Dataset) -> None:
    (dataset.folder / "annotation-limit.json").write_text('{"limit": "many"}')
    with pytest.raises(CaerError, match="give --limit again"):
        budget.within(dataset, KEYS, [], Budget())


def test_what_is_left_at_the_present_pace() -> None:
    # a: 100 an hour, b: 50 an hour, c has not begun; together 150 answers in 2 hours
    found = remaining([(100, 200, 100.0), (50, 25, 50.0), (0, 75, None)], 10, 3, 20.0)
    assert found.hours == pytest.approx(2 + 0.5 + 1)
    assert found.hours_waiting == pytest.approx(30 / 75)
    assert found.sentences() == [
        "Remaining at the current pace: 3.5 hours, 70.00 in wages for assigned clips.",
        "In addition: 0.4 hours, 8.00 in wages for 10 clips not assigned yet.",
    ]
    assert remaining([(0, 75, None)], 10, 3, 20.0).sentences() == [
        "Remaining hours: unknown until a rater has given two answers."
    ]
    assert remaining([(10, 10, 20.0)], 0, 3, None).sentences() == [
        "Remaining at the current pace: 0.5 hours for assigned clips."
    ]


def rating(
    rater: str, clip: str, seconds: float | None, day: int, **changes: Any
) -> dict[str, Any]:
    return {
        "clip_key": clip,
        "clip_id": clip,
        "rater": rater,
        "emotion": "sad",
        "confidence": 0.5,
        "lead_time_s": seconds,
        "created_at": f"2026-03-{day:02d}T10:00:00Z",
        "status": "accepted",
        "too_fast": False,
        "edited": False,
        "source": "label-studio",
        "source_id": f"{rater}{clip}{changes.get('reason', '')}",
        "presentation": f"shown-{clip}-{rater}",
        **changes,
    }


@pytest.fixture
def rated(dataset: Dataset) -> Dataset:
    refused = {"status": "refused"}
    rows = [
        rating("a@x.org", "k0", 60.0, 1),
        rating("a@x.org", "k1", 9000.0, 2),  # a pause: five minutes count
        rating("a@x.org", "k2", 30.0, 3, reason="cancelled", **refused),
        rating("a@x.org", "k2", 30.0, 3, reason="superseded", **refused),  # the same showing
        rating("a@x.org", "k3", 30.0, 3, reason="foreign_project", **refused),  # somebody else
        rating("b@x.org", "k0", None, 3),
        rating("c@x.org", "k0", 60.0, 3, source="csv", presentation=None),
    ]
    dataset.write(tables.RATINGS, tables.frame(tables.RATINGS, rows))
    check = {"clip_key": "k9", "rater": "b@x.org", "kind": "gold", "position": 0, "known": "sad"}
    answer = {"presentation": "p9", "lead_time_s": 90.0, "created_at": "2026-03-05T10:00:00Z"}
    silent = {"clip_key": "k8", "rater": "b@x.org", "kind": "gold", "position": 1}
    dataset.write(tables.CHECKS, tables.frame(tables.CHECKS, [check | answer, silent]))
    return dataset


def test_every_clip_that_was_answered_is_paid_once(rated: Dataset) -> None:
    found = pay(rated).set_index("rater")
    assert found["clips"].to_dict() == {"a@x.org": 3, "b@x.org": 2}
    assert found.loc["a@x.org", "hours"] == pytest.approx((60 + 300 + 30) / 3600, abs=1e-4)
    assert found.loc["b@x.org", ["hours", "untimed"]].tolist() == [0.025, 1]
    assert found.loc["b@x.org", "amount"] == 0.5
    assert found["pseudonym"].nunique() == 2
    assert not found["pseudonym"].str.contains("x.org").any()


def test_days_and_the_csv(rated: Dataset) -> None:
    asked = ["pay", "-d", str(rated.folder), "--since", "2026-03-02", "--until", "2026-03-03"]
    done = CliRunner().invoke(command, asked)
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(io.StringIO(done.output)))
    assert [(row["rater"], row["clips"]) for row in rows] == [("a@x.org", "2"), ("b@x.org", "1")]
    target = rated.folder / "pay.csv"
    CliRunner().invoke(command, [*asked, "-o", str(target)])
    assert pd.read_csv(target)["clips"].tolist() == [2, 1]


def test_pay_needs_a_pull(dataset: Dataset) -> None:
    with pytest.raises(CaerError, match="run 'caer-data annotate pull' first"):
        pay(dataset)


def test_a_limit_is_a_number_or_all() -> None:
    for wrong in ("0", "-3", "many", "²"):
        done = CliRunner().invoke(command, ["push", "--limit", wrong])
        assert done.exit_code == 2
        assert "neither a number of clips nor 'all'" in done.output
