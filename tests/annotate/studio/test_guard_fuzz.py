"""The guard under mutated requests: nothing forbidden may happen, whoever reads them how.

`CAER_FUZZ` sets how many requests are sent (300 by default), `CAER_FUZZ_SEED` which. The same ones
go to a server without the guard, to see that they would do harm.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import random
import re
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.annotate.studio.test_guard import (
    ANSWER,
    KINDS,
    PROBES,
    RATERS,
    authorization,
    fill,
    scene_of,
)

pytestmark = [pytest.mark.server, pytest.mark.slow]

__all__ = ["scene_of"]  # a fixture

COUNT = int(os.environ.get("CAER_FUZZ", "300"))
SEED = int(os.environ.get("CAER_FUZZ_SEED", "1"))
SECRET = "sesame-in-an-answer"


PACKINGS = {"gzip": gzip.compress, "deflate": zlib.compress}
_QUOTED = re.compile(r'"(\{\w+\})"')  # numbers of the scene


@dataclass
class Message:
    """A request before it is sent.

    Attributes:
        method, path, body, headers: as they are sent, `{names}` still to be filled in.
        data: goes instead of `body` where it is set.
        charset, packing: what the body is encoded by at last, where they are set.
        chunked: the body goes in chunks.
    """

    method: str
    path: str
    body: Any = None
    data: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    charset: str = ""
    packing: str = ""
    chunked: bool = False

    def bytes(self) -> bytes:
        """What goes over the wire as the body."""
        if self.data is None:
            text = "" if self.body is None else json.dumps(self.body)
            self.data = _QUOTED.sub(r"\1", text).encode()
        return self.data

    def text(self) -> str:
        """The same, to be read and changed."""
        return self.bytes().decode("utf-8", "replace")

    def sent(self, scene: dict[str, Any]) -> Any:
        """The body in its last form, with the scene's names filled in."""
        data = fill(self.bytes().decode("latin-1"), scene).encode("latin-1")
        if self.charset:
            with contextlib.suppress(LookupError, UnicodeError):
                data = data.decode("utf-8").encode(self.charset)
        return PACKINGS[self.packing](data) if self.packing else data


PAGE = {"result": ANSWER, "lead_time": 3.5, "draft_id": 0, "parent_prediction": None,
        "parent_annotation": None, "project": "{own}"}  # fmt: skip
# What the labelling page sends, with which a rater is let in.
WORK = (
    Message("PATCH", "/api/annotations/{own_answer}/?taskID={done_task}&project={own}", PAGE),
    Message("PATCH", "/api/annotations/{own_answer}/", {"result": ANSWER}),
    Message("POST", "/api/tasks/{own_task}/annotations?project={own}", PAGE),
    Message("POST", "/api/tasks/{own_task}/drafts?project={own}", PAGE),
    Message("POST", "/api/tasks/{done_task}/annotations/{own_answer}/drafts", PAGE),
    Message("PATCH", "/api/drafts/{own_draft}/", {"result": ANSWER, "project": "{own}"}),
    Message("POST", "/api/dm/actions?id=next_task&project={own}", {}),
    Message("POST", "/api/dm/views?project={own}", {"project": "{own}", "data": {"title": "x"}}),
    Message("PATCH", "/api/dm/views/{own_view}", {"project": "{own}", "data": {"title": "x"}}),
    Message("GET", "/api/tasks/?project={own}&fields=all"),
    Message("GET", "/api/tasks/{own_task}/?project={own}"),
    Message("GET", "/api/annotations/{own_answer}/"),
    Message("GET", "/api/projects/{own}/"),
    Message("GET", "/api/dm/project?project={own}"),
    Message("GET", "/data/local-files/?d=clips/{own}/{file}"),
)
HARM = tuple(Message(probe.method, probe.path, probe.body) for probe in PROBES)

