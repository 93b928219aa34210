"""The guard, probed below HTTP libraries: messages as no browser writes them, byte by byte."""

from __future__ import annotations

import contextlib
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.annotate.studio.test_guard import RATERS, _state, authorization, fill, scene_of

__all__ = ["scene_of"]  # the fixture

pytestmark = [pytest.mark.server, pytest.mark.slow]

PROJECT, TASK, CLIP = "/api/projects/{project}/", "/api/tasks/{task}/", "clips/{project}/{file}"
DELETE = "DELETE /api/annotations/{answer}/ HTTP/1.1\nHost: {host}\n{auth}\n\n"
SPOOF = '{"completed_by": {victim_id}}'
OWN = "/api/annotations/{own_answer}/"


def get(path: str, *headers: str, version: str = "HTTP/1.1", host: str = "Host: {host}") -> str:
    """A request without a body; `host` may be left out or be several."""
    lines = [f"GET {path} {version}", host, "{auth}", *headers]
    return "\n".join(line for line in lines if line) + "\n\n"


def patch(*headers: str, body: str = SPOOF, path: str = OWN, method: str = "PATCH") -> str:
    """A request with a body, which forges another's name on an own answer."""
    lines = [f"{method} {path} HTTP/1.1", "Host: {host}", "{auth}",
             "Content-Type: application/json", *headers]  # fmt: skip
    return "\n".join(lines) + "\n\n" + body


LENGTH = "Content-Length: {length}"
CHUNKED = "Transfer-Encoding: chunked"
IN_CHUNKS = "{hex}\n" + SPOOF + "\n0\n\n"
SMUGGLED = get(PROJECT)

