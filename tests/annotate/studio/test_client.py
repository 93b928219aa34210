"""Every way a server can disappoint gives one clear sentence and never shows the token."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from caer_data.annotate.studio import client
from caer_data.annotate.studio import folders as places
from caer_data.annotate.studio.client import Server, clean_url, connect
from caer_data.engine.errors import CaerError

TOKEN = "0123456789abcdef" * 2
Answer = tuple[int, Any]
GOOD: dict[str, Answer] = {
    "/api/version": (200, {"release": "1.23.4"}),
    "/caer-guard": (404, {}),
    "/api/current-user/whoami": (200, {"id": 1}),
}


@pytest.fixture
def fake() -> Iterator[Callable[[dict[str, Any]], str]]:
    """Serves fixed answers by path; a function as answer gets the request's handler."""
    servers: list[ThreadingHTTPServer] = []

    def start(answers: dict[str, Any]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = answers.get(self.path.split("?")[0], (404, {}))
                status, body = answer(self) if callable(answer) else answer
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def cut_short(handler: BaseHTTPRequestHandler) -> Answer:
    """Promise a hundred bytes, send ten, hang up."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"x" * 10)
    handler.wfile.flush()
    handler.connection.close()
    raise ConnectionAbortedError


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"/api/version": (200, {"release": "1.19.0"})},
            r"runs Label Studio 1\.19\.0; .* 1\.23\.x",
        ),
        ({"/api/version": (200, {"release": "2.0.0"})}, r"runs Label Studio 2\.0\.0"),
        ({"/api/version": (200, b"<html>")}, "is not a Label Studio"),
        ({"/api/version": (500, {})}, r"is not a Label Studio \(status 500\)"),
        ({"/api/current-user/whoami": (401, {"detail": "no"})}, "does not accept the token"),
        ({"/api/current-user/whoami": (403, {"detail": "not you"})}, "answered 403: not you"),
        ({"/api/current-user/whoami": cut_short}, "run the same command again"),
    ],
    ids=["too old", "too new", "no json", "broken", "wrong token", "forbidden", "cut"],
)
def test_a_bad_server_is_told_in_one_sentence(
    fake: Any, change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CaerError, match=sentence) as error:
        Server(fake({**GOOD, **change}), TOKEN)
    assert TOKEN not in str(error.value) and "\n" not in str(error.value)


def test_no_server_at_all(tmp_path: Any) -> None:
    with pytest.raises(CaerError, match=r"no Label Studio answers at .*; check the address"):
        Server("http://127.0.0.1:9", TOKEN)
    with pytest.raises(CaerError, match=r"start it with 'caer-data annotate serve'"):
        Server("http://127.0.0.1:9", TOKEN, files=tmp_path)


def test_token_goes_in_the_header_whatever_netrc_says(
    fake: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    seen: list[Any] = []

    def whoami(handler: BaseHTTPRequestHandler) -> Answer:
        seen.append(handler.headers["Authorization"])
        return 200, {"id": 1}

    Server(fake({**GOOD, "/api/current-user/whoami": whoami}), TOKEN)
    assert seen == [f"Token {TOKEN}"]


def test_personal_access_token_is_changed_for_short_ones(fake: Any) -> None:
    def jwt(seconds: float) -> str:
        claims = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + seconds}).encode())
        return f"h.{claims.decode().rstrip('=')}.s"

    refreshed: list[str] = []
    seen: list[Any] = []

    def refresh(_: Any) -> Answer:
        refreshed.append(jwt(10 if not refreshed else 300))
        return 200, {"access": refreshed[-1]}

    def whoami(handler: BaseHTTPRequestHandler) -> Answer:
        seen.append(handler.headers["Authorization"])
        return 200, {"id": 1}

    answers = {**GOOD, "/api/token/refresh/": refresh, "/api/current-user/whoami": whoami}
    server = Server(fake(answers), jwt(1e9))
    for _ in range(2):
        server.get("/api/current-user/whoami")
    assert len(refreshed) == 2  # the first one was about to end
    assert seen == [f"Bearer {token}" for token in (refreshed[0], refreshed[1], refreshed[1])]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5], ids=str)
def test_pages_end_with_the_last_item(fake: Any, count: int) -> None:
    def tasks(handler: BaseHTTPRequestHandler) -> Answer:
        page = int(handler.path.split("page=")[1].split("&")[0])
        items = list(range(count))[2 * page - 2 : 2 * page]
        return (200, {"total": count, "tasks": items}) if items or page == 1 else (404, {})

    server = Server(fake({**GOOD, "/api/tasks/": tasks}), TOKEN)
    assert list(server.pages("/api/tasks/", "tasks", 2)) == list(range(count))


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("http://a.example:8080/", "http://a.example:8080"),
        (" https://a.example/labels/ ", "https://a.example/labels"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
    ids=["port", "path", "ipv6"],
)
def test_addresses_are_cleaned(url: str, clean: str) -> None:
    assert clean_url(url) == clean


@pytest.mark.parametrize(
    "url",
    ["a.example", "ftp://a.example", "http://", "http://a:99999", "http://a/?x=1", "file:///etc",
     "http://me:secret@a.example", "ftp://me:secret@a.example"],
)  # fmt: skip
def test_no_address(url: str) -> None:
    with pytest.raises(CaerError) as error:
        clean_url(url)
    assert "secret" not in str(error.value)


class TestConnect:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CAER_SERVER", str(tmp_path / "server"))
        monkeypatch.delenv(client.TOKEN_VARIABLE, raising=False)

    def test_nothing_was_served_yet(self) -> None:
        with pytest.raises(CaerError, match="annotate serve"):
            connect(None)

    def test_local_server_needs_no_token(self, fake: Any) -> None:
        url = fake(GOOD)
        folder = places.private_folder(places.server_folder())
        places.write_access(folder, places.Access(url, "password", TOKEN))
        assert places.access_path(folder).stat().st_mode & 0o077 == 0
        for asked in (None, url, f"{url}/"):
            assert connect(asked).files == folder / "files"

    def test_another_server_takes_the_token_of_the_environment(
        self, fake: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = fake(GOOD)
        with pytest.raises(CaerError, match=client.TOKEN_VARIABLE):
            connect(url)
        monkeypatch.setenv(client.TOKEN_VARIABLE, f"{TOKEN}\n")
        assert connect(url).files is None
        monkeypatch.setenv(client.TOKEN_VARIABLE, "bad\ntoken")
        with pytest.raises(CaerError, match="does not hold a token"):
            connect(url)

    def test_damaged_secrets_are_named(self) -> None:
        folder = places.private_folder(places.server_folder())
        places.access_path(folder).write_text("{")
        with pytest.raises(CaerError, match=r"access\.json: damaged"):
            connect(None)