KEYS = ("completed_by", "task", "project", "ground_truth", "parent_annotation", "user",
        "annotation", "updated_by", "id", "unique_id", "import_id", "last_created_by",
        "bulk_created", "draft_id", "was_cancelled", "description", "view", "data", "_method",
        "project_id", "task_id", "completed_by_id")  # fmt: skip
TARGETS = ("{victim_id}", "{task}", "{project}", "{answer}", "{other_answer}", "{draft}", "{me}",
           "{own}", "{own_task}", 1, True, None, [])  # fmt: skip
SWAPS = (("{own}", "{project}"), ("{own_task}", "{task}"), ("{done_task}", "{task}"),
         ("{own_answer}", "{answer}"), ("{own_draft}", "{draft}"), ("{own_view}", "{view}"),
         ("{me}", "{victim_id}"))  # fmt: skip
CHARSETS = ("utf-7", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp037",
            "unicode_escape", "raw_unicode_escape", "punycode", "idna", "no-such")  # fmt: skip
QUOTES = {"utf-7": "+ACI-", "unicode_escape": r"\u0022", "raw_unicode_escape": r"\u0022"}
TYPES = ("application/json", "APPLICATION/JSON", "text/plain", "text/json", "", "*/*",
         "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
         "application/json, multipart/form-data; boundary=x", "application/vnd.api+json",
         "application/json; charset=utf-8", 'application/json; charset="utf-8"; a=b')  # fmt: skip
HEADERS = (
    ("X-HTTP-Method-Override", "DELETE"), ("X-HTTP-Method", "PUT"), ("X-Method-Override", "DELETE"),
    ("X-Original-URL", "/api/projects/{project}/"), ("X-Rewrite-URL", "/api/annotations/{answer}/"),
    ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-User", "admin@caer.local"),
    ("Remote-User", "admin@caer.local"), ("X-Api-Key", "0" * 40), ("Content-Encoding", "identity"),
    ("Transfer-Encoding", "identity"), ("Expect", "200-ok"), ("Range", "bytes=0-10"),
    ("Accept", "text/csv"), ("X-Requested-With", "XMLHttpRequest"), ("Content-Length", "2"),
)  # fmt: skip
QUERIES = ("project={project}", "project={own}&project={project}", "id=delete_tasks",
           "id=next_task", "_method=DELETE", "format=csv", "fields=all", "expand=completed_by",
           "was_cancelled=1", "enforce_csrf_checks=", "completed_by={victim_id}", "view={view}",
           "tabID={view}", "taskID={task}", "include=annotations", "page_size=1000",
           "user={victim_id}",
           "d=clips/{project}/{file}", "query=%7B%7D", "token=x", "next=/api/users/")  # fmt: skip
DETOURS = ("/./", "//", "/../", "/%2e/", "/%2e%2e/", "/;x/", "/%2f", "/\\")

Mutation = Callable[[random.Random, Message], None]


def _keys(draw: random.Random, message: Message) -> None:
    """One more name, or another value of one."""
    if isinstance(message.body, dict):
        value = draw.choice(TARGETS)
        shape = draw.choice((value, value, value, [value], {"id": value}, {"pk": value}))
        message.body = {**message.body, draw.choice(KEYS): shape}
        message.data = None


def _swap(draw: random.Random, message: Message) -> None:
    """Another's identity instead of the own one."""
    own, other = draw.choice(SWAPS)
    message.path = message.path.replace(own, other)


def _method(draw: random.Random, message: Message) -> None:
    message.method = draw.choice(
        ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "patch", "delete")
    )


def _detour(draw: random.Random, message: Message) -> None:
    path, *query = message.path.split("?")
    at = draw.choice([i for i, char in enumerate(path) if char == "/"])
    path = path[:at] + draw.choice(DETOURS) + path[at + 1 :]
    message.path = "?".join([path, *query])


def _slash(draw: random.Random, message: Message) -> None:
    path, *query = message.path.split("?")
    path = draw.choice((path.rstrip("/"), path.rstrip("/") + "/", path + "/", path + ".json"))
    message.path = "?".join([path, *query])


