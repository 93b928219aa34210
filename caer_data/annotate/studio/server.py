"""`caer-data annotate serve`: run the pinned Label Studio on the loopback address, with the guard.

The server runs in its own process group, so that Ctrl-C ends all of its processes. Its settings
disable all calls to other hosts (analytics, version check, Sentry).
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import requests
from filelock import FileLock, Timeout

from caer_data.annotate.studio import environment
from caer_data.annotate.studio.client import clean_url
from caer_data.annotate.studio.folders import (
    ADMIN,
    POSTGRES,
    SQLITE,
    Access,
    claim_database,
    private_folder,
    read_access,
    write_access,
)
from caer_data.engine.errors import BusyError, CaerError
from caer_data.engine.progress import Reporter

GUARD_FOLDER = Path(__file__).parent / "guard"

# The only variables that the server inherits. Label Studio gives others a meaning of its own
# (USERNAME, PASSWORD, HOST, PORT, DEBUG, ...).
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT")

KEYMAP = (
    '{"media:playpause":{"key":"space","mac":"space","description":"Play or pause"},'
    '"annotation:submit":{"key":"enter","mac":"enter","description":"Submit"}}'
)
_START_SECONDS = 600


def files_folder(folder: Path) -> Path:
    """Return the folder of files that the server may serve: `clips/<project>/...`."""
    return folder / "files"


def settings(folder: Path, access: Access, host: str, guard: bool) -> dict[str, str]:
    """Return the environment variables of the server process.

    Args:
        folder: the server folder.
        access: secrets of the administrator.
        host: address on which it listens.
        guard: whether to use the guard. Without it, any rater can read everybody's answers; this
            is for tests only.
    """
    public = {"CAER_PUBLIC_URL": access.public_url} if access.public_url else {}
    hosts = ["127.0.0.1", "localhost", "[::1]"]
    hosts += [urlsplit(access.public_url).hostname or ""] if public else []
    postgres = _postgres()
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        **postgres,
        **public,
        "DJANGO_DB": "default" if postgres else "sqlite",
        "HOME": str(folder),  # libraries that write to the home folder use the server folder
        "PYTHONPATH": str(GUARD_FOLDER),
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "caer_guard_settings",
        "CAER_GUARD": "on" if guard else "off",
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "LABEL_STUDIO_USERNAME": ADMIN,
        "LABEL_STUDIO_PASSWORD": access.password,
        "LABEL_STUDIO_USER_TOKEN": access.token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(files_folder(folder)),
        "LABEL_STUDIO_ALLOWED_HOSTS": ",".join(hosts) if is_loopback(host) or public else "*",
        "LABEL_STUDIO_CORS_ALLOW_ALL_ORIGINS": "false",
        "LABEL_STUDIO_EDITOR_KEYMAP": KEYMAP,
        "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
        "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
        "LABEL_STUDIO_SENTRY_DSN": "",
        "LABEL_STUDIO_FRONTEND_SENTRY_DSN": "",
    }


def _postgres() -> dict[str, str]:
    """Return the variables for PostgreSQL set in the environment; empty for SQLite."""
    return {k: v for k, v in os.environ.items() if k.startswith("POSTGRE_")}


def check_public(url: str) -> str:
    """Return the raters' address as `https://name[:port]`.

    Raises:
        CaerError: the address is malformed, or has a path, which is not supported.
    """
    address = clean_url(url)
    if not address.startswith("https://") or urlsplit(address).path:
        raise CaerError(
            f"--public-url: '{url}' must be https:// and a host name, such as "
            "https://rate.lab.org; use a separate host name for the server, not a path"
        )
    return address


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached only from this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def url_of(host: str, port: int) -> str:
    """Return the address for a browser on this machine."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


