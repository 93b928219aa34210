"""Answers given on a real server arrive by `pull`, and what must not count does not."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from caer_data.annotate import push
from caer_data.annotate.presentations import dataset_id
from caer_data.annotate.pull import pull
from caer_data.annotate.status import status
from caer_data.annotate.studio import accounts, projects
from caer_data.annotate.studio import folders as places
from caer_data.annotate.studio.client import Server
from caer_data.engine import identity, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.engine.secret import secret_of

pytestmark = [pytest.mark.server, pytest.mark.slow]

QUIET = Reporter("quiet")
New = Callable[..., Dataset]
CONFIDENCES = ("0.0", "0.25", "0.5", "0.75", "1.0")


def test_six_raters_rate_and_pull_brings_every_answer(
    studio: Any, new_dataset: New, six_raters: list[str], without_posters: Any, rater_of: Any
) -> None:
    dataset = new_dataset(8)
    without_posters(dataset)
    push.push(dataset, studio.server, QUIET, raters=six_raters)
    found = projects.find(studio.server, dataset_id(dataset))
    clip_of = dict(
        zip(dataset.assignments["presentation"], dataset.assignments["clip_id"], strict=True)
    )
    given: dict[tuple[str, str], tuple[str, float]] = {}
    order: dict[str, list[str]] = defaultdict(list)
    draw = random.Random(1)
    for rater in six_raters:
        person = rater_of(studio, rater)
        for _ in range(found[rater].tasks):
            emotion, confidence = draw.choice(EMOTIONS[:3]), draw.choice(CONFIDENCES)
            task = person.answer(found[rater].number, emotion, confidence)
            clip = clip_of[task["data"]["clip"]]
            given[clip, rater] = (emotion, float(confidence))
            order[rater].append(clip)
        after = person.call(
            "POST", f"/api/dm/actions?id=next_task&project={found[rater].number}", json={}
        )
        assert after.status_code == 404  # nothing is left
        if rater == six_raters[2]:
            halfway = pull(dataset, studio.server, QUIET)
            assert len(halfway.ratings) == len(given)
            assert set(halfway.labels["reason"].dropna()) >= {"incomplete"}

    assert status(dataset, studio.server, QUIET).complete == 8
    for _ in range(2):
        pulled = pull(dataset, studio.server, QUIET)
        rows = pulled.ratings
        assert set(rows["status"]) == {"accepted"} and set(rows["source"]) == {"label-studio"}
        assert {(r.clip_id, r.rater): (r.emotion, r.confidence) for r in rows.itertuples()} == given
        assert (rows["lead_time_s"] == 9.5).all() and not rows["too_fast"].any()
    assigned = dataset.assignments.sort_values("position").groupby("rater")["clip_id"].agg(list)
    assert dict(order) == assigned.to_dict()
    assert len(pulled.labels) == 8 and "incomplete" not in set(pulled.labels["reason"])


# What is done to an answer, and the reason it is refused for; None: it counts.
PLANTED: dict[str, str | None] = {
    "good": None,
    "cancelled": "cancelled",
    "ground truth": "ground_truth",
    "eighth emotion": "unknown_emotion",
    "no emotion": "unknown_emotion",
    "two emotions": "unknown_emotion",
    "confidence 7": "bad_confidence",
    "confidence -0.1": "bad_confidence",
    "confidence nan": "bad_confidence",
    "no confidence": "bad_confidence",
    "in another's name": "foreign_project",
    "by the administrator": "unknown_rater",
    "unknown clip": "unknown_clip",
    "not assigned": "not_dealt",
    "doubled": None,
    "too fast": None,
}


def test_a_round_of_500_clips_with_planted_errors(
    studio: Any, new_dataset: New, six_raters: list[str], without_posters: Any, result_of: Any
) -> None:
    dataset = new_dataset(500)
    without_posters(dataset)
    server: Server = studio.server
    push.push(dataset, server, QUIET, raters=six_raters)
    numbers = {email: number for number, email in accounts.users(server).items()}
    found = projects.find(server, dataset_id(dataset))
    assigned = dataset.assignments
    secret, keys = secret_of(dataset.folder), dataset.clips.set_index("clip_id")["clip_key"]
    draw = random.Random(2)
    truth: dict[tuple[str, str], tuple[str, float]] = {}
    refused: Counter[str] = Counter()
    fast: set[tuple[str, str]] = set()
    used: Counter[str] = Counter()
    for rater in six_raters:
        others = [r for r in six_raters if r != rater]
        mine = list(assigned.loc[assigned["rater"] == rater, "clip_id"])
        foreign = sorted(set(keys.index) - set(mine))
        tasks = []
        for clip in mine:
            kind = draw.choices(list(PLANTED), [30] + [1] * (len(PLANTED) - 1))[0]
            used[kind] += 1
            emotion, confidence = draw.choice(EMOTIONS), draw.choice(CONFIDENCES)
            answer: dict[str, Any] = {
                "result": result_of(emotion, confidence), "completed_by": numbers[rater],
                "lead_time": 9.0, "was_cancelled": False, "ground_truth": False,
            }  # fmt: skip
            answers, key = [answer], identity.presentation(secret, keys[clip], rater)
            match kind:
                case "cancelled":
                    answer["was_cancelled"] = True
                case "ground truth":
                    answer["ground_truth"] = True
                case "eighth emotion":
                    answer["result"] = result_of("joyful", confidence)
                case "no emotion":
                    answer["result"] = result_of("x", confidence)[1:]
                case "two emotions":
                    answer["result"][0]["value"]["choices"] = ["anger", "sad"]
                case "confidence 7" | "confidence -0.1" | "confidence nan":
                    answer["result"] = result_of(emotion, kind.split()[1])
                case "no confidence":
                    answer["result"] = result_of(emotion, "x")[:1]
                case "in another's name":
                    answer["completed_by"] = numbers[draw.choice(others)]
                case "by the administrator":
                    answer["completed_by"] = numbers[places.ADMIN]
                case "unknown clip":
                    key = "0123456789"
                case "not assigned":
                    key = identity.presentation(secret, keys[foreign.pop()], rater)
                case "doubled":
                    earlier = {**answer, "result": result_of(draw.choice(EMOTIONS), "0.25")}
                    answers = [earlier, answer]
                    refused["superseded"] += 1
                case "too fast":
                    answer["lead_time"] = 0.4
                    fast.add((clip, rater))
            if PLANTED[kind]:
                refused[str(PLANTED[kind])] += 1
            else:
                truth[clip, rater] = (emotion, float(confidence))
            data = {"video": "x.mp4", "target": "x.jpg", "clip": key, "fps": "25"}
            tasks.append({"data": data, "annotations": answers})
        server.api.write("tasks.delete_all_tasks", found[rater].number)
        server.api.write("projects.import_tasks", found[rater].number, request=tasks)
    assert set(used) == set(PLANTED) and sum(used.values()) == 1500

    pulled = pull(dataset, server, QUIET)
    accepted = pulled.ratings[pulled.ratings["status"] == "accepted"]
    rejected = pulled.ratings[pulled.ratings["status"] == "refused"]
    assert Counter(rejected["reason"]) == refused
    got = {(r.clip_id, r.rater): (r.emotion, r.confidence) for r in accepted.itertuples()}
    assert got == truth
    quick = accepted[accepted["too_fast"]]
    assert set(zip(quick["clip_id"], quick["rater"], strict=True)) == fast
    assert labels_of(pulled.labels) == by_the_paper(truth)
    assert dataset.labels.equals(pulled.labels) and dataset.ratings.equals(pulled.ratings)


def labels_of(labels: pd.DataFrame) -> dict[str, str]:
    """Each clip's emotion, or the reason it was dropped for."""
    return {
        row.clip_id: row.emotion if row.status == "kept" else row.reason
        for row in labels.itertuples()
    }


