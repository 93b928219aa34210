"""The guard, probed on a real server: what a rater must not reach, by token, JWT and browser."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from caer_data.annotate import push
from caer_data.annotate.presentations import dataset_id
from caer_data.annotate.studio import accounts, guard, projects
from caer_data.engine.progress import Reporter

pytestmark = [pytest.mark.server, pytest.mark.slow]

RATERS = ["ann@example.org", "bob@example.org", "cyd@example.org"]
KINDS = ("token", "jwt", "session")


@dataclass(frozen=True)
class Probe:
    """A call that a rater must not succeed with.

    Attributes:
        name: what it tries.
        method, path, body: the call; `{names}` are filled in from the scene.
        reveals: success also needs this text in the answer.
        form: the body goes as a form, not as JSON.
        raw: the body as it goes over the wire, instead of `body`.
        kind: content type of `raw`.
        header: one more header, as `Name: value`.
    """

    name: str
    method: str
    path: str
    body: Any = None
    reveals: str = ""
    form: bool = False
    raw: str = ""
    kind: str = "application/json"
    header: str = ""


ANSWER = [
    {"from_name": "emotion", "to_name": "clip", "type": "choices", "value": {"choices": ["fear"]}}
]
LEAK = json.dumps(
    {
        "filters": {
            "conjunction": "and",
            "items": [
                {
                    "filter": "filter:tasks:project__organization__title",
                    "operator": "contains",
                    "type": "String",
                    "value": "Label",
                }
            ],
        }
    }
)
# Where the server reads a quote and a reader of UTF-8 does not, a harmless name hides others.
HIDDEN = (
    '{"result": [], "id": "Q,QtaskQ:{task},QprojectQ:{project},Qcompleted_byQ:{victim_id},QidQ:Q"}'
)
OWN = "/api/annotations/{own_answer}/"
# Messages that two parsers may read differently.
MESSAGES = (
    Probe("give away in UTF-7", "PATCH", OWN, raw=HIDDEN.replace("Q", "+ACI-"),
          kind="application/json; charset=utf-7"),
    Probe("ground truth in UTF-7", "PATCH", OWN, kind="application/json;charset=UTF-7",
          raw='{"id": "+ACI-,+ACI-ground_truth+ACI-:true,+ACI-id+ACI-:+ACI-"}'),
    Probe("give away in escapes", "PATCH", OWN, raw=HIDDEN.replace("Q", r"\u0022"),
          kind="application/json; charset=unicode_escape"),
    Probe("give away in raw escapes", "PATCH", OWN, raw=HIDDEN.replace("Q", r"\u0022"),
          kind='application/json; charset="raw_unicode_escape"'),
    Probe("answer in UTF-7", "POST", "/api/tasks/{own_task}/annotations/",
          raw=HIDDEN.replace("Q", "+ACI-"), kind="application/json; charset=utf-7"),
    Probe("tab of another in UTF-7", "POST", "/api/dm/views?project={own}",
          raw='{"project": {own}, "x": "+ACI-,+ACI-project+ACI-:{project},+ACI-x+ACI-:+ACI-"}',
          kind="application/json; charset=utf-7"),
    Probe("another charset", "PATCH", OWN, raw="{}", kind="application/json; charset=latin-1"),
    Probe("two charsets", "PATCH", OWN, raw="{}",
          kind="application/json; charset=utf-8; charset=utf-7"),
    Probe("a charset of the query", "GET", "/api/tasks/?project={own}", header="Content-Type: "
          "application/json; charset=utf-7"),
    Probe("a key twice", "PATCH", OWN,
          raw='{"completed_by": {me}, "completed_by": {victim_id}}'),
    Probe("a key twice, own last", "PATCH", OWN,
          raw='{"completed_by": {victim_id}, "completed_by": {me}}'),
    Probe("a key twice, deep", "PATCH", OWN, raw='{"result": [{"a": 1, "a": 2}]}'),
    Probe("a form", "PATCH", OWN, raw="completed_by={victim_id}",
          kind="application/x-www-form-urlencoded"),
    Probe("multipart", "PATCH", OWN, kind="multipart/form-data; boundary=x",
          raw='--x\r\nContent-Disposition: form-data; name="completed_by"\r\n\r\n{victim_id}'
          "\r\n--x--\r\n"),
    Probe("JSON called multipart", "PATCH", OWN, raw="{}", kind="multipart/form-data; boundary=x"),
    Probe("compressed", "PATCH", OWN, raw="{}", header="Content-Encoding: gzip"),
    Probe("in chunks", "PATCH", OWN, raw="{}", header="Transfer-Encoding: chunked"),
    Probe("another method by header", "PATCH", OWN, {}, header="X-HTTP-Method-Override: DELETE"),
    Probe("another method by old header", "PATCH", OWN, {}, header="X-Method-Override: DELETE"),
    Probe("another method by body", "PATCH", OWN, {"_method": "DELETE"}),
    Probe("another method by query", "PATCH", OWN + "?_method=DELETE", {}),
    Probe("another path by header", "PATCH", OWN, {}, header="X-Original-URL: /api/projects/"),
    Probe("a result of another form", "PATCH", OWN, {"result": [{"type": "choices"}]}),
    Probe("a body where none is read", "GET", OWN, raw="{}"),
    Probe("move own answer to another's task", "PATCH", OWN, {"task": "{task}"}),
    Probe("move own answer to another's project", "PATCH", OWN, {"project": "{project}"}),
    Probe("take own answer off its task", "PATCH", OWN, {"task": None}),
    Probe("take own answer off its project", "PATCH", OWN, {"project": None}),
    Probe("disown own answer", "PATCH", OWN, {"completed_by": None}),
    Probe("hang own answer on another's", "PATCH", OWN, {"parent_annotation": "{answer}"}),
)  # fmt: skip
PROBES = (
    Probe("list projects", "GET", "/api/projects/", reveals="{victim}"),
    Probe("read project", "GET", "/api/projects/{project}/"),
    Probe("count projects", "GET", "/api/projects/counts/", reveals='"id":{project}'),
    Probe("read summary", "GET", "/api/projects/{project}/summary/"),
    Probe("read raters of project", "GET", "/api/projects/{project}/annotators/"),
    Probe("list tasks of project", "GET", "/api/projects/{project}/tasks/"),
    Probe("list tasks and answers", "GET", "/api/tasks/?project={project}&fields=all"),
    Probe("read task", "GET", "/api/tasks/{task}/"),
    Probe("list answers", "GET", "/api/tasks/{task}/annotations/"),
    Probe("read answer", "GET", "/api/annotations/{answer}/"),
    Probe("read drafts", "GET", "/api/tasks/{task}/drafts"),
    Probe("next task", "GET", "/api/projects/{project}/next/"),
    Probe("next task by page", "POST", "/api/dm/actions?id=next_task&project={project}", {}),
    Probe("next task, own named first", "POST",
          "/api/dm/actions?id=next_task&project={own}&project={project}", {}),
    Probe("columns", "GET", "/api/dm/columns?project={project}"),
    Probe("state", "GET", "/api/dm/project?project={project}"),
    Probe("tabs", "GET", "/api/dm/views?project={project}"),
    Probe("make tab", "POST", "/api/dm/views?project={own}", {"project": "{project}", "data": {}}),
    Probe("history", "GET", "/api/projects/{project}/label-stream-history"),
    Probe("filter through other tables", "GET", "/api/tasks/?project={own}&query=" + quote(LEAK)),
    Probe("filter of a tab through other tables", "POST", "/api/dm/views?project={own}",
          {"project": "{own}", "data": json.loads(LEAK)}),
    Probe("export", "GET", "/api/projects/{project}/export?exportType=JSON"),
    Probe("export snapshot", "POST", "/api/projects/{project}/exports/", {"title": "x"}),
    Probe("list users", "GET", "/api/users/", reveals="{victim}"),
    Probe("read user", "GET", "/api/users/{victim_id}/"),
    Probe("make user", "POST", "/api/users/",
          {"email": "eve{own}@example.org", "username": "eve{own}"}),
    Probe("change user", "PATCH", "/api/users/{victim_id}/", {"first_name": "x"}),
    Probe("change own organisation", "PATCH", "/api/users/{me}/", {"active_organization": 1}),
    Probe("list organisations", "GET", "/api/organizations/"),
    Probe("read organisation", "GET", "/api/organizations/1"),
    Probe("list members", "GET", "/api/organizations/1/memberships"),
    Probe("invitation", "GET", "/api/invite"),
    Probe("own token", "GET", "/api/current-user/token"),
    Probe("people page", "GET", "/people/"),
    Probe("project page", "GET", "/projects/{project}/data"),
    Probe("settings page", "GET", "/projects/{own}/settings/"),
    Probe("clip of another", "GET", "/data/local-files/?d=clips/{project}/{file}"),
    Probe("clip by detour", "GET", "/data/local-files/?d=clips/{own}/../{project}/{file}"),
    Probe("storages", "GET", "/api/storages/localfiles/?project={project}"),
    Probe("open a storage", "POST", "/api/storages/localfiles/",
          {"project": "{own}", "path": "{clips}", "title": "x", "use_blob_urls": True}),
    Probe("webhook", "POST", "/api/webhooks/",
          {"url": "http://192.0.2.1/", "is_active": False, "project": "{own}"}),
    Probe("token settings", "GET", "/api/jwt/settings"),
    Probe("make project", "POST", "/api/projects/", {"title": "mine"}),
    Probe("answer for another", "POST", "/api/tasks/{task}/annotations/", {"result": ANSWER}),
    Probe("answer in another's name", "POST", "/api/tasks/{own_task}/annotations/",
          {"result": ANSWER, "completed_by": "{victim_id}"}),
    Probe("the same as a form", "POST", "/api/tasks/{own_task}/annotations/",
          {"result": json.dumps(ANSWER), "completed_by": "{victim_id}"}, form=True),
    Probe("answer as ground truth", "POST", "/api/tasks/{own_task}/annotations/",
          {"result": ANSWER, "ground_truth": True}),
    Probe("answer twice", "POST", "/api/tasks/{done_task}/annotations/", {"result": ANSWER}),
    Probe("give own answer away", "PATCH", "/api/annotations/{own_answer}/",
          {"completed_by": "{victim_id}"}),
    Probe("add tasks", "POST", "/api/projects/{own}/import", [{"video": "x", "target": "y"}]),
    Probe("claim a project", "PATCH", "/api/projects/{project}/",
          {"description": "caer-rater:ann@example.org x"}),
    Probe("change task", "PATCH", "/api/tasks/{task}/", {"data": {"video": "x", "target": "y"}}),
    Probe("change answer", "PATCH", "/api/annotations/{answer}/", {"result": ANSWER}),
    Probe("answer to draft", "POST", "/api/annotations/{other_answer}/convert-to-draft", {}),
    Probe("delete answer", "DELETE", "/api/annotations/{answer}/"),
    Probe("delete own answer", "DELETE", "/api/annotations/{own_answer}/"),
    Probe("delete answers", "POST",
          "/api/dm/actions?id=delete_tasks_annotations&project={project}",
          {"selectedItems": {"all": True, "excluded": []}}),
    Probe("delete task", "DELETE", "/api/tasks/{task}/"),
    Probe("delete own tasks", "POST", "/api/dm/actions?id=delete_tasks&project={own}",
          {"selectedItems": {"all": True, "excluded": []}}),
    Probe("delete project", "DELETE", "/api/projects/{project}/"),
    Probe("delete own project", "DELETE", "/api/projects/{own}/"),
    Probe("new invitation", "POST", "/api/invite/reset-token", {}),
)  # fmt: skip


ALL = (*PROBES, *MESSAGES)
Call = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def scene_of(
    tmp_path_factory: pytest.TempPathFactory, dataset_of: Any, result_of: Any
) -> Callable[[Any], dict[str, Any]]:
    """Pushes a small dataset in which ann and bob have answered; names what the probes need."""

    def make(studio: Any) -> dict[str, Any]:
        server = studio.server
        dataset = dataset_of(tmp_path_factory.mktemp("scene"), 3)
        push.push(dataset, server, Reporter("quiet"), raters=RATERS)
        found = projects.find(server, dataset_id(dataset))
        numbers = {email: number for number, email in accounts.users(server).items()}
        own, project = found[RATERS[0]], found[RATERS[1]]
        mine, theirs = projects.tasks(server, own), projects.tasks(server, project)

        def answer(task: int, author: str) -> int:
            body = {"result": result_of("happy", "1.0"), "completed_by": numbers[author]}
            return int(server.api.write("annotations.create", task, **body).id)

        return {
            "own": own.number, "project": project.number,
            "own_task": mine[0].number, "done_task": mine[1].number,
            "own_answer": answer(mine[1].number, RATERS[0]),
            "task": theirs[0].number, "answer": answer(theirs[0].number, RATERS[1]),
            "other_answer": answer(theirs[1].number, RATERS[1]),
            "me": numbers[RATERS[0]], "victim": RATERS[1], "victim_id": numbers[RATERS[1]],
            "file": f"{theirs[0].key}.mp4", "clips": str(studio.folder / "files" / "clips"),
        }  # fmt: skip

    return make


def caller(kind: str, studio: Any, rater_of: Any) -> Call:
    """A way for ann to call the server."""
    if kind == "session":
        call: Call = rater_of(studio, RATERS[0]).call
        return call
    header = authorization(kind, studio)

    def send(method: str, path: str, **options: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            headers = {"Authorization": header, **options.pop("headers", {})}
            return session.request(
                method, studio.url + path, headers=headers, allow_redirects=False, **options
            )

    return send


def authorization(kind: str, studio: Any) -> str:
    """The header by which ann's token, or a JSON web token of hers, logs in."""
    with sqlite3.connect(studio.folder / "label_studio.sqlite3") as database:
        number, token = database.execute(
            "select u.id, t.key from htx_user u join authtoken_token t on t.user_id = u.id "
            "where u.email = ?",
            (RATERS[0],),
        ).fetchone()
    return f"Token {token}" if kind == "token" else f"Bearer {_access_token(studio, number)}"


