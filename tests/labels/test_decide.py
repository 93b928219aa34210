from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from keyed import votes

from caer_data.engine import recipe, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import EMOTIONS, LABELS, PROBABILITY_COLUMNS
from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Labels
from caer_data.labels import decide as labels

# "happy 1, happy .5, cannot wrong_box" -> three raters' answers to one clip
Answers = str


def ratings(*clips: Answers, source: str = "label-studio") -> pd.DataFrame:
    rows = []
    for c, answers in enumerate(clips):
        for r, answer in enumerate(answers.split(", ")):
            emotion, confidence = answer.split()
            judges = emotion != "cannot"
            rows.append(
                {
                    "clip_id": f"c{c}",
                    "clip_key": f"c{c}",
                    "rater": f"r{r}",
                    "emotion": emotion if judges else None,
                    "confidence": float(confidence) if judges else None,
                    "cannot_judge": None if judges else confidence,
                    "status": "accepted",
                    "too_fast": False,
                    "edited": False,
                    "source": source,
                    "source_id": str(len(rows)),
                }
            )
    return tables.frame(tables.RATINGS, rows)


def decided(answers: Answers, raters_per_clip: int = 3, **settings: Any) -> dict[str, Any]:
    table = labels.decide(ratings(answers), Labels(**settings), raters_per_clip)
    tables.check(tables.LABELS, table)
    row = table.iloc[0]
    return {name: (None if _is_empty(row[name]) else row[name]) for name in table.columns}


def _is_empty(cell: object) -> bool:
    return bool(np.isscalar(cell) or cell is pd.NA or cell is None) and bool(pd.isna(cell))


MAJORITY = [
    ("happy 1, happy 1, happy 1", "happy", None, 1.0),
    ("happy 1, sad 0.5, happy 0.5", "happy", None, 2 / 3),
    ("happy 0.5, happy 0.25, sad 0.75", "happy", None, 0.5),
    ("happy 0.1, happy 0.6, sad 0.8", "happy", None, 0.5),  # 0.49999999999999994 in floats
    ("happy 0.49, happy 0.5, sad 0.5", "happy", "low_confidence", 0.496666667),
    ("happy 0, happy 0, happy 0", "happy", "low_confidence", 0.0),
    ("happy 1, sad 1, fear 1", None, "no_majority", 1.0),
    ("happy 1, sad 0, fear 0", None, "no_majority", 1 / 3),
    ("happy 1, happy 1", None, "incomplete", 1.0),
    ("happy 1", None, "incomplete", 1.0),
]


@pytest.mark.parametrize(("answers", "emotion", "reason", "confidence"), MAJORITY)
def test_the_papers_rule(
    answers: Answers, emotion: str | None, reason: str | None, confidence: float
) -> None:
    row = decided(answers)
    assert row["emotion"] == emotion
    assert row["label"] == (None if emotion is None else LABELS[emotion])
    assert row["reason"] == reason
    assert row["status"] == ("kept" if reason is None else "dropped")
    assert row["confidence"] == row["confidence_all"] == pytest.approx(confidence, abs=1e-9)


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        ("happy 0.5, happy 0.5, sad 0", True),
        ("happy 0.25, happy 0.5, sad 1", False),
        ("happy 1, happy 0, sad 0", True),
    ],
)
def test_confidence_of_agreeing_raters(answers: Answers, kept: bool) -> None:
    row = decided(answers, confidence_of="agreeing")
    assert (row["status"] == "kept") == kept
    assert row["confidence"] == row["confidence_agreeing"]


@pytest.mark.parametrize(
    ("answers", "raters", "settings", "emotion"),
    [
        ("happy 1, happy 1, sad 1, sad 1", 4, {}, None),
        ("happy 1, happy 1, sad 1, fear 1", 4, {}, "happy"),
        ("happy 1, happy 1, happy 1, sad 1, sad 1", 5, {}, "happy"),
        ("happy 1, happy 1, sad 1", 3, {"min_agree": 3}, None),
        ("happy 1", 1, {"min_agree": 1}, "happy"),
        ("happy 1, sad 1", 2, {"min_agree": 1}, None),
    ],
    ids=["two against two", "plurality", "three of five", "all must", "one rater", "one each"],
)
def test_other_numbers_of_raters(
    answers: Answers, raters: int, settings: dict[str, Any], emotion: str | None
) -> None:
    assert decided(answers, raters, **settings)["emotion"] == emotion


