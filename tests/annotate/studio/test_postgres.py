"""A rating round on a real PostgreSQL server, reached by credentials in the environment alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from annotate_fixtures import Rater, Studio, free_port

from caer_data.annotate import push
from caer_data.annotate.presentations import dataset_id
from caer_data.annotate.pull import pull
from caer_data.annotate.studio import folders as places
from caer_data.annotate.studio import projects, server
from caer_data.annotate.studio.client import Server
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter

pytestmark = [pytest.mark.service, pytest.mark.server, pytest.mark.slow]

QUIET = Reporter("quiet")
PASSWORD = "a password for the tests"


def programs() -> Path:
    """Folder of Debian's PostgreSQL programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no PostgreSQL; apt-get install postgresql")
    return found[-1].parent


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fresh PostgreSQL, told to `serve` by the environment."""
    bin_, port = programs(), free_port()
    place = Path("/tmp") / f"caer-postgres-{os.getpid()}"
    place.mkdir()
    (place / "password").write_text(PASSWORD)
    user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(place, "postgres")
        shutil.chown(place / "password", "postgres")
        user = ["runuser", "-u", "postgres", "--"]

    def run(*command: str) -> None:
        subprocess.run([*user, *command], check=True, capture_output=True, cwd="/tmp")

    data, control = str(place / "data"), str(bin_ / "pg_ctl")
    options = f"-h 127.0.0.1 -p {port} -k {place}"
    try:
        run(str(bin_ / "initdb"), "-D", data, "-U", "caer", "-A", "scram-sha-256",
            "--pwfile", str(place / "password"))  # fmt: skip
        run(control, "-D", data, "-w", "-l", str(place / "log"), "-o", options, "start")
        values = {"HOST": "127.0.0.1", "PORT": str(port), "NAME": "postgres", "USER": "caer"}
        for name, value in {**values, "PASSWORD": PASSWORD}.items():
            monkeypatch.setenv(f"POSTGRE_{name}", value)
        yield
    finally:
        subprocess.run([*user, control, "-D", data, "-m", "immediate", "stop"], cwd="/tmp",
                       check=False, capture_output=True)  # fmt: skip
        shutil.rmtree(place)


def test_a_round_on_postgres(
    migrated: Path, database: None, tmp_path: Path, new_dataset: Callable[..., Dataset],
    six_raters: list[str],
    without_posters: Callable[[Dataset], None], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    dataset, people, folder = new_dataset(2), six_raters[:3], tmp_path / "server"
    without_posters(dataset)
    with server.running(folder, "127.0.0.1", free_port(), QUIET) as (url, _):
        access = places.read_access(folder)
        assert access is not None
        studio = Studio(url, folder, Server(url, access.token, server.files_folder(folder)))
        push.push(dataset, studio.server, QUIET, raters=people)
        number = projects.find(studio.server, dataset_id(dataset))[people[0]].number
        task = Rater(studio, people[0]).answer(number, "happy", "1.0")
        assert Rater(studio, people[0]).call("GET", task["data"]["video"]).status_code == 200
        assert Rater(studio, people[1]).call("GET", task["data"]["video"]).status_code == 403
        assert pull(dataset, studio.server, QUIET).ratings["emotion"].tolist() == ["happy"]
        assert push.push(dataset, studio.server, QUIET).added == 0
    assert not (folder / "label_studio.sqlite3").exists()
    assert places.database_of(folder) == places.POSTGRES
    written = [p for p in folder.rglob("*") if p.is_file() and "log" not in p.suffix]
    assert not any(PASSWORD.encode() in p.read_bytes() for p in [*written, folder / "server.log"])
    for name in ("HOST", "PORT", "NAME", "USER", "PASSWORD"):
        monkeypatch.delenv(f"POSTGRE_{name}")
    with (
        pytest.raises(CaerError, match="raters would find an empty one; set POSTGRE_HOST"),
        server.running(folder, "127.0.0.1", free_port(), QUIET),
    ):
        pass
