"""Nobody but the page itself gets an answer."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest
from asgi import call

from caer_data.view.guard import MAX_BYTES, Guard

HOST = "127.0.0.1:8000"


async def echo(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


@pytest.fixture
def guard() -> Guard:
    return Guard(echo, 8000)


def path(guard: Guard, rest: str = "") -> str:
    return urlsplit(guard.address).path + rest


def ask(guard: Guard, where: str, method: str = "GET", body=None, **headers: str):
    sent = {"host": HOST, **{k.replace("_", "-"): v for k, v in headers.items()}}
    return call(guard, where, {k: v for k, v in sent.items() if v}, method, body)


def test_the_page_gets_through_and_the_token_is_taken_off(guard) -> None:
    answer = ask(guard, path(guard, "api/clips"))
    assert (answer.status, answer.body) == (200, b"/api/clips")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("where", ["/", "/api/clips", "/wrong/api/clips", "/once/", "/once/x"])
def test_without_the_token_nothing_is_found(guard, where) -> None:
    assert ask(guard, where).status == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example:8000"},
        {"host": "127.0.0.1:8001"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:8000"},  # not the host that was asked
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
    ids=str,
)
def test_other_pages_are_refused_even_with_the_token(guard, headers) -> None:
    assert ask(guard, path(guard), **headers).status == 403


def test_a_decision_comes_from_the_page_as_json_and_is_short(guard) -> None:
    own = {"origin": f"http://{HOST}"}
    where = path(guard, "api/decide")
    assert ask(guard, where, "POST", {}, **own).status == 200
    assert ask(guard, where, "POST", {}).status == 403
    assert ask(guard, where, "POST", {}, content_type="text/plain", **own).status == 403
    long = {"content_length": str(MAX_BYTES + 1)}
    assert ask(guard, where, "POST", {}, **own, **long).status == 403
    assert ask(guard, where, "POST", {}, **own, content_length="many").status == 403


def test_the_address_for_the_browser_works_once(guard) -> None:
    where = urlsplit(guard.address_once()).path
    first = ask(guard, where)
    assert (first.status, first.headers["location"]) == (303, path(guard))
    assert ask(guard, where).status == 404


def test_two_pages_have_different_tokens() -> None:
    assert Guard(echo, 8000).address != Guard(echo, 8000).address


def test_sockets_are_not_served(guard) -> None:
    asyncio.run(guard({"type": "websocket", "path": "/", "headers": []}, None, None))
