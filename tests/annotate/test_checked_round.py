"""A round of 500 clips with gold clips and repeats hidden in it, recovered to the last answer."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from caer_data.annotate import presentations
from caer_data.annotate.assign import assignments as assign
from caer_data.annotate.assign import checks as hidden
from caer_data.engine import recipe, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.recipe import Annotate
from caer_data.labels import checks, validate
from caer_data.labels import decide as labels
from caer_data.labels.validate import Answer

RATERS = [f"rater{i}@example.org" for i in range(6)]
SETTINGS = Annotate(gold_share=0.08, repeat_share=0.1)
KNOWN = {f"clip-{i:03d}": EMOTIONS[i % 7] for i in range(500, 540)}
VOTED = [f"clip-{i:03d}" for i in range(500)]
WRONG_GOLD = dict(zip(RATERS, (0, 1, 2, 3, 8, 13), strict=True))
CHANGED_MIND = dict(zip(RATERS, (0, 3, 1, 15, 5, 2), strict=True))


def make_dataset(folder: Path) -> Dataset:
    folder.mkdir()
    (folder / "recipe.yaml").write_text(recipe.dump(recipe.Recipe(annotate=SETTINGS)))
    dataset = Dataset(folder)
    same = dict.fromkeys(("shot_id", "video_id", "show", "episode"), "x")
    same |= dict.fromkeys(("start_frame", "start_pts", "end_frame", "end_pts", "n_people"), 1)
    same |= {"start_s": 0.0, "end_s": 3.0, "status": "kept"}
    rows = [{"clip_id": f"name-{k}", "clip_key": k, **same} for k in [*VOTED, *KNOWN]]
    dataset.write(tables.CLIPS, tables.frame(tables.CLIPS, rows))
    none = tables.empty(tables.ASSIGNMENTS)
    assigned = assign.assign(VOTED, RATERS, none, SETTINGS, seed=1)
    dataset.write(tables.ASSIGNMENTS, presentations.fill(dataset, assigned))
    planned = hidden.plan(
        none, assigned, tables.empty(tables.CHECKS), KNOWN, [*VOTED, *KNOWN], SETTINGS, seed=1
    )
    dataset.write(tables.CHECKS, presentations.fill_checks(dataset, planned))
    return dataset


@dataclass
class Script:
    """What the raters do, and what must come of it: by rater, (answers, equal) of each kind."""

    votes: list[Answer] = field(default_factory=list)
    others: list[Answer] = field(default_factory=list)
    gold: dict[str, tuple[int, int]] = field(default_factory=dict)
    repeat: dict[str, tuple[int, int]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)


def another(emotion: str) -> str:
    return EMOTIONS[(EMOTIONS.index(emotion) + 3) % 7]


# What makes an answer to a check worthless, with the reason that the table must hold.
SPOILED: list[tuple[str, Callable[[Answer], Answer]]] = [
    ("unknown_emotion", lambda a: replace(a, emotion="joyful")),
    ("bad_confidence", lambda a: replace(a, confidence="7")),
    ("cancelled", lambda a: replace(a, cancelled=True)),
    ("ground_truth", lambda a: replace(a, ground_truth=True)),
    ("foreign_project", lambda a: replace(a, project_rater="eve@example.org")),
    ("other_author", lambda a: replace(a, authors=("eve@example.org",))),
    ("cannot_judge", lambda a: replace(a, emotion=None, cannot_judge="wrong_box")),
]


def answer(row: pd.Series, emotion: str, number: int) -> Answer:
    return Answer(
        source_id=str(number),
        clip_key=row["clip_key"],
        presentation=row["presentation"],
        rater=row["rater"],
        project_rater=row["rater"],
        emotion=emotion,
        confidence="0.75",
        lead_time_s=5.0,
        created_at=f"2026-03-01T10:{number // 60 % 60:02d}:{number % 60:02d}Z",
    )


def play(dataset: Dataset) -> Script:
    script, rng = Script(), np.random.default_rng(0)
    said: dict[tuple[str, str], str] = {}
    for number, (_, row) in enumerate(dataset.assignments.iterrows()):
        emotion = str(rng.choice(EMOTIONS[:3]))
        said[row["clip_key"], row["rater"]] = emotion
        script.votes.append(answer(row, emotion, number))
    number = len(said)
    for kind, planted, counts in (
        ("gold", WRONG_GOLD, script.gold),
        ("repeat", CHANGED_MIND, script.repeat),
    ):
        of_kind = dataset.checks[dataset.checks["kind"] == kind]
        for rater, mine in of_kind.groupby("rater"):
            rows = [row for _, row in mine.iterrows()]
            for (reason, spoil), row in zip(SPOILED, rows, strict=False):
                number += 1
                script.others.append(spoil(answer(row, "fear", number)))
                script.reasons[reason] += 1
            for place, row in enumerate(rows[len(SPOILED) :]):
                number += 1
                right = row["known"] if kind == "gold" else said[row["clip_key"], row["rater"]]
                emotion = another(right) if place < planted[rater] else right
                script.others.append(answer(row, emotion, number))
            n = len(rows) - len(SPOILED)
            counts[str(rater)] = n, n - planted[rater]
    return script


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("round") / "dataset")


@pytest.fixture(scope="module")
def script(dataset: Dataset) -> Script:
    return play(dataset)


@pytest.fixture(scope="module")
def pulled(dataset: Dataset, script: Script) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables `checks` and `raters`; ratings and labels are in the dataset."""
    answers = [*script.votes, *script.others]
    mixed = [answers[i] for i in np.random.default_rng(1).permutation(len(answers))]
    votes, others = checks.split(mixed, dataset.checks)
    fresh = validate.validate_answers(votes, dataset.assignments, dataset.clips)
    ratings, _ = labels.update(dataset, fresh, snapshot=True)
    told = checks.take(dataset.checks, others, dataset.clips, None)
    return told, checks.raters(told, ratings, SETTINGS, b"0123456789abcdef")