def _access_token(studio: Any, user: int) -> str:
    """An access token as the server itself signs them (RFC 7519, HS256)."""
    lines = (studio.folder / ".env").read_text().split("\n")
    secret = next(line.split("=", 1)[1] for line in lines if line.startswith("SECRET_KEY="))
    claims = {"token_type": "access", "exp": int(time.time()) + 3600, "iat": int(time.time()),
              "jti": "0" * 32, "user_id": user}  # fmt: skip
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    ]
    signature = hmac.new(secret.encode(), b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def fill(value: Any, scene: dict[str, Any]) -> Any:
    """Put the scene's values instead of `{names}`; a whole `{name}` keeps its type."""
    if isinstance(value, dict):
        return {key: fill(item, scene) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, scene) for item in value]
    if not isinstance(value, str):
        return value
    for name, known in scene.items():
        if value == f"{{{name}}}":
            return known
        value = value.replace(f"{{{name}}}", str(known))
    return value


def succeeded(probe: Probe, call: Call, scene: dict[str, Any]) -> bool:
    body = fill(probe.raw or probe.body, scene)
    headers = {"Content-Type": probe.kind} if probe.raw else {}
    if probe.header:
        name, value = probe.header.split(": ")
        headers[name] = value
    way = "data" if probe.form or probe.raw else "json"
    sent = {} if body is None else {way: body}
    reply = call(probe.method, fill(probe.path, scene), headers=headers, **sent)
    return reply.status_code < 400 and fill(probe.reveals, scene) in reply.text


