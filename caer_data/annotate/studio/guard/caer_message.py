"""Normalise requests, so that the view gets exactly the document that the guard has checked.

If the guard and the view parse a request differently, an attacker can make them disagree: with a
character set (`+ACI-` is a quote in UTF-7), a duplicate key, a form in place of JSON, or a chunked
body. This module therefore refuses every body that it cannot decode itself, and replaces the body
with a new serialisation of what it decoded.
"""

from __future__ import annotations

import io
import json
import math
import re
from typing import Any, NoReturn

JSON = re.compile(r'application/json( *; *charset=("utf-8"|utf-8))? *', re.IGNORECASE)
# Content types of a request without a body; WSGI servers fill in `text/plain` by themselves.
NO_BODY = {"", "text/plain"}

# Headers that change the meaning of a request's body, method or path.
REFUSED_HEADERS = (
    "HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING", "HTTP_TE", "HTTP_TRAILER",
    "HTTP_CONTENT_TRANSFER_ENCODING", "HTTP_CONTENT_RANGE",
    "HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_X_HTTP_METHOD", "HTTP_X_METHOD_OVERRIDE", "HTTP_X_METHOD",
    "HTTP_X_ORIGINAL_URL", "HTTP_X_ORIGINAL_METHOD", "HTTP_X_REWRITE_URL",
)  # fmt: skip

MAX_DEPTH = 32


class UnclearError(Exception):
    """A request that guard and view might interpret differently; the message says why."""


def normalise(request: Any) -> dict[str, Any]:
    """Parse a request's body and replace it with its normalised form.

    Afterwards, the body is empty or one JSON object in UTF-8, and the headers match it.

    Returns:
        The object, which is empty if there is no body.

    Raises:
        UnclearError: the body or a header is anything else.
    """
    _check_headers(request.META)
    length = length_of(request.META)
    sent: dict[str, Any] = {}
    kind = request.META.get("CONTENT_TYPE", "")
    if request.body:
        if request.method in ("GET", "HEAD"):
            raise UnclearError("This kind of request must not have a body.")
        if not JSON.fullmatch(kind):
            raise UnclearError("The body must be JSON in UTF-8.")
        sent = decode(request.body)
    elif kind not in NO_BODY and not JSON.fullmatch(kind):
        raise UnclearError("Only JSON in UTF-8 is accepted.")
    if length != len(request.body):
        raise UnclearError("The length of the body differs from its header.")
    if any(name.startswith("_") for name in (*sent, *request.GET)):
        raise UnclearError("Names may not begin with an underscore.")
    _replace(request, json.dumps(sent).encode("ascii") if request.body else b"")
    return sent


def decode(body: bytes) -> dict[str, Any]:
    """Return one JSON object parsed strictly: UTF-8, unique keys, finite numbers, no surrogates.

    Raises:
        UnclearError: the body is anything else.
    """
    try:
        sent = json.loads(
            body.decode("utf-8"), object_pairs_hook=_once, parse_float=_finite, parse_constant=_none
        )
        text = json.dumps(sent, ensure_ascii=False)
        text.encode("utf-8")  # fails for lone surrogates
        depth = _depth(sent)
    except (ValueError, RecursionError) as error:
        raise UnclearError("The body is not well-formed JSON in UTF-8.") from error
    if not isinstance(sent, dict):
        raise UnclearError("The body must be a JSON object.")
    if depth > MAX_DEPTH or r"\u0000" in text:
        raise UnclearError("The body is nested too deep, or contains NUL characters.")
    return sent


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("number too large")
    return number


def _none(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def _check_headers(headers: dict[str, Any]) -> None:
    for name in REFUSED_HEADERS:
        if name in headers:
            raise UnclearError(f"The header {name[5:].replace('_', '-').title()} is not accepted.")
    kind = headers.get("CONTENT_TYPE", "")
    if kind.lower().startswith("multipart/"):  # must be refused before the body is read
        raise UnclearError("Only JSON in UTF-8 is accepted.")


def length_of(headers: dict[str, Any]) -> int:
    """Return the length of the body according to the headers.

    Raises:
        UnclearError: it is not a plain number; parsers differ on other forms.
    """
    text = headers.get("CONTENT_LENGTH") or "0"
    if not (text.isascii() and text.isdigit()):
        raise UnclearError("The length of the body is not a number.")
    return int(text)


def _replace(request: Any, body: bytes) -> None:
    """Replace the request's body, however it is read later."""
    request.META["CONTENT_TYPE"] = request.content_type = "application/json"
    request.META["CONTENT_LENGTH"] = str(len(body))
    request.META["wsgi.input"] = request._stream = io.BytesIO(body)
    request.content_params = {}
    request.encoding = "utf-8"  # also applies to the query string
    request._body = body


# Fields of an answer that are row ids in the database.
_ROWS = ("draft_id", "id", "parent_prediction", "parent_annotation")


def is_plain(sent: dict[str, Any]) -> bool:
    """Return whether all fields except the result have the page's types and fit the database."""
    for name, value in sent.items():
        if name == "result" or value is None or isinstance(value, bool):
            continue
        if isinstance(value, str):
            fits = len(value) <= 64 and name not in _ROWS
        else:
            fits = isinstance(value, int | float) and 0 <= value < 2**31
        if not fits or (name in _ROWS and not isinstance(value, int)):
            return False
    return True


def is_result(parts: Any) -> bool:
    """Return whether a result has the page's structure; any other would break later calls."""
    return isinstance(parts, list) and all(
        isinstance(part, dict)
        and all(isinstance(part.get(key), str) for key in ("from_name", "to_name", "type"))
        and isinstance(part.get("value"), dict)
        and (part["type"] != "choices" or _are_texts(part["value"].get("choices")))
        for part in parts
    )


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
