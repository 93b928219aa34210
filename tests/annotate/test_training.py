"""The training round: who gets which clips, and on a real server feedback, pass and assignment."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from urllib.parse import unquote

import pytest

from caer_data.annotate import pull, push, training
from caer_data.annotate.presentations import dataset_id
from caer_data.annotate.studio import projects
from caer_data.engine import anchors, recipe, tables
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter

QUIET = Reporter("quiet")
PEOPLE = [f"train{i}@example.org" for i in range(4)]
KNOWN = {f"k{i:02d}": EMOTIONS[i % 3 if i < 24 else 6] for i in range(30)}


def test_everybody_gets_the_same_clips_in_another_order_and_of_each_emotion_as_many() -> None:
    none = tables.empty(tables.CHECKS)
    found = training.plan(none, PEOPLE, KNOWN, set(), 8, seed=1)
    clips = {rater: list(rows["clip_key"]) for rater, rows in found.groupby("rater")}
    assert {frozenset(keys) for keys in clips.values()} == {frozenset(clips[PEOPLE[0]])}
    assert len({tuple(keys) for keys in clips.values()}) == 4
    assert set(Counter(KNOWN[key] for key in clips[PEOPLE[0]]).values()) == {2}
    again = training.plan(found, [*PEOPLE, "new@example.org"], KNOWN, set(), 8, seed=1)
    assert again[: len(found)].equals(found)
    assert set(again[len(found) :]["rater"]) == {"new@example.org"}


def test_who_has_seen_a_clip_gets_another_and_too_few_are_a_mistake() -> None:
    none = tables.empty(tables.CHECKS)
    first = training.plan(none, PEOPLE[:1], KNOWN, set(), 8, seed=1)["clip_key"].tolist()
    seen = {(key, PEOPLE[0]) for key in first[:3]}
    other = training.plan(none, PEOPLE[:1], KNOWN, seen, 8, seed=1)["clip_key"].tolist()
    assert len(other) == 8
    assert not set(other) & set(first[:3])
    with pytest.raises(CaerError, match=r"requires 31 clips.*are 30 .*; add more with 'push --kn"):
        training.plan(none, PEOPLE, KNOWN, set(), 31, seed=1)


def result(emotion: str) -> list[dict[str, Any]]:
    return [
        {"from_name": name, "to_name": "clip", "type": "choices", "value": {"choices": [choice]}}
        for name, choice in (("emotion", emotion), ("confidence", "0.75"))
    ]


@pytest.mark.server
@pytest.mark.slow
def test_feedback_after_each_and_only_who_passes_is_assigned(
    studio: Any, new_dataset: Any, without_posters: Any, rater_of: Any
) -> None:
    dataset = new_dataset(7)
    without_posters(dataset)
    settings = {"annotate": {"training": 2, "pass_mark": 0.5}}
    dataset.recipe_path.write_text(recipe.dump(recipe.load(settings)), encoding="utf-8")
    keys = sorted(anchors.of_clips(dataset.clips))
    listed = dataset.folder / "known.csv"
    listed.write_text("clip_key,emotion\n" + "".join(f"{key},fear\n" for key in keys[:2]))
    begun = push.push(dataset, studio.server, QUIET, raters=PEOPLE, known=listed)
    assert (begun.added, begun.clips, len(begun.addresses)) == (8, 0, 4)
    assert begun.training[0] == f"{PEOPLE[0]} has answered 0 of the training clips"

    found = projects.find(studio.server, dataset_id(dataset), projects.TRAINING)
    for number, email in enumerate(PEOPLE):
        rater, project = rater_of(studio, email), found[email].number
        for _ in range(2):
            query = f"/api/dm/actions?id=next_task&project={project}"
            task = rater.call("POST", query, json={}).json()
            assert "fear" not in json.dumps(task["data"])
            path = f"/api/tasks/{task['id']}/annotations"
            said = "sad" if number == 3 else "fear"  # the last rater fails
            reply = rater.call("POST", path, json={"result": result(said), "lead_time": 9.5})
            assert reply.status_code == 201
            told = json.loads(unquote(reply.headers["X-Caer-Known"]))
            assert told == {"known": "fear", "given": said}
            change = rater.call(
                "PATCH", f"/api/annotations/{reply.json()['id']}", json={"result": result("fear")}
            )
            assert change.status_code == 403
    assert rater.call("GET", f"/api/tasks?project={found[PEOPLE[0]].number}").status_code == 403

    assigned = push.push(dataset, studio.server, QUIET)
    assert assigned.clips == 5
    assert set(dataset.assignments["rater"]) == set(PEOPLE[:3])
    pulled = pull.pull(dataset, studio.server, QUIET)
    assert len(pulled.ratings) == 0
    assert f"{PEOPLE[3]} failed the training: 0 of 2 correct, 50% needed" in pulled.below
    assert dict(zip(dataset.raters["rater"], dataset.raters["passed"], strict=True)) == {
        rater: rater != PEOPLE[3] for rater in PEOPLE
    }
