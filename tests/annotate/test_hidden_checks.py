"""Gold clips and repeats on a real server: a rater cannot tell them, and they are not votes."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from caer_data.annotate import pull, push
from caer_data.annotate.presentations import dataset_id
from caer_data.annotate.studio import projects
from caer_data.engine import anchors, recipe, tables
from caer_data.engine.progress import Reporter

pytestmark = [pytest.mark.server, pytest.mark.slow]

QUIET = Reporter("quiet")
PEOPLE = [f"check{i}@example.org" for i in range(3)]


def seen(task: dict[str, Any]) -> str:
    """A task without what differs between any two: its numbers, its times, its clip's name."""
    name = task["data"]["clip"]
    plain = {
        k: v for k, v in task.items() if k not in ("id", "inner_id", "created_at", "updated_at")
    }
    return json.dumps(plain, sort_keys=True).replace(name, "-" * len(name))


def test_a_rater_cannot_tell_and_no_check_is_a_vote(
    studio: Any, new_dataset: Any, without_posters: Any, rater_of: Any
) -> None:
    dataset = new_dataset(10)
    without_posters(dataset)
    questions = ["second_choice", "intensity", "valence", "arousal"]
    settings = {"annotate": {"gold_share": 0.25, "repeat_share": 0.25, "ask": questions}}
    dataset.recipe_path.write_text(recipe.dump(recipe.load(settings)), encoding="utf-8")
    keys = sorted(anchors.of_clips(dataset.clips))
    listed = dataset.folder / "known.csv"
    listed.write_text("clip_key,emotion\n" + "".join(f"{key},fear\n" for key in keys[:2]))
    done = push.push(dataset, studio.server, QUIET, raters=PEOPLE, known=listed)
    assert (done.added, done.clips, done.checks) == (36, 8, 12)  # 8 votes, 2 gold, 2 repeats each
    assert not set(keys[:2]) & set(dataset.assignments["clip_key"])
    again = push.push(dataset, studio.server, QUIET)
    assert (again.added, again.removed) == (0, 0)

    rater = rater_of(studio, PEOPLE[0])
    project = projects.find(studio.server, dataset_id(dataset))[PEOPLE[0]].number
    query = f"project={project}&fields=all&page_size=100"
    listing = rater.call("GET", f"/api/tasks?{query}").json()["tasks"]
    forms = Counter(seen(task) for task in listing)
    checks = dataset.checks[dataset.checks["rater"] == PEOPLE[0]]
    kinds = dict(zip(checks["presentation"], checks["kind"], strict=True))
    order = [kinds.get(task["data"]["clip"], "vote") for task in listing]
    assert Counter(order) == {"vote": 8, "gold": 2, "repeat": 2}
    assert len(forms) == 1, forms  # apart from numbers and names, every task is the same
    assert order[:2] != ["gold", "gold"] and "vote" in order[order.index("repeat") :]

    headers = set()
    while True:
        taken = rater.call("POST", f"/api/dm/actions?id=next_task&project={project}", json={})
        if taken.status_code == 404:
            break
        task = taken.json()
        served = rater.call("GET", task["data"]["video"])
        headers.add((served.status_code, served.headers["Content-Type"]))
        emotion = "fear" if kinds.get(task["data"]["clip"]) == "gold" else "happy"
        body = {"result": result(emotion), "lead_time": 9.5}
        assert rater.call("POST", f"/api/tasks/{task['id']}/annotations", json=body).ok
    assert headers == {(200, "video/mp4")}

    pulled = pull.pull(dataset, studio.server, QUIET)
    votes = pulled.ratings
    assert Counter(votes["status"]) == {"accepted": 8}
    assert set(votes["emotion"]) == {"happy"}
    assert set(votes["second_choice"]) == {"surprise"}
    assert set(votes["valence"]) == {0.15}
    assert votes["arousal"].isna().all()
    row = dataset.raters.set_index("rater").loc[PEOPLE[0]]
    assert row[["gold_answers", "gold_equal", "repeat_answers", "repeat_equal"]].tolist() == [2] * 4
    told = dataset.read(tables.CHECKS)
    assert told["emotion"].notna().sum() == 4


def result(emotion: str) -> list[dict[str, Any]]:
    chosen = (("emotion", emotion), ("confidence", "0.75"), ("second_choice", "surprise"))
    parts = [
        {"from_name": name, "to_name": "clip", "type": "choices", "value": {"choices": [choice]}}
        for name, choice in chosen
    ]
    slider = {"from_name": "valence", "to_name": "clip", "type": "number"}
    return [*parts, {**slider, "value": {"number": 0.15000000000000002}}]
