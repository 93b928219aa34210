"""Restrict access to the page to a browser on this machine that knows the token in the address.

Other pages in the same browser can reach any server on this machine. However, they do not know the
token, they cannot send one of our names as `Host` (even after DNS rebinding), and requests that
change data require our `Origin`. All other requests are refused before they reach a route.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BYTES: Final = 65_536
"""Maximum size of a request's body, which is a decision with its reason."""

_HEADERS: Final = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        b"media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Guard:
    """An ASGI application that passes only requests of the page to another application.

    Args:
        app: the guarded application; it sees paths without the token.
        port: the server's port on 127.0.0.1.
    """

    def __init__(self, app: App, port: int) -> None:
        self._app = app
        self._port = port
        self._token = secrets.token_urlsafe(24)
        self._once: str | None = None

    @property
    def address(self) -> str:
        """Address of the page, with the token."""
        return f"http://127.0.0.1:{self._port}/{self._token}/"

    def address_once(self) -> str:
        """Return an address that works once, because others can read a browser's arguments."""
        self._once = secrets.token_urlsafe(24)
        return f"http://127.0.0.1:{self._port}/once/{self._once}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":  # web sockets are not supported
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        first, _, rest = scope["path"].removeprefix("/").partition("/")
        refusal = self._refusal(scope["method"], headers)
        if refusal:
            await _answer(send, 403, refusal)
        elif first == "once" and self._redeem_once(rest):
            await _answer(send, 303, "", [(b"location", f"/{self._token}/".encode())])
        elif not secrets.compare_digest(first.encode(), self._token.encode()):
            await _answer(send, 404, "Not found. Open the address that caer-data view printed.")
        else:
            inner = {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode(), "root_path": ""}
            await self._app(inner, receive, _with_headers(send))

    def _redeem_once(self, code: str) -> bool:
        """Invalidate the code of `address_once`; return whether `code` was correct."""
        known, self._once = self._once, None
        return known is not None and secrets.compare_digest(code.encode(), known.encode())

    def _refusal(self, method: str, headers: dict[bytes, str]) -> str:
        """Return why a request is refused; empty if it is not."""
        host = headers.get(b"host", "")
        if host not in (f"127.0.0.1:{self._port}", f"localhost:{self._port}"):
            return "Refused: this server answers only on 127.0.0.1."
        origin = headers.get(b"origin")
        reads = method in ("GET", "HEAD")
        if origin not in ((None,) if reads else ()) and origin != f"http://{host}":
            return "Refused: the request comes from another page."
        if headers.get(b"sec-fetch-site", "none") not in ("none", "same-origin"):
            return "Refused: another page led here. Paste the address into the browser."
        if not reads:
            return _refusal_of_body(headers)
        return ""


def _refusal_of_body(headers: dict[bytes, str]) -> str:
    if headers.get(b"content-type", "").partition(";")[0] != "application/json":
        return "Refused: decisions must be sent as JSON."
    length = headers.get(b"content-length", "")
    if not length.isdigit() or int(length) > MAX_BYTES:
        return f"Refused: a decision may have at most {MAX_BYTES} bytes."
    return ""


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *_HEADERS]}
        await send(message)

    return sending


async def _answer(
    send: Send, status: int, text: str, more: list[tuple[bytes, bytes]] | None = None
) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_HEADERS, *(more or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