@contextmanager
def running(
    folder: Path,
    host: str,
    port: int,
    reporter: Reporter,
    *,
    guard: bool = True,
    public_url: str = "",
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the server for the duration of the block; yield its address and process.

    `public_url` is the address at which raters reach it through a proxy.

    Raises:
        BusyError: a server already runs on this folder.
        CaerError: the port is in use, or the server does not start (the message quotes its log).
    """
    with _alone(private_folder(folder)):
        _require_free(host, port)
        yield from _started(folder, host, port, reporter, guard, public_url)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock the server folder; the lock ends with the process, even if it is killed."""
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        access = read_access(folder)
        where = f" at {access.url}" if access else ""
        raise BusyError(
            f"{folder}: a server already runs{where}; it serves all your datasets"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _started(
    folder: Path, host: str, port: int, reporter: Reporter, guard: bool, public_url: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    claim_database(folder, POSTGRES if _postgres() else SQLITE)
    python = environment.python(environment.install(reporter))
    url = url_of(host, port)
    access = read_access(folder) or Access("", secrets.token_urlsafe(24), secrets.token_hex(20))
    access = replace(access, url=url, public_url=public_url)
    write_access(folder, access)
    files_folder(folder).mkdir(exist_ok=True)
    log = folder / "server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [str(python), "-m", "label_studio.server", "start", "--no-browser",
             "--internal-host", host, "--port", str(port)],
            env=settings(folder, access, host, guard) | {"CAER_LIFELINE": "stdin"}, cwd=folder,
            stdin=subprocess.PIPE, stdout=stream, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            _wait_until_up(process, url, log, reporter)
            yield url, process
        finally:
            _stop(process)


def serve(
    folder: Path, host: str, port: int, reporter: Reporter, public_url: str | None = None
) -> None:
    """Run the server until a KeyboardInterrupt, such as Ctrl-C or a signal turned into one.

    Raises:
        CaerError: the server cannot start or exits unexpectedly, or the machine runs Windows.
    """
    if sys.platform == "win32":
        raise CaerError(
            "annotate serve: does not run on Windows; run it in the Linux subsystem (WSL), or name "
            "a server on another machine with --url"
        )

    public = check_public(public_url) if public_url else ""

    try:
        with running(folder, host, port, reporter, public_url=public) as (url, process):
            reporter.say(
                f"Label Studio is ready at {url}; its data is in {folder}.\n"
                "Now send the clips, in another terminal: "
                "caer-data annotate push --raters raters.txt\n"
                "Ctrl-C stops the server; all answers are kept."
            )
            if public:
                reporter.say(f"Raters reach it at {public}, through your proxy.")
            elif not is_loopback(host):
                reporter.warn(
                    f"Everybody who can reach {host}:{port} sees the login page, and passwords "
                    "travel unencrypted: put an HTTPS proxy in front, or use a private network. "
                    f"On other machines, raters replace the host in {url} with this machine's name."
                )
            reporter.result({"url": url, "public_url": public or None, "folder": str(folder)})
            process.wait()
            raise CaerError(f"Label Studio exited unexpectedly; see {folder / 'server.log'}")
    except KeyboardInterrupt:
        reporter.say("The server has stopped; all answers are kept.")


def _require_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            raise CaerError(
                f"port {port} of {host} cannot be used ({error.strerror}); if another 'caer-data "
                "annotate serve' runs, it serves all your datasets; otherwise choose another port "
                "with --port"
            ) from error


def _wait_until_up(
    process: subprocess.Popen[bytes], url: str, log: Path, reporter: Reporter
) -> None:
    started = time.monotonic()
    with reporter.stage("start", total=1, unit="server") as bar, requests.Session() as session:
        session.trust_env = False  # ignores proxies, because the server is on this machine
        while time.monotonic() - started < _START_SECONDS:
            if process.poll() is not None:
                break
            try:
                if session.get(f"{url}/health", timeout=2).ok:
                    bar.advance(1)
                    return
            except requests.RequestException:
                pass
            time.sleep(0.25)
            bar.advance(0, note="the first start takes longer")
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise CaerError(
        f"Label Studio did not start: {lines[-1] if lines else 'no message'}; its output is in "
        f"{log}"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the whole process group: first with SIGTERM, then with SIGKILL."""
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