def _query(draw: random.Random, message: Message) -> None:
    message.path += ("&" if "?" in message.path else "?") + draw.choice(QUERIES)


def _twice(draw: random.Random, message: Message) -> None:
    """A name twice, plain or escaped, before or after the others."""
    name, value = draw.choice(KEYS), json.dumps(draw.choice(TARGETS)).strip('"')
    spelt = draw.choice((name, f"\\u{ord(name[0]):04x}{name[1:]}"))
    pair, text = f'"{spelt}": {value}', message.text().strip()
    if text.startswith("{") and len(text) > 2:
        joined = draw.choice((f"{{{pair}, {text[1:]}", f"{text[:-1]}, {pair}}}"))
        message.data = joined.encode()


def _hide(draw: random.Random, message: Message) -> None:
    """A name inside a harmless text, which another charset lets out."""
    charset, quote = draw.choice(list(QUOTES.items()))
    name, value = draw.choice(KEYS), json.dumps(draw.choice(TARGETS)).strip('"')
    hidden = f'"id": "Q,Q{name}Q: {value},QidQ: Q"'.replace("Q", quote)
    message.data = f'{{"result": [], {hidden}}}'.encode()
    message.headers["Content-Type"] = f"application/json; charset={charset}"


def _charset(draw: random.Random, message: Message) -> None:
    """The body in another charset, declared or not."""
    message.charset = draw.choice(CHARSETS)
    if draw.random() < 0.7:
        message.headers["Content-Type"] = f"application/json; charset={message.charset}"


def _type(draw: random.Random, message: Message) -> None:
    message.headers["Content-Type"] = draw.choice(TYPES)


def _form(draw: random.Random, message: Message) -> None:
    """A form, of either kind, instead of JSON."""
    value = json.dumps(draw.choice(TARGETS)).strip('"')
    pairs = {"result": json.dumps(ANSWER), draw.choice(KEYS): value}
    if draw.random() < 0.5:
        message.data = "&".join(f"{k}={v}" for k, v in pairs.items()).encode()
        message.headers["Content-Type"] = "application/x-www-form-urlencoded"
        return
    part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    message.data = ("".join(part.format(k, v) for k, v in pairs.items()) + "--x--\r\n").encode()
    message.headers["Content-Type"] = "multipart/form-data; boundary=x"


def _compress(draw: random.Random, message: Message) -> None:
    message.packing = draw.choice(list(PACKINGS))
    if draw.random() < 0.8:
        message.headers["Content-Encoding"] = message.packing


def _chunks(draw: random.Random, message: Message) -> None:
    message.chunked = True


def _header(draw: random.Random, message: Message) -> None:
    name, value = draw.choice(HEADERS)
    message.headers[name] = value


def _noise(draw: random.Random, message: Message) -> None:
    """One byte changed, dropped or put in."""
    data = bytearray(message.bytes())
    at = draw.randrange(len(data) + 1)
    data[at : at + draw.randint(0, 1)] = bytes(draw.choices(b'\x00\xff",:{}[]0\\\xc0', k=1))
    message.data = bytes(data)


def _wrap(draw: random.Random, message: Message) -> None:
    """Something around the document."""
    before, after = draw.choice(
        (("\ufeff", ""), ("[", "]"), ("", "{}"), (" \n", "\t"), ("/**/", ""), ("", "\x00"),
         ('{"data": ', "}"), ("", ", "))
    )  # fmt: skip
    message.data = (before + message.text() + after).encode()


MUTATIONS: tuple[Mutation, ...] = (
    _keys, _keys, _keys, _swap, _swap, _method, _detour, _slash, _query, _query, _twice, _twice,
    _hide, _hide, _charset, _type, _form, _form, _compress, _chunks, _header, _noise, _wrap,
)  # fmt: skip