@pytest.mark.parametrize(
    ("answers", "emotion"),
    [
        ("happy 0.5, happy 0.5, sad 1", None),  # half of the confidence each
        ("happy 0.25, happy 0.5, sad 1", "sad"),
        ("happy 0.5, happy 0.75, sad 1", "happy"),
        ("happy 1, sad 0.25, fear 0.5", "happy"),
        ("happy 1, sad 0.5, fear 0.5", None),
        ("happy 0, happy 0, sad 0", None),
        ("happy 1, happy 1", None),
    ],
)
def test_weighted_by_confidence(answers: Answers, emotion: str | None) -> None:
    assert decided(answers, rule="weighted", min_confidence=0.0)["emotion"] == emotion


def test_soft_label_votes_and_means() -> None:
    row = decided("happy 0.75, sad 0.5, happy 1")
    assert list(row["votes"]) == votes(
        ("r0", "happy", 0.75), ("r1", "sad", 0.5), ("r2", "happy", 1.0)
    )
    assert [row[p] for p in PROBABILITY_COLUMNS] == [0, 0, 0, 2 / 3, 0, 1 / 3, 0]
    assert (row["raters"], row["agreement"]) == (3, 2)
    assert row["confidence_all"] == 0.75
    assert row["confidence_agreeing"] == 0.875


CANNOT = [
    ("happy 1, happy 0.5, cannot wrong_box", "happy", None, 0.75),
    ("happy 0.25, happy 0.5, cannot wrong_box", "happy", "low_confidence", 0.375),
    ("happy 1, sad 0.5, cannot wrong_box", None, "no_majority", 0.75),
    ("happy 1, cannot wrong_box, cannot distressing", None, "cannot_judge", 1.0),
    ("cannot wrong_box, cannot wrong_box, cannot wrong_box", None, "cannot_judge", None),
    ("happy 1, cannot wrong_box", None, "incomplete", 1.0),
    ("cannot wrong_box", None, "incomplete", None),
]


BY_RULE = [("majority", *case) for case in CANNOT] + [
    (rule, *case)
    for rule in ("weighted", "dawid-skene")  # which may prefer one of two votes
    for case in CANNOT
    if case[2] != "no_majority"
]


@pytest.mark.parametrize(("rule", "answers", "emotion", "reason", "confidence"), BY_RULE)
def test_one_who_cannot_judge_is_recorded_and_two_drop_the_clip(
    rule: str, answers: Answers, emotion: str | None, reason: str | None, confidence: float | None
) -> None:
    row = decided(answers, rule=rule)
    assert (row["emotion"], row["reason"], row["confidence_all"]) == (emotion, reason, confidence)
    said = [answer.split() for answer in answers.split(", ")]
    assert row["cannot_judge"] == " ".join(why for word, why in said if word == "cannot")
    assert row["raters"] == len(said)
    assert len(row["votes"]) == sum(word != "cannot" for word, _ in said)


def test_a_clip_that_all_can_judge_says_nothing_of_reasons() -> None:
    table = labels.decide(ratings("sad 1, sad 1, sad 1", "sad 1, cannot wrong_box"), Labels(), 3)
    assert table["cannot_judge"].fillna("").tolist() == ["", "wrong_box"]
    assert decided("sad 1, sad 1, sad 1")["cannot_judge"] is None


def test_refused_answers_do_not_count() -> None:
    table = ratings("happy 1, happy 1, happy 1", "sad 1")
    table.loc[[0, 3], "status"] = "refused"
    table.loc[[0, 3], "reason"] = "cancelled"
    result = labels.decide(table, Labels(), 3)
    assert result["clip_id"].tolist() == ["c0"]
    assert result[["raters", "reason"]].iloc[0].tolist() == [2, "incomplete"]


