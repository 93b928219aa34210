"""What is relied on in Label Studio's client, and what of it is changed."""

from __future__ import annotations

import base64
import json
import logging
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from fake_studio import GOOD, TOKEN, Answer, cut_short

from caer_data.annotate.studio import sdk
from caer_data.annotate.studio.client import Server
from caer_data.annotate.studio.sdk import RefusedError
from caer_data.engine import extras
from caer_data.engine.errors import CaerError


@pytest.fixture(autouse=True)
def _sdk(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "missing" not in request.node.name:
        pytest.importorskip("label_studio_sdk")
    monkeypatch.setattr(sdk.time, "sleep", lambda _: None)


def jwt(seconds: float) -> str:
    """A token as the server makes it, valid for some seconds."""
    parts = ({"alg": "HS256"}, {"exp": int(time.time() + seconds)})
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
    return ".".join(text.rstrip("=") for text in [*coded, base64.urlsafe_b64encode(b"s").decode()])


def test_a_missing_extra_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = extras.requirements("annotate")
    monkeypatch.setattr(extras, "missing", lambda extra: wanted if extra == "annotate" else [])
    with pytest.raises(CaerError, match=r"label-studio-sdk.*; run pip install "):
        sdk.Api("http://127.0.0.1:9", TOKEN, True, "")
    monkeypatch.setattr(extras, "_clone", lambda: ("", False))  # from a wheel
    with pytest.raises(
        CaerError, match=r"run pip install 'label-studio-sdk<2\.0\.20,>=2\.0\.15' '"
    ):
        sdk.Api("http://127.0.0.1:9", TOKEN, True, "")


def test_the_token_goes_in_the_header_alone(
    fake: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "another")
    caplog.set_level(logging.DEBUG)
    seen: dict[str, Any] = {}

    def noted(answer: Answer) -> Any:
        def reply(handler: BaseHTTPRequestHandler) -> Answer:
            seen[handler.path] = handler.headers["Authorization"]
            return answer

        return reply

    Server(fake({path: noted(answer) for path, answer in GOOD.items()}), TOKEN)
    assert seen == {
        "/api/version": None,  # what is asked before it is known to be a Label Studio
        "/caer-guard": None,
        "/api/current-user/whoami": f"Token {TOKEN}",
    }
    assert "whoami" in caplog.text and TOKEN not in caplog.text


def test_a_personal_access_token_is_changed_for_short_ones(fake: Any) -> None:
    refreshed: list[str] = []
    seen: list[Any] = []

    def refresh(_: Any) -> Answer:
        refreshed.append(jwt(-1 if not refreshed else 300))
        return 200, {"access": refreshed[-1]}

    def whoami(handler: BaseHTTPRequestHandler) -> Answer:
        seen.append(handler.headers["Authorization"])
        return 200, {"id": 1}

    below = {f"/labels{path}": answer for path, answer in GOOD.items()}
    answers = {"/labels/api/token/refresh/": refresh, "/labels/api/current-user/whoami": whoami}
    server = Server(fake(below | answers) + "/labels", jwt(1e9))
    for _ in range(2):
        server.api.read("users.whoami")
    assert len(refreshed) == 2  # the first one had ended
    assert seen == [f"Bearer {token}" for token in (refreshed[0], refreshed[1], refreshed[1])]


@pytest.mark.parametrize(
    ("token", "answer"),
    [(jwt(-10), (200, {})), (jwt(1e6), (401, {"detail": "no"})), (jwt(1e6), (401, b"<html>"))],
    ids=["expired", "refused", "no Label Studio"],
)
def test_a_personal_access_token_that_is_not_taken(fake: Any, token: str, answer: Answer) -> None:
    with pytest.raises(CaerError, match=r"does not accept the token|is not Label") as error:
        Server(fake({**GOOD, "/api/token/refresh/": answer}), token)
    assert token not in str(error.value)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5], ids=str)
def test_a_list_ends_with_its_last_item(fake: Any, count: int) -> None:
    asked = []

    def tasks(handler: BaseHTTPRequestHandler) -> Answer:
        page = int(handler.path.split("page=")[1].split("&")[0])
        asked.append(page)
        items = [{"id": number} for number in range(count)][2 * page - 2 : 2 * page]
        return (200, {"total": count, "tasks": items}) if items or page == 1 else (404, {})

    api = Server(fake({**GOOD, "/api/tasks/": tasks}), TOKEN).api
    assert [task.id for task in api.listed("tasks.list", page_size=2)] == list(range(count))
    assert asked == list(range(1, max(1, (count + 1) // 2) + 1))  # and no page more


def test_a_list_that_becomes_shorter_is_told(fake: Any) -> None:
    def tasks(handler: BaseHTTPRequestHandler) -> Answer:
        first = "page=1&" in f"{handler.path}&"
        return (200, {"total": 3, "tasks": [{"id": 1}, {"id": 2}]}) if first else (404, {})

    api = Server(fake({**GOOD, "/api/tasks/": tasks}), TOKEN).api
    with pytest.raises(CaerError, match="returned 2 of 3 items"):
        api.listed("tasks.list", page_size=2)


@pytest.mark.parametrize(
    "answer", [(503, {}), (429, {}), (409, {}), cut_short], ids=["503", "429", "409", "cut short"]
)
def test_what_writes_is_sent_once(fake: Any, answer: Any) -> None:
    sent = []

    def delete(handler: BaseHTTPRequestHandler) -> Answer:
        sent.append(handler.command)
        return answer(handler) if callable(answer) else answer

    api = Server(fake({**GOOD, "/api/projects/7/": delete}), TOKEN).api
    with pytest.raises(CaerError, match="run the same command again"):
        api.write("projects.delete", 7)
    assert sent == ["DELETE"]


def test_what_reads_is_asked_again_where_the_connection_broke(fake: Any) -> None:
    asked = []

    def export(handler: BaseHTTPRequestHandler) -> Answer:
        asked.append(handler.path)
        return cut_short(handler) if len(asked) < 3 else (200, [{"id": 5}])

    api = Server(fake({**GOOD, "/api/projects/7/export": export}), TOKEN).api
    assert api.export(7) == [{"id": 5}]
    assert len(asked) == 3 and "resources" not in asked[0]


def test_what_a_server_refuses_is_no_broken_connection(fake: Any) -> None:
    api = Server(fake({**GOOD, "/api/users/": (403, {"detail": "not\n you"})}), TOKEN).api
    with pytest.raises(RefusedError, match=r"answered 403 to users\.list: not you; fix that"):
        api.read("users.list")
