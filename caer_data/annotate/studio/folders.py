"""Folders of the local server, all outside of datasets and repositories.

cache folder    the server's Python environment; installed again if deleted (see
                `engine.cache`)
server folder   its database, clips as served, log, and secrets (files that only the user can read)
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path

ADMIN = "admin@caer.local"


def server_folder() -> Path:
    """Return `$CAER_SERVER`, else `caer-data/label-studio` in the user's data folder.

    One server can serve any number of datasets. Answers exist only here until they are pulled.
    """
    given = os.environ.get("CAER_SERVER")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return (Path(given) if given else Path(base) / "caer-data" / "label-studio").absolute()


def private_folder(folder: Path) -> Path:
    """Create a folder that only the user can open; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def write_private(path: Path, text: str) -> None:
    """Write a file that only the user can read, complete or not at all."""
    with atomic_path(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)


SQLITE, POSTGRES = "sqlite", "postgresql"


def database_of(folder: Path) -> str | None:
    """Return the kind of database of a server folder; None if no server was started there."""
    path = folder / "database"
    if path.is_file():
        return path.read_text(encoding="utf-8").strip()
    return SQLITE if (folder / "label_studio.sqlite3").is_file() else None


def claim_database(folder: Path, kind: str) -> None:
    """Record the kind of database of a new server folder, or require the recorded one.

    Raises:
        CaerError: the folder was used with another kind, so raters would find an empty server.
    """
    began = database_of(folder)
    if began is not None and began != kind:
        remedy = (
            "set POSTGRE_HOST, POSTGRE_PORT, POSTGRE_NAME, POSTGRE_USER and POSTGRE_PASSWORD"
            if began == POSTGRES
            else "unset the variables that begin with POSTGRE_"
        )
        raise CaerError(
            f"{folder}: the answers of this server are in {began}, and raters would find an empty "
            f"one; {remedy}, or set CAER_SERVER to a new folder"
        )
    if not (folder / "database").is_file():
        write_private(folder / "database", f"{kind}\n")


@dataclass(frozen=True)
class Access:
    """Address and credentials of the local server's administrator.

    `public_url` is the address for raters, if the server is behind a proxy.
    """

    url: str
    password: str
    token: str
    public_url: str = ""


def access_path(folder: Path) -> Path:
    """Return the file of secrets in a server folder."""
    return folder / "access.json"


def read_access(folder: Path) -> Access | None:
    """Return the secrets of the local server; None if no server was ever started."""
    path = access_path(folder)
    try:
        return Access(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise CaerError(
            f"{path}: damaged ({error}); restore it from a backup, or set CAER_SERVER to a new "
            "folder to start an empty server"
        ) from error


def write_access(folder: Path, access: Access) -> None:
    """Save the secrets of the local server."""
    write_private(access_path(folder), json.dumps(asdict(access), indent=1))