def test_there_are_enough_probes() -> None:
    assert len({probe.name for probe in ALL}) == len(ALL) >= 80


@pytest.mark.parametrize("kind", KINDS)
def test_no_forbidden_call_succeeds(kind: str, studio: Any, scene_of: Any, rater_of: Any) -> None:
    scene = scene_of(studio)
    call = caller(kind, studio, rater_of)
    assert call("GET", f"/api/projects/{scene['own']}/").status_code == 200, "not logged in"
    before = _state(studio, scene)
    assert [p.name for p in ALL if succeeded(p, call, scene)] == []
    assert _state(studio, scene) == before


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_calls_succeed_without_the_guard(
    kind: str, open_studio: Any, scene_of: Any, rater_of: Any
) -> None:
    assert not open_studio.server.guarded
    failed = []
    for probes in (PROBES, MESSAGES):  # what the first destroy, the others need
        scene = scene_of(open_studio)
        call = caller(kind, open_studio, rater_of)
        failed += [probe.name for probe in probes if not succeeded(probe, call, scene)]
    assert len(failed) <= len(ALL) // 10, failed


def test_the_work_of_a_rater_is_allowed(studio: Any, scene_of: Any, rater_of: Any) -> None:
    scene = scene_of(studio)
    ann = rater_of(studio, RATERS[0])
    home = ann.call("GET", "/")
    assert home.status_code == 302 and "/projects/" in home.headers["Location"]
    task = ann.answer(scene["own"], "sad", "0.5")
    clip = task["data"]["video"].rsplit("/", 1)[-1]
    media = ann.call(
        "GET", f"/data/local-files/?d=clips/{scene['own']}/{clip}", headers={"Range": "bytes=0-9"}
    )
    assert media.status_code == 206 and len(media.content) == 10
    mine = ann.call("GET", f"/api/tasks/{task['id']}/annotations").json()
    # As the page sends a draft, and a changed answer.
    body = {"result": ANSWER, "lead_time": 12.5, "draft_id": 0, "parent_prediction": None,
            "parent_annotation": None, "started_at": "2026-11-23T16:43:22Z",
            "project": str(scene["own"])}  # fmt: skip
    draft = ann.call(
        "POST",
        f"/api/tasks/{task['id']}/annotations/{mine[0]['id']}/drafts?project={scene['own']}",
        json=body,
    )
    assert draft.status_code == 201, draft.text
    draft = ann.call("PATCH", f"/api/drafts/{draft.json()['id']}?project={scene['own']}", json=body)
    assert draft.status_code == 200, draft.text
    changed = ann.call(
        "PATCH",
        f"/api/annotations/{mine[0]['id']}?taskID={task['id']}&project={scene['own']}",
        json=body,
    )
    assert changed.status_code == 200, changed.text


