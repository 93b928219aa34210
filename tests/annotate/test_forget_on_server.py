"""`caer-data forget` with a real rating server: what must go is gone there, and nothing else is."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from caer_data.annotate import pull, push, training
from caer_data.annotate.presentations import dataset_id
from caer_data.annotate.studio import accounts, projects
from caer_data.cli import cli
from caer_data.engine import recipe, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.progress import Reporter

pytestmark = [pytest.mark.service, pytest.mark.server, pytest.mark.slow]

QUIET = Reporter("quiet")
RATERS = [f"{name}.remembered@example.org" for name in ("ann", "bob", "cat", "dan")]
WORDS = "a draft that nobody sent"


@dataclass
class Round:
    """A dataset whose raters passed a training, answered two clips each and began a third."""

    dataset: Dataset
    studio: Any
    name: str

    def forget(self, *what: str) -> str:
        """Run `caer-data forget`; give what it says."""
        command = ["forget", "-d", str(self.dataset.folder), "--yes", *what]
        done = CliRunner().invoke(cli, command)
        assert done.exit_code == 0, done.output
        assert "still has it" not in done.output
        return done.output

    def rows(self, query: str, *values: Any) -> set[Any]:
        """Ask the server's database."""
        with closing(sqlite3.connect(self.studio.folder / "label_studio.sqlite3")) as base:
            return {row[0] for row in base.execute(query, values)}

    def on_server(self) -> dict[str, set[Any]]:
        """All that the server holds of this dataset, by what it is called here."""
        mine = "select id from project where description like ?"
        task = f"select id from task where project_id in ({mine})"
        mark = f"%:{self.name}"
        clips = self.rows(f"select data from task where project_id in ({mine})", mark)
        return {
            "clips": {json.loads(data)["clip"] for data in clips},
            "answers": self.rows(f"select id from task_completion where task_id in ({task})", mark),
            "drafts": self.rows(
                f"select id from tasks_annotationdraft where task_id in ({task})", mark
            ),
            "files": {path.name for path in self.studio.folder.glob("files/clips/*/*")},
        }

    def shown(self, key: str) -> set[str]:
        """Names under which a clip was shown, in the training as well."""
        dealt = [self.dataset.assignments, self.dataset.read(tables.CHECKS)]
        return {name for t in dealt for name in t.loc[t["clip_key"] == key, "presentation"]}


def begin(
    studio: Any, dataset: Dataset, raters: list[str], rater_of: Any, result_of: Any, known: Path
) -> Round:
    """Push, pass the training, push again, answer two clips and draft a third."""
    push.push(dataset, studio.server, QUIET, raters=raters, known=known)
    name = dataset_id(dataset)
    people = {rater: rater_of(studio, rater) for rater in raters}
    for rater, project in projects.find(studio.server, name, projects.TRAINING).items():
        people[rater].answer(project.number, "fear", "0.5")
    push.push(dataset, studio.server, QUIET)
    for rater, project in projects.find(studio.server, name).items():
        for _ in range(2):
            people[rater].answer(project.number, "happy", "1.0")
        query = f"/api/dm/actions?id=next_task&project={project.number}"
        task = people[rater].call("POST", query, json={}).json()["id"]
        draft = {"result": [{**result_of("sad", "0.5")[0], "meta": {"text": [WORDS]}}]}
        path = f"/api/tasks/{task}/drafts?project={project.number}"
        assert people[rater].call("POST", path, json=draft).status_code == 201
    pull.pull(dataset, studio.server, QUIET)
    return Round(dataset, studio, name)


@pytest.fixture(scope="module")
def make(
    studio: Any, dataset_of: Any, without_posters: Any, rater_of: Any, result_of: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Round]]:  # fmt: skip
    """Makes a round on a server that `forget` finds by itself."""

    def made(name: str, raters: list[str]) -> Round:
        dataset = dataset_of(tmp_path_factory.mktemp("forget") / name, 9)
        without_posters(dataset)
        settings = {"annotate": {"training": 1, "pass_mark": 0.5}}
        dataset.recipe_path.write_text(recipe.dump(recipe.load(settings)), encoding="utf-8")
        _second_person(dataset)
        known = dataset.folder / "known.csv"
        known.write_text(f"clip_id,emotion\n{dataset.clips['clip_id'].iloc[0]},fear\n")
        return begin(studio, dataset, raters, rater_of, result_of, known)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAER_SERVER", str(studio.folder))
        yield made


def _second_person(dataset: Dataset) -> None:
    """Clips 1 and 2 are about somebody else."""
    other, clips, tracks = "secret-show-p1", dataset.clips, dataset.tracks
    clips.loc[1:2, "person_id"] = other
    tracks.loc[1:2, "person_id"] = other
    dataset.write(tables.CLIPS, clips)
    dataset.write(tables.TRACKS, tracks)
    people = [
        {
            "person_id": person, "show": "Secret Show", "tracks": len(rows), "shots": len(rows),
            "videos": 1, "seconds": 2.0, "best_track_id": rows["track_id"].iloc[0],
        }
        for person, rows in tracks.groupby("person_id")
    ]  # fmt: skip
    dataset.write(tables.PEOPLE, tables.frame(tables.PEOPLE, people))


