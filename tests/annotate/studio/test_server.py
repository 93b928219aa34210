"""The local server: closed to the outside, alone on its port, gone after Ctrl-C."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from filelock import FileLock

from caer_data.annotate import push
from caer_data.annotate.studio import environment, server
from caer_data.annotate.studio import folders as places
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import BusyError, CaerError
from caer_data.engine.progress import Reporter

QUIET = Reporter("quiet")
ACCESS = places.Access("http://127.0.0.1:8080", "password", "token")


def test_the_environment_is_scrubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stray = ("USERNAME", "PASSWORD", "HOST", "PORT", "DEBUG", "SECRET_KEY", "SENTRY_DSN", "USER",
             "LABEL_STUDIO_DEBUG", "HEARTEX_HOST", "PYTHONSTARTUP", "HTTP_PROXY")  # fmt: skip
    for name in stray:
        monkeypatch.setenv(name, "stray")
    found = server.settings(tmp_path, ACCESS, "127.0.0.1", True)
    assert "stray" not in found.values()
    assert found["DJANGO_DB"] == "sqlite" and found["LABEL_STUDIO_SENTRY_DSN"] == ""


def test_postgres_settings_are_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRE_HOST", "database.example")
    found = server.settings(tmp_path, ACCESS, "127.0.0.1", True)
    assert found["POSTGRE_HOST"] == "database.example" and found["DJANGO_DB"] == "default"


@pytest.mark.parametrize(
    ("host", "loopback", "url"),
    [
        ("127.0.0.1", True, "http://127.0.0.1:80"),
        ("localhost", True, "http://localhost:80"),
        ("::1", True, "http://[::1]:80"),
        ("0.0.0.0", False, "http://127.0.0.1:80"),
        ("192.168.0.7", False, "http://192.168.0.7:80"),
    ],
)
def test_hosts(tmp_path: Path, host: str, loopback: bool, url: str) -> None:
    assert server.is_loopback(host) is loopback and server.url_of(host, 80) == url
    hosts = server.settings(tmp_path, ACCESS, host, True)["LABEL_STUDIO_ALLOWED_HOSTS"]
    assert (hosts == "*") is not loopback


def test_a_busy_port_is_an_error_with_a_hint(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CaerError, match=rf"port {port} .* --port"):
            server.serve(tmp_path / "server", "127.0.0.1", port, QUIET)
    assert not places.access_path(tmp_path / "server").exists()
    assert signal.getsignal(signal.SIGTERM) is before  # library code leaves handlers alone


def test_a_second_server_leaves_the_first_its_folder(tmp_path: Path, free_port_number: int) -> None:
    places.write_access(tmp_path, ACCESS)
    (tmp_path / "server.log").write_text("the first")
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(BusyError, match=r"already runs at http://127.0.0.1:8080; it serves all"),
    ):
        server.serve(tmp_path, "127.0.0.1", free_port_number, QUIET)
    assert places.read_access(tmp_path) == ACCESS
    assert (tmp_path / "server.log").read_text() == "the first"


def test_the_lock_goes_with_a_killed_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from caer_data.annotate.studio import server;"
        "held = server._alone(Path(sys.argv[1])); held.__enter__(); print('held', flush=True);"
        "time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(BusyError), server._alone(tmp_path):
        pass
    holder.kill()
    holder.wait()
    with server._alone(tmp_path):
        pass


def test_a_server_that_ends_at_once_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port_number: int
) -> None:
    monkeypatch.setenv("CAER_CACHE", str(tmp_path))
    program = environment.python(environment.environment())
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho first; echo the database is on fire; exit 1\n")
    program.chmod(0o755)
    with pytest.raises(CaerError, match="did not start: the database is on fire"):
        server.serve(tmp_path / "server", "127.0.0.1", free_port_number, QUIET)


def test_an_install_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAER_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(CaerError, match=rf"{environment.VERSION} could not be installed .*network"):
        environment.install(QUIET)
    assert environment.installed_version() is None
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


@pytest.mark.server
@pytest.mark.slow
class TestReal:
    def test_a_newcomer_needs_only_serve_and_push(
        self, migrated: Path, tmp_path: Path, new_dataset: Callable[..., Dataset],
        free_port_number: int,
    ) -> None:  # fmt: skip
        dataset = new_dataset(2)
        raters = tmp_path / "raters.txt"
        raters.write_text("".join(f"r{n}@example.org\n" for n in range(3)))
        folder = tmp_path / "server"
        shutil.copytree(migrated, folder)
        variables = {**os.environ, "CAER_SERVER": str(folder)}
        verb = [sys.executable, "-m", "caer_data", "annotate"]
        serving = subprocess.Popen(
            [*verb, "serve", "--port", str(free_port_number), "--json"],
            env=variables, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert serving.stdout is not None
            line = next(text for text in serving.stdout if '"result"' in text)
            url = json.loads(line)["url"]
            family = [serving.pid, *(c.pid for c in psutil.Process(serving.pid).children(True))]
            assert len(family) > 1
            pushed = subprocess.run(
                [*verb, "push", "-d", str(dataset.folder), "--raters", str(raters)],
                env=variables, capture_output=True, text=True, check=True,
            )  # fmt: skip
            assert "r0@example.org" in pushed.stderr and f"{url}/projects/" in pushed.stderr
            log = (folder / "server.log").read_bytes()
            second = subprocess.run(
                [*verb, "serve", "--port", str(free_port_number + 1)],
                env=variables, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert second.returncode != 0 and f"already runs at {url}" in second.stderr
            assert (folder / "server.log").read_bytes().startswith(log)
            secrets = folder / "passwords.csv"
            assert str(secrets) in pushed.stderr.replace("\n", "")
            assert not any(
                row.split(",")[1] in pushed.stderr for row in secrets.read_text().split()[1:]
            )
            shown = subprocess.run(
                [*verb, "status", "-d", str(dataset.folder)],
                env=variables, capture_output=True, text=True, check=True,
            )  # fmt: skip
            assert "0 of 2 clips have all their answers" in shown.stdout
            pulled = subprocess.run(
                [*verb, "pull", "-d", str(dataset.folder)],
                env=variables, capture_output=True, text=True, check=True,
            )  # fmt: skip
            assert "0 ratings accepted" in pulled.stderr and "Agreement" in pulled.stdout
            assert dataset.report_path.is_file() and len(dataset.ratings) == 0
        finally:
            serving.send_signal(signal.SIGINT)
            assert serving.wait(30) == 0
        assert [pid for pid in family if psutil.pid_exists(pid)] == []
        with sqlite3.connect(folder / "label_studio.sqlite3") as database:
            assert database.execute("select count(*) from task").fetchone() == (6,)

    def test_the_server_does_not_outlive_a_killed_serve(
        self, migrated: Path, tmp_path: Path, free_port_number: int
    ) -> None:
        folder = tmp_path / "server"
        shutil.copytree(migrated, folder)
        serving = subprocess.Popen(
            [sys.executable, "-m", "caer_data", "annotate", "serve", "--port",
             str(free_port_number), "--json"],
            env={**os.environ, "CAER_SERVER": str(folder)}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert serving.stdout is not None
        assert any('"result"' in line for line in serving.stdout)
        family = psutil.Process(serving.pid).children(recursive=True)
        assert family
        serving.kill()
        serving.wait()
        gone, left = psutil.wait_procs(family, timeout=30)
        assert gone and not left

    def test_the_database_lets_readers_and_a_writer_work_side_by_side(self, studio: Any) -> None:
        with sqlite3.connect(studio.folder / "label_studio.sqlite3") as database:
            assert database.execute("pragma journal_mode").fetchone() == ("wal",)

    def test_secrets_are_for_the_user_alone(self, studio: Any) -> None:
        for path in (studio.folder, places.access_path(studio.folder), studio.folder / ".env"):
            assert path.stat().st_mode & 0o077 == 0, path

    def test_it_listens_on_loopback_alone(self, studio: Any) -> None:
        port = int(studio.url.rsplit(":", 1)[1])
        listening = [
            connection.laddr.ip
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
        ]
        assert listening == ["127.0.0.1"]
        reply = requests.get(f"{studio.url}/user/login/", headers={"Host": "evil.example"})
        assert reply.status_code == 400
        reply = requests.get(f"{studio.url}/health", headers={"Origin": "http://evil.example"})
        assert "Access-Control-Allow-Origin" not in reply.headers

    def test_it_spoke_to_nobody_outside(
        self, studio: Any, new_dataset: Callable[..., Dataset], six_raters: list[str], rater_of: Any
    ) -> None:
        dataset = new_dataset(1)
        push.push(dataset, studio.server, QUIET, raters=six_raters[:3])
        assert rater_of(studio, six_raters[0]).call("GET", "/").status_code == 302
        log = studio.folder / "audit" / "canary.log"
        assert log.read_text() == "audit hook is on\n"
        spoken = studio.folder / "outside.log"
        lines = spoken.read_text().splitlines() if spoken.is_file() else []
        assert [line for line in lines if not is_local(line)] == []


def is_local(line: str) -> bool:
    """Whether a logged connection or look-up stays on this machine."""
    names = (socket.gethostname(), "127.0.0.1", "localhost", "::1", "0.0.0.0", "None")
    return any(f"'{name}'" in line or f"({name}," in line for name in names)


def test_on_windows_serving_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.sys, "platform", "win32")
    with pytest.raises(CaerError, match=r"Windows.*WSL.*--url"):
        server.serve(tmp_path, "127.0.0.1", 8080, QUIET)
    assert list(tmp_path.iterdir()) == []