def test_the_session_needs_the_token_of_its_page(
    studio: Any, open_studio: Any, scene_of: Any, rater_of: Any
) -> None:
    for served, refused in ((open_studio, False), (studio, True)):
        scene = scene_of(served)
        ann = rater_of(served, RATERS[0])
        own, task = (
            f"/api/annotations/{scene['own_answer']}/",
            f"/api/tasks/{scene['own_task']}/annotations",
        )
        calls = (
            ("PATCH", own, {"X-CSRFToken": ""}),
            ("PATCH", own, {"X-CSRFToken": "x" * 32}),
            ("PATCH", own, {"Origin": "https://evil.example"}),
            ("PATCH", own, {"X-CSRFToken": "", "Authorization": "Token "}),
            ("PATCH", own, {"X-CSRFToken": "", "Authorization": "Basic eDp4"}),
            ("PATCH", own, {"X-CSRFToken": "", "Authorization": "Bearer x.y.z"}),
            ("PATCH", own, {"X-CSRFToken": "", "X-Requested-With": "XMLHttpRequest"}),
            ("POST", task, {"X-CSRFToken": ""}),
        )
        statuses = [
            ann.call(method, path, json={"result": ANSWER}, headers=headers).status_code
            for method, path, headers in calls
        ]
        assert [s in (401, 403) for s in statuses] == [
            refused or "Token " in headers.values() for _, _, headers in calls
        ], statuses
    assert ann.call("POST", task, json={"result": ANSWER}).status_code == 201


