"""Pushing to a real server: idempotent, killed and gone on with, and what raters are shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from caer_data.annotate import push
from caer_data.annotate.presentations import dataset_id
from caer_data.annotate.studio import accounts, projects
from caer_data.annotate.studio import folders as places
from caer_data.annotate.studio.client import Server
from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter

pytestmark = [pytest.mark.server, pytest.mark.slow]

QUIET = Reporter("quiet")
New = Callable[..., Dataset]


def on_server(server: Server, dataset: Dataset) -> dict[str, list[str]]:
    """The clips in each rater's project, in order."""
    found = projects.find(server, dataset_id(dataset))
    clip_of = clips_shown(dataset)
    return {
        rater: [clip_of[task.key] for task in projects.tasks(server, project)]
        for rater, project in found.items()
    }


def clips_shown(dataset: Dataset) -> dict[str, str]:
    """What was shown, by the name it has on the server."""
    assigned = dataset.assignments
    return dict(zip(assigned["presentation"], assigned["clip_id"], strict=True))


def assigned(dataset: Dataset) -> dict[str, list[str]]:
    """The clips assigned to each rater, in order."""
    table = dataset.assignments.sort_values("position")
    return {rater: list(rows["clip_id"]) for rater, rows in table.groupby("rater")}


def test_push_twice_adds_nothing(studio: Any, new_dataset: New, six_raters: list[str]) -> None:
    dataset = new_dataset(8, ("hevc", "silent"))
    first = push.push(dataset, studio.server, QUIET, raters=six_raters)
    assert first.added == 21 and first.clips == 7
    assert list(first.refused.values()) == ["it has no sound track"]
    assert on_server(studio.server, dataset) == assigned(dataset)
    before = dataset.path_of(tables.ASSIGNMENTS).read_bytes()
    second = push.push(dataset, studio.server, QUIET, raters=six_raters)
    assert (second.added, second.removed, second.new_accounts) == (0, 0, 0)
    assert dataset.path_of(tables.ASSIGNMENTS).read_bytes() == before


@pytest.mark.parametrize("arrived", [True, False], ids=["batch arrived", "batch did not arrive"])
@pytest.mark.parametrize("at", [1, 4], ids=["first batch", "later batch"])
def test_killed_push_is_gone_on_with(
    studio: Any, new_dataset: New, six_raters: list[str], without_posters: Any,
    monkeypatch: pytest.MonkeyPatch, arrived: bool, at: int,
) -> None:  # fmt: skip
    dataset = new_dataset(10)
    without_posters(dataset)
    monkeypatch.setattr(projects, "_BATCH", 2)
    write, calls = studio.server.api.write, []

    def dying(name: str, *numbers: Any, **options: Any) -> Any:
        if name == "projects.import_tasks":
            calls.append(name)
            if len(calls) == at:
                if arrived:
                    write(name, *numbers, **options)
                raise KeyboardInterrupt
        return write(name, *numbers, **options)

    monkeypatch.setattr(studio.server.api, "write", dying)
    with pytest.raises(KeyboardInterrupt):
        push.push(dataset, studio.server, QUIET, raters=six_raters)
    monkeypatch.setattr(studio.server.api, "write", write)
    push.push(dataset, studio.server, QUIET, raters=six_raters)
    assert on_server(studio.server, dataset) == assigned(dataset)


def test_a_batch_sent_twice_is_thinned_out(
    studio: Any, new_dataset: New, six_raters: list[str], without_posters: Any
) -> None:
    dataset = new_dataset(5)
    without_posters(dataset)
    push.push(dataset, studio.server, QUIET, raters=six_raters)
    project = projects.find(studio.server, dataset_id(dataset))[six_raters[0]]
    tasks = studio.server.api.listed("tasks.list", project=project.number, page_size=100)
    twice = [{"data": task.data} for task in tasks]
    studio.server.api.write("projects.import_tasks", project.number, request=twice)
    again = push.push(dataset, studio.server, QUIET)
    assert (again.added, again.removed) == (0, len(tasks))
    assert on_server(studio.server, dataset) == assigned(dataset)


def test_later_clips_leave_earlier_ones_alone(
    studio: Any, new_dataset: New, six_raters: list[str], without_posters: Any
) -> None:
    dataset, larger = new_dataset(6), new_dataset(9, name="larger")
    without_posters(larger)
    push.push(dataset, studio.server, QUIET, raters=six_raters)
    before = assigned(dataset)
    (dataset.folder / "work").rename(dataset.folder / "old-work")
    for part in ("clips", "work", "tables/clips.parquet", "tables/faces.parquet"):
        target = dataset.folder / part
        if part == "clips":
            target.rename(dataset.folder / "old-clips")
        (larger.folder / part).rename(target)
    push.push(dataset, studio.server, QUIET)
    after = assigned(dataset)
    assert sum(map(len, after.values())) == 27
    assert all(after[rater][: len(clips)] == clips for rater, clips in before.items())
    assert on_server(studio.server, dataset) == after


