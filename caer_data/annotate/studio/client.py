"""Label Studio's HTTP API, as much of it as annotation needs, with errors a user can read.

Plain `requests`: the SDK wraps the same calls, but pins OpenCV and NumPy to versions that the
toolkit must not be held to.
"""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from caer_data.annotate.studio.folders import read_access, server_folder
from caer_data.engine.errors import CaerError

TOKEN_VARIABLE = "CAER_LABEL_STUDIO_TOKEN"  # noqa: S105 - the name of a variable
SUPPORTED = (1, 23)
# Connecting must be quick; an export of thousands of answers may take minutes.
_TIMEOUT = (10, 900)


class RefusedError(CaerError):
    """The server answered, and said no: other requests may still succeed."""


class Server:
    """A Label Studio that answers, seen as its administrator.

    Args:
        url: its address.
        token: a legacy token or a personal access token (both kinds of 1.23).
        files: folder it serves as files, where it runs on this machine; else None.
        public_url: where raters reach it, if not at `url`.

    Raises:
        CaerError: nobody answers, the token is wrong, or the version is not supported.
    """

    def __init__(
        self, url: str, token: str, files: Path | None = None, public_url: str = ""
    ) -> None:
        self.url = clean_url(url)
        self.public_url = public_url or self.url
        self.files = files
        self._token = token
        self._access = ""
        self._access_until = 0.0
        self._session = requests.Session()
        if (urlsplit(self.url).hostname or "") in ("127.0.0.1", "localhost", "::1"):
            self._session.trust_env = False  # no proxy on the way to this machine
        # What only reads is tried again when the network hiccups; what writes never is: pushing
        # again compares what is there with what should be.
        retry = Retry(
            3, backoff_factor=0.5, status=0, allowed_methods=("GET",), raise_on_status=False
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))
        self._check_version()
        self.guarded = self._is_guarded()
        self.me = self.get("/api/current-user/whoami")

    def get(self, path: str, **query: Any) -> Any:
        """GET a JSON answer."""
        return self.call("GET", path, params=query).json()

    def post(self, path: str, body: Any, **query: Any) -> Any:
        """POST JSON; give the JSON answer, or None where it is empty."""
        reply = self.call("POST", path, json=body, params=query)
        return reply.json() if reply.content else None

    def patch(self, path: str, body: Any) -> Any:
        """PATCH with JSON."""
        return self.call("PATCH", path, json=body).json()

    def pages(self, path: str, key: str, size: int, **query: Any) -> Any:
        """Iterate over all items of a paged list."""
        page = seen = 0
        total = 1
        while seen < total:
            page += 1
            reply = self.get(path, page=page, page_size=size, **query)
            yield from reply[key]
            seen += len(reply[key])
            total = int(reply["total"] if "total" in reply else reply["count"]) if reply[key] else 0

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request as the administrator.

        Raises:
            RefusedError: the server said no, with its own reason where it gives one.
            CaerError: the token is wrong, or the connection broke.
        """
        reply = self.send(self._session, method, path, auth=self._authorize, **options)
        if reply.status_code == 401:
            raise CaerError(
                f"{self.url} does not accept the token; copy it again from Account & Settings "
                f"there and set {TOKEN_VARIABLE}"
            )
        if not reply.ok:
            raise RefusedError(
                f"{self.url}{path} answered {reply.status_code}: {reason_of(reply)}; fix that and "
                "run the same command again"
            )
        return reply

    def send(
        self, session: requests.Session, method: str, path: str, **options: Any
    ) -> requests.Response:
        """Send a request through any session; only a broken connection raises."""
        try:
            return session.request(method, self.url + path, timeout=_TIMEOUT, **options)
        except requests.ConnectionError as error:
            hint = "start it with 'caer-data annotate serve'" if self.files else "check the address"
            raise CaerError(
                f"no Label Studio answers at {self.url} ({_root(error)}); {hint}, then run the "
                "same command again"
            ) from error
        except requests.RequestException as error:
            raise CaerError(
                f"the connection to {self.url} broke ({_root(error)}); run the same command again"
            ) from error

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # A callable keeps `requests` from looking for other credentials in a .netrc file.
        if _is_jwt(self._token):
            if time.time() > self._access_until - 30:
                self._refresh()
            request.headers["Authorization"] = f"Bearer {self._access}"
        else:
            request.headers["Authorization"] = f"Token {self._token}"
        return request

    def _refresh(self) -> None:
        reply = self.send(
            self._session, "POST", "/api/token/refresh/", json={"refresh": self._token}
        )
        if not reply.ok:
            raise CaerError(
                f"{self.url} does not accept the personal access token ({reason_of(reply)}); make "
                f"a new one there and set {TOKEN_VARIABLE}"
            )
        self._access = str(reply.json()["access"])
        self._access_until = _expiry(self._access)

    def _check_version(self) -> None:
        reply = self.send(self._session, "GET", "/api/version", auth=None)
        try:
            release = str(reply.json()["release"])
            version = tuple(int(part) for part in release.split(".")[:2])
        except (ValueError, KeyError, TypeError) as error:
            raise CaerError(
                f"what answers at {self.url} is not a Label Studio (status {reply.status_code})"
            ) from error
        if version != SUPPORTED:
            raise CaerError(
                f"{self.url} runs Label Studio {release}; caer-data is tested with "
                f"{'.'.join(map(str, SUPPORTED))}.x only: use 'caer-data annotate serve', or have "
                "that version installed there"
            )

    def _is_guarded(self) -> bool:
        reply = self.send(self._session, "GET", "/caer-guard", auth=None)
        try:
            return reply.ok and "guard" in reply.json()
        except ValueError:
            return False


def connect(url: str | None) -> Server:
    """Reach the server at `url`, or the local one of `caer-data annotate serve`.

    The token of the local server is known; that of another comes from the environment variable
    CAER_LABEL_STUDIO_TOKEN or is asked for.
    """
    folder = server_folder()
    access = read_access(folder)
    if url is None and not (access and access.url):
        raise CaerError(
            "there is no local Label Studio yet; start it with 'caer-data annotate serve' in "
            "another terminal, or name a server with --url"
        )
    if access and access.url and (url is None or clean_url(url) in (access.url, access.public_url)):
        return Server(access.url, access.token, folder / "files", access.public_url)
    assert url is not None  # noqa: S101 - for the type checker
    return Server(url, _ask_token(url))


def _ask_token(url: str) -> str:
    import sys

    import click

    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token and sys.stdin.isatty():
        token = click.prompt(f"Token of an administrator of {url}", hide_input=True, err=True)
    if not token:
        raise CaerError(f"no token for {url}; set the environment variable {TOKEN_VARIABLE}")
    if not token.isascii() or not token.isprintable():
        raise CaerError(f"{TOKEN_VARIABLE} does not hold a token; copy it again")
    return token


def clean_url(url: str) -> str:
    """Hold an address to `http(s)://host[:port][/path]`, without a slash at the end.

    Raises:
        CaerError: it is something else, or has a user name or password in it.
    """
    if "@" in url:
        raise CaerError("leave user name and password out of --url; a token is used")
    try:
        parts = urlsplit(url.strip())
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment:
        raise CaerError(f"'{url}' is not an address such as https://labels.example.org")
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def reason_of(reply: requests.Response) -> str:
    """The server's own words for an error, as one short line."""
    try:
        said = reply.json()
    except ValueError:
        return reply.reason or "no reason given"
    if isinstance(said, dict):
        said = said.get("validation_errors") or said.get("detail") or said
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return " ".join(text.split())[:300]


def _is_jwt(token: str) -> bool:
    return token.count(".") == 2


def _expiry(jwt: str) -> float:
    """The `exp` of a JSON Web Token, in seconds; 0 where it has none."""
    payload = jwt.split(".")[1]
    try:
        return float(
            json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]
        )
    except (ValueError, KeyError, TypeError):
        return 0.0


def _root(error: BaseException) -> str:
    """The innermost cause of a network error, as a few words."""
    text = str(error)
    for part in ("refused", "timed out", "reset by peer", "Name or service not known", "SSL"):
        if part in text:
            return {"Name or service not known": "unknown host", "SSL": "bad certificate"}.get(
                part, f"connection {part}"
            )
    return type(error).__name__
