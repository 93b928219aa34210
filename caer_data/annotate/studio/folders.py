"""Where things of the local server live: all outside of datasets and repositories.

cache folder    the server's Python environment; may be deleted, is then made again (see
                `engine.cache`)
server folder   its database, clips as served, log, and the secrets (files only the user reads)
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
    """`$CAER_SERVER`, else `caer-data/label-studio` in the user's data folder.

    One server holds any number of datasets. Answers live here until they are pulled.
    """
    given = os.environ.get("CAER_SERVER")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return (Path(given) if given else Path(base) / "caer-data" / "label-studio").absolute()


def private_folder(folder: Path) -> Path:
    """Make a folder that only the user may look into."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def write_private(path: Path, text: str) -> None:
    """Write a file that only the user may read, whole or not at all."""
    with atomic_path(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)


@dataclass(frozen=True)
class Access:
    """How the local server's administrator gets in: address, password, token.

    `public_url` is the address for raters, where a proxy stands before the server.
    """

    url: str
    password: str
    token: str
    public_url: str = ""


def access_path(folder: Path) -> Path:
    """The file of secrets in a server folder."""
    return folder / "access.json"


def read_access(folder: Path) -> Access | None:
    """Secrets of the local server; None where none was ever started."""
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
    """Keep the secrets of the local server."""
    write_private(access_path(folder), json.dumps(asdict(access), indent=1))