def test_made_up_ratings_mark_their_labels() -> None:
    result = labels.decide(ratings("sad 1, sad 1, sad 1", source="made-up"), Labels(), 3)
    assert result["made_up"].all()
    assert not labels.decide(ratings("sad 1, sad 1, sad 1"), Labels(), 3)["made_up"].any()


def test_no_ratings_make_no_labels() -> None:
    for rule in ("majority", "weighted", "dawid-skene"):
        result = labels.decide(tables.empty(tables.RATINGS), Labels(rule=rule), 3)
        assert len(result) == 0
        tables.check(tables.LABELS, result)


def test_dawid_skene_trusts_the_better_raters() -> None:
    rng = np.random.default_rng(0)
    rows = []
    truth = rng.choice(EMOTIONS, 600)
    for true in truth:
        right = [true if rng.random() < p else rng.choice(EMOTIONS) for p in (0.97, 0.5, 0.2)]
        rows.append(", ".join(f"{e} 1" for e in right))
    table = ratings(*rows)
    order = [f"c{i}" for i in range(600)]
    shares = {}
    for rule in ("majority", "dawid-skene"):
        result = labels.decide(table, Labels(rule=rule), 3).set_index("clip_id").loc[order]
        right = (result["emotion"].to_numpy(object) == truth) & (result["status"] == "kept")
        shares[rule] = right.mean()
        assert np.allclose(result[list(PROBABILITY_COLUMNS)].sum(axis=1), 1)
    assert shares["dawid-skene"] > shares["majority"] + 0.1


@pytest.mark.parametrize(
    ("settings", "raters", "message"),
    [
        ({"min_agree": 3}, 2, "min_agree is 3"),
        ({}, 2, "has 3 raters, but annotate.raters_per_clip"),
    ],
)
def test_recipes_that_cannot_be(settings: dict[str, Any], raters: int, message: str) -> None:
    with pytest.raises(CaerError, match=message):
        labels.decide(ratings("sad 1, sad 1, sad 1"), Labels(**settings), raters)


def test_one_rater_twice_is_refused() -> None:
    table = ratings("sad 1, sad 1, sad 1")
    table["rater"] = ["r0", "r0", "r1"]
    with pytest.raises(CaerError, match="r0 has two accepted answers to clip 'c0'"):
        labels.decide(table, Labels(), 3)