def mutated(seed: int, count: int) -> Iterator[tuple[str, Message]]:
    """Requests with up to three changes each, and by whom they are sent."""
    draw = random.Random(seed)
    for _ in range(count):
        base = draw.choice(WORK if draw.random() < 0.8 else HARM)
        message = Message(base.method, base.path, base.body)
        for mutate in draw.choices(MUTATIONS, k=draw.choice((1, 1, 2, 3))):
            mutate(draw, message)
        yield draw.choice(KINDS), message


class Sender:
    """Sends requests as they are, by ann's cookie or tokens."""

    def __init__(self, studio: Any, scene: dict[str, Any], rater: Any) -> None:
        self._place = urlsplit(studio.url)
        self._scene = scene
        cookies = "; ".join(f"{c.name}={c.value}" for c in rater.session.cookies)
        token = rater.session.cookies["csrftoken"]
        self._access = {
            "session": {"Cookie": cookies, "X-CSRFToken": token, "Referer": studio.url},
            **{kind: {"Authorization": authorization(kind, studio)} for kind in ("token", "jwt")},
        }

    def send(self, kind: str, message: Message) -> tuple[int, str, bytes]:
        """Status, type and content of the answer; status 0 where there is none."""
        data = message.sent(self._scene)
        chosen = {"Content-Type": "application/json"} if data else {}
        headers = {**chosen, **self._access[kind], **message.headers}
        connection = http.client.HTTPConnection(
            str(self._place.hostname), self._place.port, timeout=20
        )
        try:
            connection.putrequest(message.method, fill(message.path, self._scene))
            if message.chunked:
                headers["Transfer-Encoding"] = "chunked"
            elif "Content-Length" not in headers and data:
                headers["Content-Length"] = str(len(data))
            for name, value in headers.items():
                connection.putheader(name, fill(value, self._scene))
            connection.endheaders(data or None, encode_chunked=message.chunked)
            reply = connection.getresponse()
            return reply.status, reply.headers.get_content_type(), reply.read()
        except (OSError, http.client.HTTPException):
            return 0, "", b""
        finally:
            connection.close()


# What ann must not change: with `:me` her account, `:own` her project.
FORBIDDEN = {
    "other projects": "select * from project where id != :own",
    "own project": "select id, title, label_config, description, created_by_id, organization_id, "
    "deleted_at, maximum_annotations, model_version, show_skip_button, show_annotation_history "
    "from project where id = :own",
    "other tasks": "select * from task where project_id is not :own",
    "own tasks": "select id, data, meta, overlap, file_upload_id from task where project_id = :own",
    "other answers": "select * from task_completion where completed_by_id is not :me",
    "misplaced answers": "select c.id from task_completion c join task t on t.id = c.task_id "
    "where c.completed_by_id = :me and (c.project_id is not :own or t.project_id is not :own or "
    "c.ground_truth or c.parent_annotation_id is not null or c.last_created_by_id is not null)",
    "answers without a task": "select id from task_completion where task_id is null",
    "second answers": "select task_id from task_completion where completed_by_id = :me "
    "group by task_id having count(*) > 1",
    "lost answer": "select id from task_completion where id = :own_answer",
    "other drafts": "select * from tasks_annotationdraft where user_id is not :me",
    "misplaced drafts": "select d.id from tasks_annotationdraft d join task t on t.id = d.task_id "
    "where d.user_id = :me and t.project_id is not :own",
    "other tabs": "select * from data_manager_view where user_id is not :me "
    "or project_id is not :own",
    "accounts": "select id, email, username, password, first_name, last_name, is_active, is_staff, "
    "is_superuser, active_organization_id from htx_user",
    "summaries": "select * from projects_projectsummary where project_id != :own",
    **{
        table: f"select * from {table}"
        for table in (
            "authtoken_token", "organization", "organizations_organizationmember", "webhook",
            "io_storages_localfilesimportstorage", "io_storages_localfilesexportstorage",
            "io_storages_s3importstorage", "ml_mlbackend", "data_import_fileupload", "prediction",
            "data_export_export", "jwt_auth_jwtsettings", "labels_manager_label",
            "projects_projectimport", "token_blacklist_outstandingtoken",
        )
    },
}  # fmt: skip


