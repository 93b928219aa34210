"""A server that speaks S3 on the loopback interface, as another program; and one that refuses."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote

SECRET = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY"
KEY = "AKIAIOSFODNN7EXAMPLE"
BUCKET = "films"


class Server:
    """moto's server; `kill` ends it at once, and with it all that it held."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + 120
        while True:
            try:
                self.request("PUT", BUCKET)
                return
            except (URLError, ConnectionError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def request(self, method: str, path: str, data: bytes | None = None) -> bytes:
        kind = {"Content-Type": "application/octet-stream"}
        asked = urllib.request.Request(f"{self.url}/{path}", data, kind, method=method)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.read()

    def put_folder(self, folder: Path, prefix: str) -> None:
        for path in folder.rglob("*"):
            if path.is_file():
                name = path.relative_to(folder).as_posix()
                self.request("PUT", f"{BUCKET}/{prefix}/{quote(name)}", path.read_bytes())


def environment(url: str, cache: Path) -> dict[str, str]:
    """What the usual environment says of such a server."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "CAER_CACHE": str(cache),
    }


@contextmanager
def refusing(allowed: tuple[str, ...]) -> Iterator[str]:
    """A server that lists an empty bucket, and forbids every other method than those allowed."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            fine = self.command in allowed
            body = (
                b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
                if fine
                else b"<Error><Code>AccessDenied</Code></Error>"
            )
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200 if fine else 403)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_POST = _answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def run(words: list[str], given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A command of caer-data with an environment of its own."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-m", "caer_data", *words], env=plain | given,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