# By name; `{names}` are the scene's, a line feed goes as CR LF, and ^ stands for a lone line feed.
WIRE = {
    # where a message ends
    "length and chunks": patch("Content-Length: 4", CHUNKED, body=f"0\n\n{SMUGGLED}"),
    "chunks and length": patch(CHUNKED, LENGTH, body=IN_CHUNKS),
    "chunks, odd case": patch("transfer-encoding: CHUNKED", body=IN_CHUNKS),
    "chunks, space before the colon": patch("Transfer-Encoding : chunked", body=IN_CHUNKS),
    "chunks, tab before the value": patch("Transfer-Encoding:\tchunked", body=IN_CHUNKS),
    "chunks, twice": patch(CHUNKED, "Transfer-Encoding: identity", body=IN_CHUNKS),
    "chunks, in a list": patch("Transfer-Encoding: x, chunked", body=IN_CHUNKS),
    "chunks, folded": patch("X: y\n Transfer-Encoding: chunked", LENGTH),
    "chunks, by underscore": patch("Transfer_Encoding: chunked", LENGTH),
    "two lengths": patch("Content-Length: 2", LENGTH, body="{}" + SPOOF),
    "two lengths, the long one first": patch(LENGTH, "Content-Length: 2"),
    "lengths in a list": patch("Content-Length: 2, {length}"),
    "length with a sign": patch("Content-Length: +{length}"),
    "length below zero": patch("Content-Length: -1"),
    "length in hex": patch("Content-Length: 0x1d"),
    "length with zeros": patch("Content-Length: 000{length}"),
    "length of a spread digit": patch("Content-Length: {length}_0"),
    "length too short": patch("Content-Length: 2", body="{}" + SMUGGLED),
    "length too long": patch("Content-Length: 9999"),
    "no length": patch(),
    "length by underscore": patch("Content_Length: {length}"),
    "a second request behind": get("/api/current-user/whoami") + SMUGGLED,
    "a deletion behind": get("/api/current-user/whoami") + DELETE,
    "a request in a request": patch("Content-Length: 2", body="{}" + DELETE),
    "trailer": patch(CHUNKED, "Trailer: Authorization", body=IN_CHUNKS),
    # what a line is
    "lone line feeds": f"GET {PROJECT} HTTP/1.1^Host: {{host}}^{{auth}}^^",
    "blank lines first": "\n\n" + SMUGGLED,
    "header without a name": get(PROJECT, ": x"),
    "header without a colon": get(PROJECT, "X"),
    "header that is folded": get(PROJECT, "X: a\n b"),
    "a hundred headers": get(PROJECT, *(f"X-{n}: y" for n in range(90))),
    "a long header": get(PROJECT, "X: " + "y" * 60_000),
    "tabs in the first line": f"GET\t{PROJECT}\tHTTP/1.1\nHost: {{host}}\n{{auth}}\n\n",
    "spaces in the first line": f"GET  {PROJECT}  HTTP/1.1\nHost: {{host}}\n{{auth}}\n\n",
    # versions and methods
    "HTTP/0.9": f"GET {PROJECT}\n",
    "HTTP/1.0": get(PROJECT, version="HTTP/1.0"),
    "HTTP/1.0, no host": get(PROJECT, version="HTTP/1.0", host=""),
    "HTTP/1.2": get(PROJECT, version="HTTP/1.2"),
    "HTTP/2, by its preface": "PRI * HTTP/2.0\n\nSM\n\n" + SMUGGLED,
    "HEAD": get(PROJECT).replace("GET", "HEAD", 1),
    "HEAD of a clip": get(f"/data/local-files/?d={CLIP}").replace("GET", "HEAD", 1),
    "OPTIONS": get(PROJECT).replace("GET", "OPTIONS", 1),
    "OPTIONS *": get("*").replace("GET", "OPTIONS", 1),
    "TRACE": get(PROJECT).replace("GET", "TRACE", 1),
    "CONNECT": get("{host}").replace("GET", "CONNECT", 1),
    "PROPFIND": get(PROJECT).replace("GET", "PROPFIND", 1),
    "a small get": get(PROJECT).replace("GET", "get", 1),
    "a small patch": patch(LENGTH, method="patch"),
    "PUT": patch(LENGTH, method="PUT"),
    # upgrades
    "websocket": get(PROJECT, "Connection: Upgrade", "Upgrade: websocket",
                     "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
    "HTTP/2 without TLS": get(PROJECT, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                              "HTTP2-Settings: AAMAAABkAAQAAP__"),
    "100-continue": patch(LENGTH, "Expect: 100-continue"),
    # where a request goes
    "absolute target": get(f"http://{{host}}{PROJECT}"),
    "absolute target, another host": get(f"http://127.0.0.1:1{PROJECT}"),
    "absolute target, userinfo": get(f"http://admin@{{host}}{PROJECT}"),
    "two slashes": get(f"/{PROJECT}"),
    "slashes inside": get("/api//projects//{project}/"),
    "a dot inside": get("/api/./projects/{project}/"),
    "dots behind": get("/api/projects/{project}./"),
    "up and down": get("/api/projects/{own}/../{project}/"),
    "up and down, coded": get("/api/projects/{own}/%2e%2e/{project}/"),
    "up and down, coded slash": get("/api/projects/{own}%2f..%2f{project}/"),
    "coded twice": get("/api/projects/{own}/%252e%252e/{project}/"),
    "backslashes": get("/api\\projects\\{project}\\"),
    "coded letters": get("/%61pi/%70rojects/{project}/"),
    "a parameter": get("/api/projects/{own};/../{project}/"),
    "a semicolon": get("/api/projects/{project};x=1/"),
    "zeros before the number": get("/api/projects/000{project}/"),
    "wide digits": get("/api/projects/%EF%BC%91/"),
    "a null behind": get("/api/projects/{project}%00/"),
    "a line feed behind": get("/api/projects/{project}%0A/"),
    "without the last slash": get("/api/projects/{project}"),
    "capitals": get("/API/projects/{project}/"),
    "a fragment": get("/api/projects/{project}/#/api/version"),
    "a static beginning": get("/static/../api/projects/{project}/"),
    "a static beginning, coded": get("/static/%2e%2e/api/projects/{project}/"),
    "another's task, own named in the query": get(f"{TASK}?project={{own}}"),
    # clips
    "clip up and down": get("/data/local-files/?d=clips/{own}/%2e%2e/{project}/{file}"),
    "clip, coded slashes": get("/data/local-files/?d=clips%2f{own}%2f..%2f{project}%2f{file}"),
    "clip, backslashes": get("/data/local-files/?d=clips/{own}\\..\\..\\" + CLIP),
    "clip with a null": get(f"/data/local-files/?d={CLIP}%00"),
    "clip twice, own first": get(f"/data/local-files/?d=clips/{{own}}/x.mp4&d={CLIP}"),
    "clip twice, own last": get(f"/data/local-files/?d={CLIP}&d=clips/{{own}}/x.mp4"),
    "clip, semicolon": get(f"/data/local-files/?d=clips/{{own}}/x.mp4;d={CLIP}"),
    "clip, coded name of the field": get(f"/data/local-files/?%64={CLIP}"),
    "clip, absolute": get("/data/local-files/?d=/{clips}/{project}/{file}"),
    "clip, by range": get(f"/data/local-files/?d={CLIP}", "Range: bytes=0-63"),
    "the database": get("/data/local-files/?d=../label_studio.sqlite3"),
    "the known answers": get("/data/local-files/?d=../training/{project}.json"),
    "the first passwords": get("/data/local-files/?d=clips/../../passwords.csv"),
    "an upload, up and down": get("/data/upload/../../passwords.csv"),
    # who asks
    "two tokens": get(PROJECT, "Authorization: Token {stale}"),
    "two schemes in one": get(PROJECT, "Authorization: Token {stale}, Bearer x"),
    "two sessions": get(PROJECT, "Cookie: sessionid=x; sessionid=y"),
    "two cookies": get(PROJECT, "Cookie: sessionid=x", "Cookie: sessionid=y"),
    "user by header": get(PROJECT, "Remote-User: admin@caer.local", "X-Remote-User: 1"),
    "user by a proxy's header": get(PROJECT, "X-Forwarded-User: admin@caer.local"),
    "key of Label Studio": get(PROJECT, "X-Api-Key: {stale}"),
    "two hosts": get(PROJECT, "Host: evil.example"),
    "another host": get(PROJECT, host="Host: evil.example"),
    "another host by a proxy's header": get(PROJECT, "X-Forwarded-Host: evil.example"),
    "a place by header": get("/", "X-Script-Name: /api", "Script-Name: /api"),
    "a path by header": get("/", f"X-Rewrite-Url: {PROJECT}", f"X-Original-Uri: {PROJECT}"),
    "as from this machine": get(PROJECT, "X-Forwarded-For: 127.0.0.1", "X-Real-Ip: 127.0.0.1"),
}  # fmt: skip


def exchange(url: str, message: bytes) -> bytes:
    """Send bytes, say that no more come, and read all that comes back."""
    place = urlsplit(url)
    reply = b""
    with (
        socket.create_connection((place.hostname, place.port), timeout=20) as line,
        contextlib.suppress(OSError),  # the server may hang up first
    ):
        line.sendall(message)
        line.shutdown(socket.SHUT_WR)
        while part := line.recv(1 << 16):
            reply += part
    return reply


def wired(text: str, scene: dict[str, Any]) -> bytes:
    """A message as it goes over the wire."""
    return str(fill(text, scene)).replace("\n", "\r\n").replace("^", "\n").encode()


def outcome(studio: Any, scene: dict[str, Any]) -> tuple[list[str], dict[str, bytes]]:
    """Names of messages that told or changed what they must not, and all replies."""
    scene = scene | {
        "host": urlsplit(studio.url).netloc,
        "auth": f"Authorization: {authorization('token', studio)}",
        "stale": "0" * 40,
    }
    body = str(fill(SPOOF, scene))
    scene |= {"length": len(body), "hex": f"{len(body):x}"}
    secrets = [RATERS[1].encode(), scene["file"].removesuffix(".mp4").encode(), b"ftyp", b"SQLite"]
    reached, replies = [], {}
    # An own answer may be changed: it is once, as the server notes by whom.
    exchange(studio.url, wired(patch("Content-Length: 2", body="{}"), scene))
    for name, text in WIRE.items():
        before, message = _state(studio, scene), wired(text, scene)
        reply = replies[name] = exchange(studio.url, message)
        told = any(secret in reply and secret not in message for secret in secrets)
        asked = b"HEAD" in message[:5] or b"OPTIONS /" in message[:9]
        if told or _state(studio, scene) != before or (asked and b" 200 " in reply[:20]):
            reached.append(name)
    return reached, replies


def test_there_are_enough_messages() -> None:
    assert len(WIRE) >= 60 and len(set(WIRE.values())) == len(WIRE)


def test_no_message_reaches_what_is_anothers(studio: Any, scene_of: Any) -> None:
    reached, replies = outcome(studio, scene_of(studio))
    assert {name: replies[name][:1000] for name in reached} == {}
    assert [name for name, reply in replies.items() if reply[9:12] == b"500"] == []


def test_many_of_them_do_without_the_guard(open_studio: Any, scene_of: Any) -> None:
    reached, _ = outcome(open_studio, scene_of(open_studio))
    assert len(reached) >= 25, reached