def test_a_copied_cookie_does_not_outlive_the_logout(
    studio: Any, scene_of: Any, rater_of: Any
) -> None:
    scene_of(studio)
    ann = rater_of(studio, RATERS[0])
    cookies = dict(ann.session.cookies)
    who = "/api/current-user/whoami"

    def with_copy() -> int:
        return requests.get(studio.url + who, cookies=cookies, allow_redirects=False).status_code

    assert with_copy() == 200
    assert ann.call("GET", "/logout").status_code == 302
    assert with_copy() == 401


def test_pages_get_the_script_that_sends_the_token(
    studio: Any, scene_of: Any, rater_of: Any
) -> None:
    ann = rater_of(studio, RATERS[0])
    page = ann.call("GET", f"/projects/{scene_of(studio)['own']}/data?labeling=1")
    assert page.status_code == 200 and page.text.count('<head><script src="/caer-guard.js"') == 1
    script = requests.get(studio.url + "/caer-guard.js")
    assert script.headers["Content-Type"].startswith("text/javascript")


def test_strangers_reach_nothing(studio: Any, scene_of: Any) -> None:
    scene = scene_of(studio)

    def call(method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(method, studio.url + path, allow_redirects=False, **options)

    reached = []
    for probe in ALL:
        body = fill(probe.body, scene)
        reply = call(probe.method, fill(probe.path, scene), json=body)
        if reply.status_code < 300:
            reached.append(probe.name)
    assert reached == []
    form = {"email": "eve@example.org", "password": "1" * 12}
    assert call("POST", "/user/signup/", data=form).status_code == 403


def _state(studio: Any, scene: dict[str, Any]) -> list[Any]:
    """What the probes tried to change."""
    with sqlite3.connect(studio.folder / "label_studio.sqlite3") as database:
        return [
            database.execute(query).fetchall()
            for query in (
                "select id, title, description from project",
                "select id, data, project_id from task",
                "select id, task_id, project_id, completed_by_id, updated_by_id, ground_truth, "
                "parent_annotation_id, result from task_completion",
                "select id, email, first_name, active_organization_id from htx_user",
                "select id, token from organization",
                "select count(*) from webhook",
                "select count(*) from io_storages_localfilesimportstorage",
            )
        ]


def test_guard_imports_nothing_from_the_toolkit() -> None:
    modules = list(Path(guard.__file__).parent.glob("caer_*.py"))
    assert len(modules) > 3
    for path in modules:
        assert not re.search(r"^\s*(import|from) caer_data", path.read_text(), re.MULTILINE)