class TestUpdate:
    @pytest.fixture
    def dataset(self, tmp_path: Path) -> Dataset:
        (tmp_path / "recipe.yaml").write_text(recipe.dump(recipe.Recipe()), encoding="utf-8")
        dataset = Dataset(tmp_path)
        numbers = ("start_frame", "end_frame", "start_pts", "end_pts", "n_people")
        fixed: dict[str, Any] = dict.fromkeys(("shot_id", "video_id", "show", "episode"), "x")
        fixed |= dict.fromkeys(numbers, 1) | {"start_s": 0.0, "end_s": 2.0, "status": "kept"}
        clips = [{"clip_id": f"c{i}", "clip_key": f"c{i}", **fixed} for i in range(2)]
        dataset.write(tables.CLIPS, tables.frame(tables.CLIPS, clips))
        return dataset

    def test_a_snapshot_of_the_server_replaces_the_one_before(self, dataset: Dataset) -> None:
        labels.update(dataset, ratings("sad 1, sad 1, sad 1", "happy 1, sad 1"), snapshot=True)
        labels.update(dataset, ratings("happy 1, happy 1, sad 1"), snapshot=True)
        earlier = dataset.ratings.query("clip_id == 'c1'")
        assert earlier["reason"].tolist() == ["withdrawn", "withdrawn"]  # no answer vanishes
        assert dataset.labels["emotion"].tolist() == ["happy"]

    def test_files_add_up_and_a_repeated_one_replaces(self, dataset: Dataset) -> None:
        both = ratings("sad 1, sad 1, sad 1", "fear 1, fear 1, fear 1", source="csv")
        first, second = both.iloc[:3], both.iloc[3:]
        labels.update(dataset, first, snapshot=False)
        labels.update(dataset, second, snapshot=False)
        labels.update(dataset, first.assign(emotion="happy"), snapshot=False)
        assert dataset.labels["emotion"].tolist() == ["happy", "fear"]
        assert len(dataset.ratings) == 6

    def test_the_same_again_gives_the_same_bytes(self, dataset: Dataset) -> None:
        fresh = ratings("sad 1, sad 1, sad 1", "happy 1, sad 1")
        labels.update(dataset, fresh, snapshot=True)
        before = [dataset.path_of(t).read_bytes() for t in (tables.RATINGS, tables.LABELS)]
        labels.update(dataset, fresh.iloc[::-1], snapshot=True)
        assert before == [dataset.path_of(t).read_bytes() for t in (tables.RATINGS, tables.LABELS)]

    def test_real_answers_displace_made_up_ones(self, dataset: Dataset) -> None:
        clips = ("sad 1, sad 1, sad 1", "fear 1, fear 1, fear 1")
        labels.update(dataset, ratings(*clips, source="made-up"), snapshot=False)
        assert dataset.labels["made_up"].all()
        real = ratings("happy 1", source="csv").assign(rater="anna")
        labels.update(dataset, real, snapshot=False)
        result = dataset.labels.set_index("clip_id")
        assert result.loc["c0", ["reason", "raters"]].tolist() == ["incomplete", 1]
        assert result["made_up"].tolist() == [False, True]
        refused = dataset.ratings.query("status == 'refused'")
        assert set(refused["reason"]) == {"superseded"}

    def test_the_server_ranks_above_a_file_and_assignments_above_both(
        self, dataset: Dataset
    ) -> None:
        assigned = [
            {"clip_key": "c0", "rater": f"r{i}", "position": 0, "block": 0} for i in (0, 1, 2)
        ]
        dataset.write(tables.ASSIGNMENTS, tables.frame(tables.ASSIGNMENTS, assigned))
        offline = ratings("fear 1, fear 1, fear 1, fear 1", source="csv")
        labels.update(dataset, offline, snapshot=False)
        assert dataset.ratings.set_index("rater").loc["r3", "reason"] == "not_dealt"
        labels.update(dataset, ratings("happy 1, happy 1"), snapshot=True)
        assert list(dataset.labels["votes"][0]) == votes(
            ("r0", "happy", 1.0), ("r1", "happy", 1.0), ("r2", "fear", 1.0)
        )
        labels.update(dataset, ratings("happy 1"), snapshot=True)
        assert list(dataset.labels["votes"][0]) == votes(
            ("r0", "happy", 1.0), ("r1", "fear", 1.0), ("r2", "fear", 1.0)
        )

    def test_a_mistake_leaves_both_tables_as_they_were(self, dataset: Dataset) -> None:
        labels.update(dataset, ratings("sad 1, sad 1, sad 1"), snapshot=True)
        before = [dataset.path_of(t).read_bytes() for t in (tables.RATINGS, tables.LABELS)]
        with pytest.raises(CaerError, match="has 4 raters"):
            labels.update(dataset, ratings("sad 1, sad 1, sad 1, sad 1"), snapshot=True)
        assert before == [dataset.path_of(t).read_bytes() for t in (tables.RATINGS, tables.LABELS)]

    def test_after_a_kill_between_the_two_writes_the_same_again_makes_them_whole(
        self, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = ratings("sad 1, sad 1, sad 1"), ratings("happy 1, happy 1, sad 1")
        labels.update(dataset, first, snapshot=True)

        def killed(self: Dataset, table: tables.Table, data: pd.DataFrame) -> None:
            if table is tables.LABELS:
                raise KeyboardInterrupt
            tables.write(table, data, self.path_of(table))

        with monkeypatch.context() as patch:
            patch.setattr(Dataset, "write", killed)
            with pytest.raises(KeyboardInterrupt):
                labels.update(dataset, second, snapshot=True)
        assert dataset.labels["emotion"].tolist() == ["sad"]
        labels.update(dataset, second, snapshot=True)
        assert dataset.labels["emotion"].tolist() == ["happy"]
        assert list(dataset.labels["votes"][0]) == votes(
            ("r0", "happy", 1.0), ("r1", "happy", 1.0), ("r2", "sad", 1.0)
        )