def test_a_rater_who_leaves(
    studio: Any, new_dataset: New, six_raters: list[str], without_posters: Any, rater_of: Any
) -> None:
    dataset = new_dataset(6)
    without_posters(dataset)
    old, new = six_raters[0], "late@example.org"
    push.push(dataset, studio.server, QUIET, raters=six_raters)
    leaver = projects.find(studio.server, dataset_id(dataset))[old]
    answered = rater_of(studio, old).answer(leaver.number, "happy", "1.0")
    for _ in range(2):
        push.push(dataset, studio.server, QUIET, replace=(old, new))
    assert on_server(studio.server, dataset) == assigned(dataset)
    assert [clips_shown(dataset)[answered["data"]["clip"]]] == assigned(dataset)[old]
    assert set(dataset.assignments["clip_id"].value_counts()) == {3}


def test_second_round_goes_to_other_raters(
    studio: Any, new_dataset: New, six_raters: list[str], without_posters: Any, tmp_path: Path
) -> None:
    dataset = new_dataset(4)
    without_posters(dataset)
    push.push(dataset, studio.server, QUIET, raters=six_raters)
    before = dataset.assignments.groupby("clip_id")["rater"].agg(set)
    doubtful = sorted(before.index)[:2]
    table = tmp_path / "suspicious.csv"
    table.write_text("clip_id,score\n" + "".join(f"{clip},0.1\n" for clip in doubtful))
    for new, before_that in ((2, 0), (0, 2)):
        done = push.push(dataset, studio.server, QUIET, raters=six_raters, second_round_file=table)
        assert (done.reassigned, done.already_reassigned) == (new, before_that)
    after = dataset.assignments.groupby("clip_id")["rater"].agg(set)
    for clip, people in after.items():
        assert people == (set(six_raters) - before[clip] if clip in doubtful else before[clip])
    placed = {r: set(clips) for r, clips in on_server(studio.server, dataset).items()}
    assert placed == {r: set(assigned(dataset).get(r, [])) for r in placed}
    table.write_text("clip_id\nno-such-clip\n")
    with pytest.raises(CaerError, match=r"suspicious.csv:2: no clip 'no-such-clip'"):
        push.push(dataset, studio.server, QUIET, second_round_file=table)


def test_names_of_shows_and_files_are_hidden(
    studio: Any, new_dataset: New, six_raters: list[str], without_posters: Any, rater_of: Any
) -> None:
    dataset = new_dataset(2)
    without_posters(dataset)
    push.push(dataset, studio.server, QUIET, raters=six_raters[:3])
    project = projects.find(studio.server, dataset_id(dataset))[six_raters[0]].number
    rater = rater_of(studio, six_raters[0])
    for path in (
        f"/api/projects/{project}/",
        f"/api/tasks/?project={project}&fields=all",
        f"/api/dm/columns?project={project}",
        f"/projects/{project}/data",
    ):
        reply = rater.call("GET", path)
        assert reply.status_code == 200 and "secret" not in reply.text.lower(), path


def test_a_server_elsewhere_gets_the_media_uploaded(
    studio: Any, new_dataset: New, six_raters: list[str], without_posters: Any, rater_of: Any
) -> None:
    dataset = new_dataset(2)
    without_posters(dataset)
    elsewhere = Server(studio.url, places.read_access(studio.folder).token)
    assert push.push(dataset, elsewhere, QUIET, raters=six_raters[:3]).added == 6
    assert push.push(dataset, elsewhere, QUIET).added == 0
    assert on_server(elsewhere, dataset) == assigned(dataset)
    found = projects.find(elsewhere, dataset_id(dataset))
    rater = rater_of(studio, six_raters[0])
    task = rater.answer(found[six_raters[0]].number, "sad", "0.25")
    clips = {(dataset.folder / path).read_bytes() for path in dataset.clips["path"]}
    assert rater.call("GET", task["data"]["video"]).content in clips
    stranger = rater_of(studio, six_raters[1])
    assert stranger.call("GET", task["data"]["video"]).status_code == 403


def test_a_page_the_server_refuses_changes_nothing(
    studio: Any, new_dataset: New, six_raters: list[str], tmp_path: Path
) -> None:
    from caer_data.annotate.studio import page

    dataset = new_dataset(1)
    changed = tmp_path / "page.xml"
    changed.write_text(page.load(None).replace('toName="clip"', 'toName="nowhere"'))
    with pytest.raises(CaerError, match="nowhere"):
        push.push(dataset, studio.server, QUIET, raters=six_raters, page_file=changed)
    assert not dataset.has(tables.ASSIGNMENTS)


def test_a_deleted_project_is_told_and_made_anew(
    studio: Any, new_dataset: New, six_raters: list[str], without_posters: Any
) -> None:
    from caer_data.annotate.pull import pull

    dataset = new_dataset(3)
    without_posters(dataset)
    push.push(dataset, studio.server, QUIET, raters=six_raters)
    project = projects.find(studio.server, dataset_id(dataset))[six_raters[2]]
    studio.server.api.write("projects.delete", project.number)
    with pytest.raises(CaerError, match=f"no project of {six_raters[2]}"):
        pull(dataset, studio.server, QUIET)
    assert not dataset.has(tables.RATINGS)
    push.push(dataset, studio.server, QUIET)
    assert on_server(studio.server, dataset) == assigned(dataset)


