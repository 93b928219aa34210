"""Raters' accounts on the server, and the initial passwords that the administrator hands out."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from caer_data.annotate.studio.client import Server
from caer_data.annotate.studio.folders import private_folder, server_folder, write_private
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter


def users(server: Server) -> dict[int, str]:
    """Return the e-mail address, in lower case, of every account by its number."""
    found = server.api.read("users.list")
    return {int(user.id): str(user.email).lower() for user in found}


def password_path(server: Server) -> Path:
    """Return the private file with a server's initial passwords, which is outside all datasets."""
    return server.files.parent / "passwords.csv" if server.files else _path_by_address(server)


def _path_by_address(server: Server) -> Path:
    host = urlsplit(server.url).netloc.replace(":", "_").strip("[]")
    folder = server.files.parent if server.files else server_folder()
    return folder / f"passwords-{host}.csv"


def ensure(server: Server, raters: Sequence[str], reporter: Reporter) -> int:
    """Create the missing accounts; return their number.

    A password is written to the file before its account is created, so that none is lost if the
    process is killed.
    """
    path, earlier = password_path(server), _path_by_address(server)
    if earlier.is_file() and not path.is_file():  # name without port, from earlier versions
        earlier.rename(path)
    existing = set(users(server).values())
    missing = [rater for rater in raters if rater not in existing]
    if not missing:
        return 0
    known = _read(path)
    fresh = {rater: known.get(rater) or secrets.token_urlsafe(12) for rater in missing}
    _write(path, known | fresh, server.public_url)
    invite = str(server.api.read("organizations.invites.get_invite_link").token)
    with reporter.stage("accounts", total=len(missing), unit="raters") as bar:
        for rater in missing:
            _sign_up(server, invite, rater, fresh[rater])
            bar.advance()
    return len(missing)


def forget_password(server: Server, rater: str) -> None:
    """Remove a rater from the file of initial passwords."""
    for path in (password_path(server), _path_by_address(server)):
        known = _read(path)
        if known.pop(rater, None) is not None:
            _write(path, known, server.url)


def _sign_up(server: Server, invite: str, rater: str, password: str) -> None:
    """Register through the invitation page, because accounts created by the API cannot log in."""
    path = f"/user/signup/?token={invite}"
    token = server.form("GET", path).cookies.get("csrftoken", "")
    form = {"email": rater, "password": password, "csrfmiddlewaretoken": token}
    # The cookie is set by hand: behind a proxy it is limited to HTTPS, but this bypasses the proxy.
    headers = {"Referer": server.url + path, "Cookie": f"csrftoken={token}"}
    reply = server.form("POST", path, data=form, headers=headers)
    if reply.status_code != 302:
        said = reply.reason if reply.status_code != 200 else "the form was not accepted"
        raise CaerError(f"{server.url}: the account of {rater} could not be created ({said})")


def _read(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["rater"]: row["password"] for row in csv.DictReader(stream)}


def _write(path: Path, passwords: dict[str, str], url: str) -> None:
    private_folder(path.parent)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("rater", "password", "address"))
    writer.writerows((rater, password, url) for rater, password in sorted(passwords.items()))
    write_private(path, text.getvalue())
