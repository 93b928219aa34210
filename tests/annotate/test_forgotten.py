"""What is forgotten leaves the rating server: tasks, answered ones too, media, whole projects."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from caer_data.annotate.forgotten import withdraw
from caer_data.annotate.studio import accounts, projects
from caer_data.annotate.studio.projects import Project, Task
from caer_data.engine import identity
from caer_data.engine.dataset import Dataset
from caer_data.engine.decisions import Decision, Decisions
from caer_data.engine.secret import secret_of


def test_tasks_media_and_projects_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, secret = Dataset(tmp_path), secret_of(tmp_path)
    value = {"what": "clip", "clips": ["k1"]}
    Decisions(tmp_path).append(Decision("forget", "me", value=json.dumps(value)))
    value = {"what": "rater", "raters": [identity.pseudonym(secret, "bob@x.org")]}
    Decisions(tmp_path).append(Decision("forget", "me", value=json.dumps(value)))
    names = [identity.presentation(secret, key, "ann@x.org") for key in ("k1", "k2")]
    own = {
        rater: Project(number, rater, "d", 2, 1, "", "")
        for number, rater in enumerate(("ann@x.org", "bob@x.org"), 1)
    }
    calls: list[Any] = []
    api = SimpleNamespace(write=lambda name, *numbers, **said: calls.append((name, numbers, said)))
    server: Any = SimpleNamespace(files=tmp_path / "server", url="http://127.0.0.1:1", api=api)
    tasks = [Task(7, names[0], answered=True), Task(8, names[1], answered=False)]
    for number, stems in ((1, names), (2, ["other"])):
        folder = projects.clips_folder(server, number)
        folder.mkdir(parents=True)
        for stem in stems:
            (folder / f"{stem}.mp4").write_text("")
    monkeypatch.setattr(projects, "every", lambda *_: list(own.values()))
    monkeypatch.setattr(projects, "raters", lambda _: {"cat@x.org", "dan@x.org"})
    monkeypatch.setattr(accounts, "users", lambda _: {4: "ann@x.org", 5: "bob@x.org"})
    monkeypatch.setattr(projects, "tasks", lambda *_: tasks)
    monkeypatch.setattr(accounts, "forget_password", lambda _, rater: calls.append(rater))
    withdrawn = withdraw(dataset, server, "d")
    assert (withdrawn.tasks, withdrawn.projects, withdrawn.files, withdrawn.accounts) == (
        1,
        1,
        2,
        1,
    )
    gone = {"all": False, "included": [7]}
    assert calls == [
        ("actions.create", (), {"id": "delete_tasks", "project": 1, "selected_items": gone}),
        ("projects.delete", (2,), {}),
        "bob@x.org",  # the first password
        ("users.delete", (5,), {}),
    ]
    assert [p.stem for p in (tmp_path / "server").rglob("*.mp4")] == [names[1]]


def test_a_server_is_not_asked_where_nothing_is_forgotten(tmp_path: Path) -> None:
    assert not withdraw(Dataset(tmp_path), SimpleNamespace(), "d")  # type: ignore[arg-type]
