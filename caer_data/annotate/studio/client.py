"""Connect to a Label Studio server and check it.

Plain requests check that an address serves a supported version of Label Studio before a token is
sent there. Everything else uses the SDK (`caer_data.annotate.studio.sdk`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from caer_data.annotate.studio.folders import read_access, server_folder
from caer_data.annotate.studio.sdk import ANSWER_S, CONNECT_S, TOKEN_VARIABLE, Api, cause
from caer_data.engine.errors import CaerError

SUPPORTED = (1, 23)


class Server:
    """A running Label Studio server, accessed as its administrator.

    Args:
        url: its address.
        token: a legacy token or a personal access token (version 1.23 has both).
        files: folder from which it serves files, if it runs on this machine; else None.
        public_url: address for raters, if not `url`.

    Raises:
        CaerError: no server answers, the token is wrong, or the version is not supported.
    """

    def __init__(
        self, url: str, token: str, files: Path | None = None, public_url: str = ""
    ) -> None:
        self.url = clean_url(url)
        self.public_url = public_url or self.url
        self.files = files
        self._hint = "start it with 'caer-data annotate serve'" if files else "check the address"
        self._check_version()
        self.guarded = self._is_guarded()
        self.api = Api(self.url, token, self._direct, self._hint)
        self.api.read("users.whoami")  # checks the token

    @property
    def _direct(self) -> bool:
        """Whether the server is on this machine, so that no proxy must be used."""
        return (urlsplit(self.url).hostname or "") in ("127.0.0.1", "localhost", "::1")

    def form(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request without the token, like a browser; only connection errors raise."""
        with requests.Session() as session:
            session.trust_env = not self._direct
            session.auth = _nobody  # ignores a .netrc file
            wait = (CONNECT_S, ANSWER_S)
            options = {"timeout": wait, "allow_redirects": False, **options}
            try:
                return session.request(method, self.url + path, **options)
            except requests.ConnectionError as error:
                raise CaerError(
                    f"no Label Studio answers at {self.url} ({cause(error)}); {self._hint}, then "
                    "run the same command again"
                ) from error
            except requests.RequestException as error:
                raise CaerError(
                    f"the connection to {self.url} broke ({cause(error)}); run the same command "
                    "again"
                ) from error

    def _check_version(self) -> None:
        reply = self.form("GET", "/api/version")
        if reply.is_redirect:
            raise CaerError(
                f"{self.url} redirects to {reply.headers['Location']}; use that address"
            )
        try:
            release = str(reply.json()["release"])
            version = tuple(int(part) for part in release.split(".")[:2])
        except (ValueError, KeyError, TypeError) as error:
            raise CaerError(
                f"the server at {self.url} is not Label Studio (status {reply.status_code})"
            ) from error
        if version != SUPPORTED:
            raise CaerError(
                f"{self.url} runs Label Studio {release}; caer-data is tested with "
                f"{'.'.join(map(str, SUPPORTED))}.x only: use 'caer-data annotate serve', or ask "
                "for that version to be installed there"
            )

    def _is_guarded(self) -> bool:
        reply = self.form("GET", "/caer-guard")
        try:
            return reply.ok and "guard" in reply.json()
        except ValueError:
            return False


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def connect(url: str | None) -> Server:
    """Return the server at `url`, or the local one started by `caer-data annotate serve`.

    The token of the local server is known. For another server, it is read from the environment
    variable CAER_LABEL_STUDIO_TOKEN, or the user is prompted for it.
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
        raise CaerError(f"{TOKEN_VARIABLE} is not a token; copy it again")
    return token


def clean_url(url: str) -> str:
    """Return an address as `http(s)://host[:port][/path]`, without a trailing slash.

    Raises:
        CaerError: the address is malformed, or contains a user name or password.
    """
    if "@" in url:
        raise CaerError("remove the user name and password from --url; a token is used instead")
    try:
        parts = urlsplit(url.strip())
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment:
        raise CaerError(f"'{url}' is not an address such as https://labels.example.org")
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
