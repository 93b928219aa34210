"""Label Studio's own client, `label-studio-sdk`, with readable errors.

Three of its behaviours are changed:

- It retries requests, even writes, that a busy or failing server refuses. Here they fail at once,
  because another push compares the server with the plan anyway.
- It does not retry after a broken connection. Here reads are retried.
- Its lists end silently if a page is missing. Here that is an error.

`docs/annotate.md` says which calls it does not cover.
"""

from __future__ import annotations

import http
import json
import operator
import time
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from caer_data.engine import extras
from caer_data.engine.errors import CaerError

TOKEN_VARIABLE = "CAER_LABEL_STUDIO_TOKEN"  # noqa: S105 - the name of a variable
# Connecting takes seconds at most, but an export of thousands of answers may take minutes.
CONNECT_S, ANSWER_S = 10, 900
_TRIES = 4
_ONCE = {"request_options": {"max_retries": 0}}


class RefusedError(CaerError):
    """The server refused a request; others may still succeed."""


class Api:
    """A server's API for one account; calls are made by their name in the SDK.

    Args:
        url: its address.
        token: a legacy token or a personal access token, which the SDK exchanges for short ones.
        direct: ignore any proxy set in the environment.
        hint: advice for the user if no server answers.

    Raises:
        CaerError: the extra `annotate` is missing, or the token has expired.
    """

    def __init__(self, url: str, token: str, direct: bool, hint: str) -> None:
        extras.require("annotate", "the rating server")
        import httpx
        from label_studio_sdk.client import LabelStudio
        from label_studio_sdk.core.api_error import ApiError

        self._url, self._hint = url, hint
        wait = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
        # Its own HTTP client would send the token to a redirect's target, and turn POST into GET.
        client = httpx.Client(timeout=wait, trust_env=not direct, follow_redirects=False)
        try:
            # Without the slash, it drops the last part of a path in the address.
            self._sdk = LabelStudio(
                base_url=f"{url}/", api_key=token, timeout=wait, httpx_client=client
            )
        except ApiError as error:
            self._refuse("token", error.status_code, error.body)

    def read(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Call a method that only reads, such as `users.list`; retried after network errors."""
        call = operator.attrgetter(name)(self._sdk)
        return self._ask(name, lambda: call(*arguments, **options, **_ONCE), _TRIES)

    def write(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Call a method that changes the server, such as `projects.update`; never retried."""
        call = operator.attrgetter(name)(self._sdk)
        return self._ask(name, lambda: call(*arguments, **options, **_ONCE), 1)

    def listed(self, name: str, **options: Any) -> list[Any]:
        """Return all items of a paginated list, such as `tasks.list`.

        Raises:
            CaerError: the list became shorter while it was read.
        """
        call = operator.attrgetter(name)(self._sdk)

        def whole() -> tuple[list[Any], int]:
            pager = call(**options, **_ONCE)
            said = pager.response
            total = int(said.total if hasattr(said, "total") else said.count)
            return list(islice(pager, total)), total

        items: list[Any]
        items, total = self._ask(name, whole, _TRIES)
        if len(items) != total:
            raise CaerError(
                f"{self._url}: {name} returned {len(items)} of {total} items, because some were "
                "removed meanwhile; run the same command again"
            )
        return items

    def export(self, project: int) -> list[dict[str, Any]]:
        """Return the tasks of a project that have answers, including the answers.

        This does not use `as_json`, for which the server would pack the media, too.
        """
        call = self._sdk.projects.exports.download_sync
        content = self._ask(
            "projects.exports.download_sync",
            lambda: b"".join(call(project, export_type="JSON", **_ONCE)),
            _TRIES,
        )
        found: list[dict[str, Any]] = json.loads(content)
        return found

    def upload(self, path: str, source: Path, name: str, kind: str) -> Any:
        """Send a file as a form, because the SDK sends only JSON; return the reply."""
        with source.open("rb") as stream:
            return self._plain(
                "POST",
                path,
                params={"commit_to_project": "false"},
                files={name: (name, stream, kind)},
            )

    def post(self, path: str, body: Any) -> Any:
        """Send JSON by POST where the SDK has no call; return the JSON reply, or None if empty."""
        return self._plain("POST", path, json=body)

    def _plain(self, method: str, path: str, **options: Any) -> Any:
        """Send a request over the SDK's connection, with its token; return the decoded reply."""
        send = self._sdk._client_wrapper.httpx_client.request
        reply = self._ask(path, lambda: send(path, method=method, **options, **_ONCE), 1)
        if not reply.is_success:
            self._refuse(path, reply.status_code, _decoded(reply.text))
        return _decoded(reply.text) if reply.content else None

    def _ask(self, name: str, call: Any, tries: int) -> Any:
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        try:
            return call()
        except ApiError as error:
            self._refuse(name, error.status_code, error.body)
        except json.JSONDecodeError as error:  # from the SDK's exchange of tokens
            raise CaerError(f"the server at {self._url} is not Label Studio") from error
        except httpx.HTTPError as error:
            if tries == 1 or isinstance(error, httpx.TimeoutException):
                self._broken(error, never=isinstance(error, httpx.ConnectError))
        time.sleep(0.5 * (_TRIES - tries + 1))
        return self._ask(name, call, tries - 1)

    def _refuse(self, name: str, status: int | None, body: Any) -> NoReturn:
        if status == 401:
            raise CaerError(
                f"{self._url} does not accept the token; copy it again, or create a new one, in "
                f"Account & Settings there and set {TOKEN_VARIABLE}"
            )
        said = reason_of(body) or http.HTTPStatus(status or 500).phrase
        raise RefusedError(
            f"{self._url} answered {status} to {name}: {said}; fix that and run the same command "
            "again"
        )

    def _broken(self, error: Exception, never: bool) -> NoReturn:
        if never:
            raise CaerError(
                f"no Label Studio answers at {self._url} ({cause(error)}); {self._hint}, then run "
                "the same command again"
            ) from error
        raise CaerError(
            f"the connection to {self._url} broke ({cause(error)}); run the same command again"
        ) from error


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def reason_of(said: Any) -> str:
    """Return the server's error message as one short line; empty if it sent a web page."""
    if isinstance(said, dict):
        said = said.get("validation_errors") or said.get("detail") or said
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False, default=str)
    return "" if text.lstrip().startswith("<") else " ".join(text.split())[:300]


def cause(error: BaseException) -> str:
    """Return the innermost cause of a network error in a few words."""
    text = str(error)
    for part, words in _CAUSES.items():
        if part in text:
            return words
    return type(error).__name__


_CAUSES = {
    "refused": "connection refused",
    "timed out": "connection timed out",
    "reset by peer": "connection reset by peer",
    "Name or service not known": "unknown host",
    "SSL": "bad certificate",
}