@pytest.fixture(scope="module")
def round_(make: Callable[..., Round]) -> Round:
    """One round for the tests below, in their order."""
    return make("one", RATERS)


def gone(before: dict[str, set[Any]], after: dict[str, set[Any]]) -> dict[str, set[Any]]:
    """What is there no more; nothing may have come."""
    assert all(after[kind] <= before[kind] for kind in before)
    return {kind: before[kind] - after[kind] for kind in before}


def test_a_clip(round_: Round) -> None:
    before = round_.on_server()
    answered = round_.dataset.ratings["clip_key"].value_counts()
    key = str(answered.index[0])
    shown, asked = round_.shown(key), str(answered.index[0])
    given = round_.rows(
        "select c.id from task_completion c join task t on c.task_id = t.id "
        "where json_extract(t.data, '$.clip') in (select value from json_each(?))",
        json.dumps(sorted(shown)),
    )
    said = round_.forget("--clip", asked)
    assert f"{len(shown)} tasks with their answers, 0 projects" in said
    lost = gone(before, round_.on_server())
    assert lost["clips"] == shown and len(shown) == 3
    assert lost["answers"] == given and given
    assert lost["files"] == {f"{name}.{end}" for name in shown for end in ("mp4", "jpg")}


def test_a_person(round_: Round) -> None:
    before = round_.on_server()
    clips = round_.dataset.clips
    keys = clips.loc[clips["person_id"] == "secret-show-p1", "clip_key"].dropna()
    shown = {name for key in keys for name in round_.shown(key)}
    round_.forget("--person", "secret-show-p1")
    lost = gone(before, round_.on_server())
    assert lost["clips"] == shown and shown
    assert {Path(name).stem for name in lost["files"]} == shown


def test_a_rater_goes_with_training_answers_drafts_and_account(
    round_: Round, rater_of: Any, make: Callable[..., Round]
) -> None:
    other = make("two", [RATERS[3], *(f"other{n}@example.org" for n in range(2))])
    bob, dan = RATERS[1], RATERS[3]
    users = accounts.users(round_.studio.server)
    number = next(n for n, rater in users.items() if rater == bob)
    mine = round_.rows("select id from project where description like ?", f"caer-rater:{bob} %")
    assert len(mine) == 2  # votes and training
    told = [round_.studio.folder / "training" / f"{project}.json" for project in mine]
    assert any(path.is_file() for path in told)

    said = round_.forget("--rater", bob, "--rater", dan)
    assert "4 projects of raters" in said and "1 accounts" in said
    assert f"the account of {dan} was kept: clips of other datasets were assigned to it" in said
    assert not any(path.exists() for path in told)
    for table, column in (
        ("task_completion", "completed_by_id"), ("task_completion", "updated_by_id"),
        ("tasks_annotationdraft", "user_id"), ("htx_user", "id"), ("authtoken_token", "user_id"),
        ("organizations_organizationmember", "user_id"), ("task", "updated_by_id"),
    ):  # fmt: skip
        assert number not in round_.rows(f"select {column} from {table}"), table
    left = accounts.users(round_.studio.server).values()
    assert bob not in left and dan in left and RATERS[0] in left
    with pytest.raises((AssertionError, KeyError)):
        rater_of(round_.studio, bob)
    assert len(other.on_server()["answers"]) == 9  # nothing of the other dataset
    pulled = pull.pull(round_.dataset, round_.studio.server, QUIET)
    assert not {bob, dan} & set(pulled.ratings["rater"])


def test_no_file_of_the_server_names_a_forgotten_rater(round_: Round) -> None:
    with closing(sqlite3.connect(round_.studio.folder / "label_studio.sqlite3")) as base:
        base.execute("pragma wal_checkpoint(truncate)")
    naming = [
        path.relative_to(round_.studio.folder)
        for path in round_.studio.folder.rglob("*")
        if path.is_file() and RATERS[1].encode() in path.read_bytes()
    ]
    assert naming == []


def test_a_video_takes_everything_and_leaves_the_raters(round_: Round) -> None:
    round_.forget("--video", "secret-show-s01e01")
    assert round_.on_server() | {"files": set()} == {
        kind: set() for kind in ("clips", "answers", "drafts", "files")
    }
    assert set(projects.find(round_.studio.server, round_.name)) == {RATERS[0], RATERS[2]}
    for path in round_.studio.folder.glob("training/*.json"):
        owner = round_.rows("select description from project where id = ?", int(path.stem))
        assert f"caer-{projects.TRAINING}:{round_.name}" not in str(owner) or not json.loads(
            path.read_text()
        )
    training.unpublish(round_.studio.server, projects.Project(10**6, "", "", 0, 0, "", ""))
