"""A whole round as scripted raters answer it, with every kind of error planted in it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from caer_data.annotate.assign import assignments as assign
from caer_data.engine import recipe, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import CANNOT_JUDGE, EMOTIONS
from caer_data.engine.recipe import Annotate
from caer_data.labels import decide as labels
from caer_data.labels import validate
from caer_data.labels.validate import Answer

CLIPS, RATERS = 500, [f"rater{i}@example.org" for i in range(6)]


class Round:
    """Answers of a round, and what must come of each."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "recipe.yaml").write_text(recipe.dump(recipe.Recipe()), encoding="utf-8")
        self.dataset = Dataset(folder)
        names = [f"clip-{i:03d}" for i in range(CLIPS)]
        clip = dict.fromkeys(("shot_id", "video_id", "show", "episode"), "x")
        frames = dict.fromkeys(("start_frame", "start_pts", "end_frame", "end_pts", "n_people"), 1)
        self.dataset.write(
            tables.CLIPS,
            tables.frame(
                tables.CLIPS,
                [
                    {
                        "clip_id": n,
                        "clip_key": n,
                        "start_s": 0.0,
                        "end_s": 3.0,
                        "status": "kept",
                        **clip,
                        **frames,
                    }
                    for n in names
                ],
            ),
        )
        assigned = assign.assign(
            names, RATERS, tables.empty(tables.ASSIGNMENTS), Annotate(), seed=1
        )
        self.dataset.write(tables.ASSIGNMENTS, assigned)
        self.assigned = {c: sorted(g) for c, g in assigned.groupby("clip_key")["rater"]}
        self.rng = np.random.default_rng(0)
        self.answers: list[Answer] = []
        self.votes: dict[str, dict[str, tuple[str, float]]] = {n: {} for n in names}
        self.refused: Counter[str] = Counter()
        self.skips: dict[str, dict[str, str]] = {n: {} for n in names}
        for name in names:
            for rater in self.assigned[name]:
                self.vote(name, rater)

    def vote(self, clip: str, rater: str, **changes: Any) -> Answer:
        emotion = str(self.rng.choice(EMOTIONS[:3]))
        confidence = float(self.rng.choice([0.0, 0.25, 0.5, 0.75, 1.0]))
        answer = Answer(
            source_id=str(len(self.answers) + 1),
            clip_key=clip,
            presentation=f"shown-{clip}",
            rater=rater,
            project_rater=rater,
            emotion=emotion,
            confidence=str(confidence),
            lead_time_s=5.0,
            created_at="2026-03-01T10:00:00.000Z",
            updated_at="2026-03-01T10:00:00.010Z",
        )
        answer = replace(answer, **changes)
        self.answers.append(answer)
        self.votes.get(clip, {})[rater] = (emotion, confidence)
        return answer

    def spoil(self, clip: str, reason: str, **changes: Any) -> None:
        """The only answer of a clip's first rater turns out to be worthless."""
        rater = self.assigned[clip][0]
        at = next(i for i, a in enumerate(self.answers) if (a.clip_key, a.rater) == (clip, rater))
        self.answers[at] = replace(self.answers[at], **changes)
        del self.votes[clip][rater]
        self.refused[reason] += 1

    def skip(self, clip: str, place: int, reason: str) -> None:
        """One of a clip's raters says that it cannot be judged, whatever else they chose first."""
        rater = self.assigned[clip][place]
        at = next(i for i, a in enumerate(self.answers) if (a.clip_key, a.rater) == (clip, rater))
        self.answers[at] = replace(self.answers[at], cannot_judge=reason)
        del self.votes[clip][rater]
        self.skips[clip][rater] = reason

    def add(self, reason: str, **changes: Any) -> None:
        """One more answer that must not count."""
        first = self.answers[0]
        self.answers.append(replace(first, source_id=str(len(self.answers) + 1), **changes))
        self.refused[reason] += 1