def test_passwords_are_for_the_user_alone(studio: Any, new_dataset: New) -> None:
    dataset = new_dataset(1)
    raters = [f"fresh{number}@example.org" for number in range(3)]
    accounts.ensure(studio.server, raters, QUIET)
    path = accounts.password_path(studio.server)
    assert path.stat().st_mode & 0o077 == 0
    assert all(rater in path.read_text() for rater in raters)
    assert accounts.ensure(studio.server, raters, QUIET) == 0
    push.push(dataset, studio.server, QUIET, raters=raters)
    secrets = [line.split(",")[1] for line in path.read_text().splitlines()[1:]]
    secrets += [json.loads((studio.folder / "access.json").read_text())["token"]]
    for file in dataset.folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(secret.encode() in content for secret in secrets), file


def page_changes(server: Server, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Notes every change of a project from here on."""
    write, changed = server.api.write, []

    def noting(name: str, *numbers: Any, **options: Any) -> Any:
        changed.extend([numbers] if name == "projects.update" else [])
        return write(name, *numbers, **options)

    monkeypatch.setattr(server.api, "write", noting)
    return changed


def test_a_malformed_answer_blocks_its_own_project_alone_and_only_where_the_page_changes(
    studio: Any, new_dataset: New, six_raters: list[str], without_posters: Any, result_of: Any,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from caer_data.annotate.studio import page

    dataset = new_dataset(3)
    without_posters(dataset)
    people = six_raters[:3]
    push.push(dataset, studio.server, QUIET, raters=people)
    found = projects.find(studio.server, dataset_id(dataset))
    bad, *good = people
    task = projects.tasks(studio.server, found[bad])[0]
    strange = [{**part, "from_name": "mood"} for part in result_of("happy", "0.5")]
    studio.server.api.write("annotations.create", task.number, result=strange)

    changed = page_changes(studio.server, monkeypatch)
    assert push.push(dataset, studio.server, QUIET).problems == {}
    assert changed == []  # the server keeps the page without its last line's end

    mine = tmp_path / "page.xml"
    mine.write_text(page.load(None).replace("How sure are you?", "How certain are you?"))
    done = push.push(dataset, studio.server, QUIET, page_file=mine)
    assert list(done.problems) == [bad]
    assert "delete them at" in done.problems[bad] and "pull" in done.problems[bad]
    assert set(done.addresses) == set(people)
    pages = {r: p.page for r, p in projects.find(studio.server, dataset_id(dataset)).items()}
    assert {r for r, text in pages.items() if "How certain" in text} == set(good)


def test_a_replacement_that_failed_half_way_is_repeated(
    studio: Any, new_dataset: New, six_raters: list[str], without_posters: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    dataset = new_dataset(4)
    without_posters(dataset)
    old, new = six_raters[0], "newcomer@example.org"
    push.push(dataset, studio.server, QUIET, raters=six_raters[:4])

    def broken(*_: Any) -> Any:
        raise CaerError("the connection broke")

    with monkeypatch.context() as patch:
        patch.setattr(accounts, "ensure", broken)
        with pytest.raises(CaerError, match="the connection broke"):
            push.push(dataset, studio.server, QUIET, replace=(old, new))
    assert new in set(dataset.assignments["rater"])
    push.push(dataset, studio.server, QUIET, replace=(old, new))
    assert on_server(studio.server, dataset) == {old: []} | assigned(dataset)


def test_loads_are_level_after_clips_were_dropped(
    studio: Any, new_dataset: New, six_raters: list[str], without_posters: Any, rater_of: Any
) -> None:
    dataset = new_dataset(20)
    without_posters(dataset)
    people = six_raters[:4]
    push.push(dataset, studio.server, QUIET, raters=people)
    first = projects.find(studio.server, dataset_id(dataset))[people[1]]
    answered = rater_of(studio, people[1]).answer(first.number, "happy", "1.0")["data"]["clip"]
    kept_answer = clips_shown(dataset)[answered]
    mine = [clip for clip in assigned(dataset)[people[0]] if clip != kept_answer][:10]
    clips = dataset.clips
    gone = clips["clip_id"].isin(mine)
    clips.loc[gone, "status"], clips.loc[gone, "reason"] = "dropped", "blurred"
    clips.loc[gone, "clip_key"] = None
    dataset.write(tables.CLIPS, clips)
    done = push.push(dataset, studio.server, QUIET)
    assert done.removed >= 30
    there = {r: set(shown) - set(mine) for r, shown in on_server(studio.server, dataset).items()}
    loads = sorted(map(len, there.values()))
    assert loads[-1] - loads[0] <= 1 and sum(loads) == 30
    assert kept_answer in there[people[1]]
    assert push.push(dataset, studio.server, QUIET).added == 0