def test_every_rater_gets_the_share_of_the_recipe(dataset: Dataset) -> None:
    for rater in RATERS:
        mine = dataset.checks[dataset.checks["rater"] == rater]
        assert Counter(mine["kind"]) == {"gold": 20, "repeat": 25}  # of 250 clips


def test_checks_are_spread_and_nobody_votes_on_a_known_clip(dataset: Dataset) -> None:
    assigned = set(zip(dataset.assignments["clip_key"], dataset.assignments["rater"], strict=True))
    place = dataset.assignments.set_index(["clip_key", "rater"])["position"]
    assert set(dataset.checks["kind"]) == {"gold", "repeat"}
    for row in dataset.checks.itertuples():
        pair = (row.clip_key, row.rater)
        assert (pair in assigned) == (row.kind == "repeat")
        if row.kind == "repeat":
            assert row.position - place[pair] >= 50
    for _, mine in dataset.checks.query("kind == 'gold'").groupby("rater"):
        tenth = Counter(mine["position"] // 25)  # 20 gold clips among 250: two in each tenth
        assert set(tenth.values()) == {2}
        assert len(tenth) == 10


def test_names_tell_nothing(dataset: Dataset) -> None:
    names = [*dataset.assignments["presentation"], *dataset.checks["presentation"]]
    assert len(set(names)) == len(names)
    assert len({len(name) for name in names}) == 1


def test_checks_never_touch_votes_or_labels(
    dataset: Dataset, script: Script, pulled: object, tmp_path: Path
) -> None:
    alone = make_dataset(tmp_path / "alone")
    alone.write(tables.ASSIGNMENTS, dataset.assignments)  # another secret names them otherwise
    fresh = validate.validate_answers(script.votes, alone.assignments, alone.clips)
    labels.update(alone, fresh, snapshot=True)
    for table in (tables.RATINGS, tables.LABELS):
        assert alone.path_of(table).read_bytes() == dataset.path_of(table).read_bytes()
    assert len(dataset.ratings) == 1500


def test_every_planted_deviation_is_counted(
    script: Script, pulled: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    told, people = pulled
    assert Counter(told["reason"].dropna()) == script.reasons
    assert told.loc[told["reason"].notna(), ["emotion", "confidence"]].isna().all(axis=None)
    for row in people.to_dict("records"):
        rater = row["rater"]
        assert (row["gold_answers"], row["gold_equal"]) == script.gold[rater]
        assert (row["repeat_answers"], row["repeat_equal"]) == script.repeat[rater]
        assert row["gold_low"] <= row["gold_share"] <= row["gold_high"]
        assert row["training_answers"] == 0
        assert pd.isna(row["passed"])
        assert rater not in row["pseudonym"]


def test_who_is_below_the_bound_is_named(pulled: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    said = checks.below(pulled[1], SETTINGS)
    assert [(line.split()[0], line.split()[5]) for line in said] == [
        (RATERS[4], "gold"),
        (RATERS[5], "gold"),
        (RATERS[3], "repeats"),
    ]
    assert said[1].endswith("0 of 13 gold clips correctly (0%, 0% to 23%), below 60%")
    assert said[0].endswith("(38%, 18% to 64%), below 60%; this may be chance")


def test_what_the_server_holds_no_more_is_emptied(
    dataset: Dataset, pulled: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    again = checks.take(pulled[0], [], dataset.clips, None)
    assert again["emotion"].isna().all()
    assert again["reason"].isna().all()