def by_the_paper(truth: dict[tuple[str, str], tuple[str, float]]) -> dict[str, str]:
    """Section 4.1, written down anew: two of three agree, and mean confidence is 0.5 or more."""
    answers: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for (clip, _), answer in truth.items():
        answers[clip].append(answer)
    decided = {}
    for clip, given in answers.items():
        emotion, votes = Counter(e for e, _ in given).most_common(1)[0]
        if len(given) < 3:
            decided[clip] = "incomplete"
        elif votes < 2:
            decided[clip] = "no_majority"
        else:
            sure = sum(c for _, c in given) / 3 >= 0.5
            decided[clip] = emotion if sure else "low_confidence"
    return decided


def test_an_answer_that_another_account_touched_is_refused(
    open_studio: Any, new_dataset: New, six_raters: list[str], without_posters: Any, rater_of: Any
) -> None:
    dataset = new_dataset(3)
    without_posters(dataset)
    push.push(dataset, open_studio.server, QUIET, raters=six_raters[:3])
    found = projects.find(open_studio.server, dataset_id(dataset))
    anna, ben, cleo = (rater_of(open_studio, rater) for rater in six_raters[:3])
    for person, rater in ((anna, 0), (ben, 1), (cleo, 2)):
        for _ in range(3):
            person.answer(found[six_raters[rater]].number, "fear", "0.5")
    first = {
        email: projects.answers(open_studio.server, found[email])[0]["annotations"][0]["id"]
        for email in six_raters[:3]
    }
    theirs = open_studio.server.api.read("annotations.get", first[ben.email])
    forged = {"completed_by": ben.me, "task": theirs.task, "project": theirs.project}
    for answer, body in ((first[anna.email], forged), (first[cleo.email], {"lead_time": 8.0})):
        reply = anna.call("PATCH", f"/api/annotations/{answer}/", json=body)
        assert reply.status_code == 200, reply.text

    rows = pull(dataset, open_studio.server, QUIET).ratings
    refused = rows[rows["status"] == "refused"]
    assert dict(zip(refused["source_id"], refused["reason"], strict=True)) == {
        str(first[anna.email]): "other_author", str(first[cleo.email]): "other_author",
    }  # fmt: skip
    assert set(refused["rater"]) == {ben.email, cleo.email}