def plant(script: Round) -> None:
    """Every kind of error, each in clips of its own."""
    names = sorted(script.votes)
    spoiled = [
        ("unknown_emotion", {"emotion": "joyful"}),
        ("unknown_emotion", {"emotion": None}),
        ("unknown_emotion", {"emotion": "happy,sad"}),
        ("bad_confidence", {"confidence": "7"}),
        ("bad_confidence", {"confidence": "nan"}),
        ("bad_confidence", {"confidence": None}),
        ("cancelled", {"cancelled": True}),
        ("ground_truth", {"ground_truth": True}),
        ("unknown_reason", {"cannot_judge": "boring"}),
    ]
    for i, (reason, changes) in enumerate(spoiled):
        for clip in names[5 * i : 5 * i + 5]:
            script.spoil(clip, reason, **changes)
    for clip in names[100:110]:
        stranger = next(r for r in RATERS if r not in script.assigned[clip])
        script.add("not_dealt", clip_key=clip, rater=stranger, project_rater=stranger)
        script.add("unknown_rater", clip_key=clip, rater="eve@example.org")
        first, second = script.assigned[clip][:2]
        script.add("foreign_project", clip_key=clip, rater=first, project_rater=second)
        script.add("unknown_clip", clip_key=f"{clip}-gone", rater=first, project_rater=first)
    for place, clip in enumerate(names[300:345]):
        for skipping in range(1 + place // 15):  # one, two or all three raters
            script.skip(clip, skipping, list(CANNOT_JUDGE)[(place + skipping) % 6])
    for clip in names[200:220]:
        script.vote(clip, script.assigned[clip][1], updated_at="2026-03-01T10:00:03Z")
        script.refused["superseded"] += 1
    for clip in names[220:230]:  # the older annotation was edited last: it stands
        rater = script.assigned[clip][2]
        vote = script.votes[clip][rater]
        script.vote(clip, rater, updated_at="2026-03-01T09:00:00Z")
        script.votes[clip][rater] = vote
        script.refused["superseded"] += 1
    script.answers += script.answers[:30]  # pages that overlap


def expected(votes: dict[str, tuple[str, float]], skips: int) -> tuple[str, str | None]:
    """The paper's rule, written once more, plainly."""
    if len(votes) + skips != 3:
        return "dropped", "incomplete"
    if skips > 1:
        return "dropped", "cannot_judge"
    emotion, most = Counter(e for e, _ in votes.values()).most_common(1)[0]
    if most < 2:
        return "dropped", "no_majority"
    if round(100 * sum(c for _, c in votes.values())) < 50 * len(votes):
        return "dropped", "low_confidence"
    return "kept", emotion


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Round:
    script = Round(tmp_path_factory.mktemp("round") / "dataset")
    plant(script)
    order = np.random.default_rng(1).permutation(len(script.answers))
    script.answers = [script.answers[i] for i in order]
    return script


@pytest.fixture(scope="module")
def pulled(script: Round) -> Dataset:
    dataset = script.dataset
    fresh = validate.validate_answers(script.answers, dataset.assignments, dataset.clips)
    labels.update(dataset, fresh, snapshot=True)
    return dataset


def test_the_votes_are_recovered_exactly(script: Round, pulled: Dataset) -> None:
    accepted = pulled.ratings.query("status == 'accepted' and cannot_judge.isna()")
    found: dict[str, dict[str, tuple[str, float]]] = {name: {} for name in script.votes}
    for row in accepted.itertuples():
        found[row.clip_id][row.rater] = (row.emotion, row.confidence)
    assert found == script.votes
    spelled = {
        clip: [{"rater": r, "emotion": e, "confidence": c} for r, (e, c) in sorted(votes.items())]
        for clip, votes in script.votes.items()
    }
    held = map(list, pulled.labels["votes"])
    assert dict(zip(pulled.labels["clip_id"], held, strict=True)) == spelled


def test_every_refusal_has_its_reason(script: Round, pulled: Dataset) -> None:
    refused = pulled.ratings.query("status == 'refused'")
    assert Counter(refused["reason"]) == script.refused
    planted = set(validate.REASONS) - {"dropped_clip", "clip_changed", "withdrawn", "other_author"}
    assert set(script.refused) == planted


def test_every_label_follows_the_rule(script: Round, pulled: Dataset) -> None:
    outcomes = Counter()
    for row in pulled.labels.itertuples():
        skips = script.skips[row.clip_id]
        status, word = expected(script.votes[row.clip_id], len(skips))
        reasons = " ".join(skips[rater] for rater in sorted(skips)) or None
        assert (None if pd.isna(row.cannot_judge) else row.cannot_judge) == reasons
        assert row.status == status
        assert (row.emotion if status == "kept" else row.reason) == word
        outcomes[word] += 1
    assert len(pulled.labels) == CLIPS
    dropped = {"incomplete", "cannot_judge", "no_majority", "low_confidence"}
    assert set(outcomes) == {*EMOTIONS[:3], *dropped}


def test_partial_pulls_end_the_same(script: Round, pulled: Dataset, tmp_path: Path) -> None:
    whole = [pulled.path_of(t).read_bytes() for t in (tables.RATINGS, tables.LABELS)]
    for part in (0, 1, 200, 900, len(script.answers)):
        fresh = validate.validate_answers(script.answers[:part], pulled.assignments, pulled.clips)
        ratings, decided = labels.update(pulled, fresh, snapshot=True)
        there = {a.source_id for a in script.answers[:part]}
        assert set(ratings.loc[ratings["reason"] != "withdrawn", "source_id"]) == there
        assert len(ratings) == len({a.source_id for a in script.answers})
        assert not pd.isna(decided["status"]).any()
    assert whole == [pulled.path_of(t).read_bytes() for t in (tables.RATINGS, tables.LABELS)]