def state(studio: Any, scene: dict[str, Any]) -> dict[str, list[Any]]:
    """The rows that nothing may change, read past the server."""
    with sqlite3.connect(studio.folder / "label_studio.sqlite3") as database:
        known = {name: scene[name] for name in ("me", "own", "own_answer")}
        return {
            what: sorted(database.execute(query, known).fetchall(), key=repr)
            for what, query in FORBIDDEN.items()
        }


def is_leak(message: Message, scene: dict[str, Any], reply: tuple[int, str, bytes]) -> bool:
    """Whether an answer tells something of bob's, or holds the clip of his folder."""
    status, kind, content = reply
    told = SECRET.encode() in content or RATERS[1].encode() in content
    asked = unquote(fill(message.path, scene))
    return told or (status < 300 and kind.startswith("video/") and f"/{scene['project']}/" in asked)


def outcome(studio: Any, make: Any, rater_of: Any) -> tuple[dict[str, Any], set[str], list[str]]:
    """Send everything; give what came back, what changed, and the requests that leaked."""
    scene = make(studio)
    server = studio.server
    whispered = [{**ANSWER[0], "meta": {"text": [SECRET]}}]
    server.api.write("annotations.update", scene["answer"], result=whispered)
    ann, bob = (rater_of(studio, rater) for rater in RATERS[:2])
    for person, whose, task, project in ((ann, "own_", "done_task", "own"),
                                         (bob, "", "task", "project")):  # fmt: skip
        draft = {"result": whispered if person is bob else ANSWER}
        path = f"/api/tasks/{scene[task]}/drafts?project={scene[project]}"
        scene[f"{whose}draft"] = person.call("POST", path, json=draft).json()["id"]
        tab = {"project": scene[project], "data": {"title": "x"}}
        path = f"/api/dm/views?project={scene[project]}"
        scene[f"{whose}view"] = person.call("POST", path, json=tab).json()["id"]
    sender = Sender(studio, scene, ann)
    before = state(studio, scene)
    statuses: Counter[int] = Counter()
    leaks, failures = [], []
    for kind, message in mutated(SEED, COUNT):
        reply = sender.send(kind, message)
        statuses[reply[0]] += 1
        if reply[0] >= 500:
            failures.append(f"{kind} {message} {reply[0]}")
        if is_leak(message, scene, reply):
            leaks.append(f"{kind} {message} {reply[0]}")
    after = state(studio, scene)
    changed = {what for what in FORBIDDEN if before[what] != after[what]}
    found = {"statuses": statuses, "failures": failures, "scene": scene, "ann": ann}
    return found, changed, leaks


def test_mutated_requests_do_nothing_forbidden(studio: Any, scene_of: Any, rater_of: Any) -> None:
    found, changed, leaks = outcome(studio, scene_of, rater_of)
    assert (changed, leaks) == (set(), [])
    statuses = found["statuses"]
    assert statuses[400] > COUNT // 20 and statuses[403] > COUNT // 20, statuses
    log = (studio.folder / "server.log").read_text(errors="replace")
    guard_failed = "caer_message.py" in log or "caer_csrf.py" in log
    assert not guard_failed, "\n".join(found["failures"])
    # Some are harmless, and nobody is locked out.
    assert statuses[200] + statuses[201] > COUNT // 50, statuses
    scene, ann = found["scene"], found["ann"]
    path = f"/api/annotations/{scene['own_answer']}/"
    assert ann.call("PATCH", path, json={"result": ANSWER}).status_code == 200


def test_the_same_requests_do_harm_without_the_guard(
    open_studio: Any, scene_of: Any, rater_of: Any
) -> None:
    found, changed, leaks = outcome(open_studio, scene_of, rater_of)
    assert changed >= {"other answers", "other tasks"}, (changed, found["statuses"])
    assert len(leaks) >= COUNT // 100, found["statuses"]
