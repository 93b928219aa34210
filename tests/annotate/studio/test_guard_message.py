"""What the guard takes for a clear message, tried without a server."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from caer_data.annotate.studio.guard import caer_message
from caer_data.annotate.studio.guard.caer_message import UnclearError

GOOD = b'{"result": [{"value": {"choices": ["f\\u00e9"]}}], "lead_time": 1.5e0, "n": -0.0}'


def request_of(body: bytes = b"", method: str = "PATCH", query: Any = (), **headers: str) -> Any:
    """A request as Django shows it; headers by their WSGI names."""
    meta = {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)), **headers}
    return SimpleNamespace(META=meta, body=body, method=method, GET=query)


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON", "application/json; charset=utf-8",
     'application/json;charset="UTF-8"', "application/json ; charset=UTF-8 "],
)  # fmt: skip
def test_json_in_utf_8_is_taken_and_written_anew(kind: str) -> None:
    request = request_of(GOOD, CONTENT_TYPE=kind)
    sent = caer_message.normalise(request)
    assert sent == json.loads(GOOD)
    assert request._body == request._stream.read() == json.dumps(sent).encode()
    assert request.META["CONTENT_TYPE"] == request.content_type == "application/json"
    assert request.META["CONTENT_LENGTH"] == str(len(request._body))
    assert request.encoding == "utf-8"


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json"])
def test_no_body_stays_none(kind: str) -> None:
    request = request_of(CONTENT_TYPE=kind)
    assert caer_message.normalise(request) == {}
    assert request._body == b"" and request.META["CONTENT_LENGTH"] == "0"


BODIES = {
    "no JSON": b"{",
    "two documents": b"{}{}",
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "a key twice": b'{"a": 1, "a": 1}',
    "a key twice, once escaped": b'{"a": 1, "\\u0061": 1}',
    "a key twice, deep": b'{"x": [{"a": 1, "a": 1}]}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "a number too large": b'{"a": 1e999}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-32": '{"a": 1}'.encode("utf-32-le"),
    "a byte order mark": '{"a": 1}'.encode("utf-8-sig"),
    "Latin-1": '{"a": "é"}'.encode("latin-1"),
    "an overlong quote": b'{"a": "\xc0\xa2"}',
    "half of a character": b'{"a": "\\ud800"}',
    "half of a character as a key": b'{"\\udfff": 1}',
    "a NUL": b'{"a": "\\u0000"}',
    "nested deep": b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}",
    "nested without end": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number without end": b'{"a": ' + b"1" * 10_000 + b"}",
    "another method": b'{"_method": "DELETE"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies_that_are_not_clear(body: bytes) -> None:
    with pytest.raises(UnclearError):
        caer_message.normalise(request_of(body))


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "text/json", "application/json; charset=utf-7", "application/json; a=b",
     "application/json; charset=utf-8; charset=utf-7", "application/json; charset='utf-8'",
     "application/json, text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
     "Multipart/Form-Data; boundary=x", "application/json\n", "application/json;"],
)  # fmt: skip
def test_types_that_are_not_clear(kind: str) -> None:
    with pytest.raises(UnclearError):
        caer_message.normalise(request_of(b"{}", CONTENT_TYPE=kind))


@pytest.mark.parametrize("kind", ["application/json; charset=utf-7", "text/plain; charset=utf-7"])
def test_a_charset_would_count_for_the_query_too(kind: str) -> None:
    with pytest.raises(UnclearError):
        caer_message.normalise(request_of(method="GET", CONTENT_TYPE=kind))


@pytest.mark.parametrize("name", caer_message.REFUSED_HEADERS)
def test_headers_that_change_what_is_read(name: str) -> None:
    with pytest.raises(UnclearError):
        caer_message.normalise(request_of(b"{}", **{name: "identity"}))


@pytest.mark.parametrize("length", ["1", "3", "+2", "-2", "2 ", "2_0", "0x2", "٢", "two"])
def test_a_length_that_is_not_the_body_s(length: str) -> None:
    with pytest.raises(UnclearError):
        caer_message.normalise(request_of(b"{}", CONTENT_LENGTH=length))


def test_a_method_in_the_query_and_a_body_of_a_get() -> None:
    with pytest.raises(UnclearError):
        caer_message.normalise(request_of(query=("project", "_method")))
    with pytest.raises(UnclearError):
        caer_message.normalise(request_of(b"{}", method="GET"))


PAGE: dict[str, Any] = {
    "result": [], "lead_time": 6.3, "draft_id": 0, "parent_prediction": None, "project": "7",
    "started_at": "2026-11-25T22:19:48.048Z", "was_cancelled": False,
    "unique_id": "8685ab1a-a4ac-4f96-93fa-b151c423c599",
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [("draft_id", "abc"), ("draft_id", 10**30), ("draft_id", 1.5), ("draft_id", -1), ("id", "1"),
     ("lead_time", 1e300), ("lead_time", -1), ("unique_id", "x" * 65), ("started_at", {}),
     ("completed_by", [1]), ("project", {"id": 7})],
)  # fmt: skip
def test_fields_that_the_database_could_not_hold(field: str, value: Any) -> None:
    assert caer_message.is_plain(PAGE)
    assert not caer_message.is_plain({**PAGE, field: value})
