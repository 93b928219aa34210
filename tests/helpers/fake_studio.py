"""A server that gives fixed answers, where a real Label Studio would not fail on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

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

            def do_DELETE(self) -> None:
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
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


def sent_on(handler: BaseHTTPRequestHandler) -> Answer:
    """Redirect to another host."""
    handler.send_response(301)
    handler.send_header("Location", "https://labels.example/")
    handler.end_headers()
    raise ConnectionAbortedError