def test_a_connection_cut_in_the_middle_leaves_the_tables(
    studio: Any, new_dataset: New, six_raters: list[str], without_posters: Any, rater_of: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    dataset = new_dataset(2)
    without_posters(dataset)
    push.push(dataset, studio.server, QUIET, raters=six_raters[:3])
    found = projects.find(studio.server, dataset_id(dataset))
    rater_of(studio, six_raters[0]).answer(found[six_raters[0]].number, "fear", "0.5")
    pull(dataset, studio.server, QUIET)
    before = {
        table: dataset.path_of(table).read_bytes() for table in (tables.RATINGS, tables.LABELS)
    }
    rater_of(studio, six_raters[1]).answer(found[six_raters[1]].number, "fear", "0.5")
    httpx = pytest.importorskip("httpx")
    send, calls = httpx.Client.send, set()

    def cut(self: Any, request: Any, **options: Any) -> Any:
        if request.url.path.endswith("/export"):
            calls.add(request.url.path)
            if len(calls) == 2:
                raise httpx.RemoteProtocolError("cut")
        return send(self, request, **options)

    monkeypatch.setattr(httpx.Client, "send", cut)
    with pytest.raises(CaerError, match=r"the connection to .* broke"):
        pull(dataset, studio.server, QUIET)
    monkeypatch.undo()
    assert {t: dataset.path_of(t).read_bytes() for t in before} == before
    assert len(pull(dataset, studio.server, QUIET).ratings) == 2
