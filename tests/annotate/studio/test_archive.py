"""Backup and restore of a server folder; archives that are not whole or not ours are refused."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from annotate_fixtures import Rater, Studio, free_port

from caer_data.annotate import push
from caer_data.annotate.presentations import dataset_id
from caer_data.annotate.pull import pull
from caer_data.annotate.studio import archive, projects, server
from caer_data.annotate.studio import folders as places
from caer_data.annotate.studio.client import Server
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter

QUIET = Reporter("quiet")
CLIP = "files/clips/3/0abc.mp4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A server folder with what a server leaves in it."""
    folder = tmp_path / "server"
    (folder / "files/clips/3").mkdir(parents=True)
    (folder / CLIP).write_bytes(b"a clip")
    (folder / "server.log").write_text("much")
    (folder / ".env").write_text("SECRET_KEY=x")
    places.write_access(folder, places.Access("http://127.0.0.1:8080", "sesame", "token", "x"))
    with closing(sqlite3.connect(folder / "label_studio.sqlite3")) as database, database:
        database.execute("CREATE TABLE answers (emotion)")
        database.execute("INSERT INTO answers VALUES ('happy')")
    return folder


@pytest.fixture
def saved(folder: Path, tmp_path: Path) -> Path:
    """A backup of it."""
    assert archive.backup(folder, tmp_path / "saved.tar", QUIET) == 3
    return tmp_path / "saved.tar"


def test_what_is_saved_comes_back(saved: Path, tmp_path: Path) -> None:
    assert saved.stat().st_mode & 0o077 == 0
    new = tmp_path / "new"
    new.mkdir()
    assert archive.restore(saved, new, QUIET) == 3
    assert (new / CLIP).read_bytes() == b"a clip"
    with closing(sqlite3.connect(new / "label_studio.sqlite3")) as database:
        assert database.execute("SELECT * FROM answers").fetchall() == [("happy",)]
    assert places.read_access(new) == places.Access("", "sesame", "token")
    assert not (new / ".env").exists() and not (new / "server.log").exists()
    assert all(path.stat().st_mode & 0o077 == 0 for path in new.rglob("*") if path.is_file())
    assert new.stat().st_mode & 0o077 == 0


def test_equal_folders_give_equal_archives(folder: Path, saved: Path, tmp_path: Path) -> None:
    archive.backup(folder, tmp_path / "again.tar", QUIET)
    assert (tmp_path / "again.tar").read_bytes() == saved.read_bytes()


def test_nothing_is_written_over(folder: Path, saved: Path) -> None:
    with pytest.raises(CaerError, match="not empty, and a backup never overwrites a server"):
        archive.restore(saved, folder, QUIET)
    with pytest.raises(CaerError, match="already exists"):
        archive.backup(folder, saved, QUIET)


def test_nothing_to_save(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(CaerError, match="no rating server was started here"):
        archive.backup(tmp_path / "none", tmp_path / "x.tar", QUIET)
    places.claim_database(tmp_path, places.POSTGRES)
    with pytest.raises(CaerError, match="save them with pg_dump"):
        archive.backup(tmp_path, tmp_path / "x.tar", QUIET)
    assert not (tmp_path / "x.tar").exists()


def test_a_folder_keeps_its_kind_of_database(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(CaerError, match="raters would find an empty one; unset"):
        places.claim_database(folder, places.POSTGRES)
    places.claim_database(folder, places.SQLITE)
    places.claim_database(tmp_path, places.POSTGRES)
    with pytest.raises(CaerError, match="set POSTGRE_HOST"):
        places.claim_database(tmp_path, places.SQLITE)


Members = dict[str, tuple[tarfile.TarInfo, bytes]]


def members_of(saved: Path) -> Members:
    with tarfile.open(saved) as found:
        return {m.name: (m, found.extractfile(m).read()) for m in found}  # type: ignore[union-attr]


def written(members: Members, path: Path) -> Path:
    with tarfile.open(path, "w") as target:
        for member, data in members.values():
            member.size = len(data) if member.isreg() else 0
            target.addfile(member, io.BytesIO(data))
    return path


def named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Callable[[Members], None]:
    def change(members: Members) -> None:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        members.update({"new": (member, b"x"), **{k: members.pop(k) for k in list(members)}})

    return change


def listed(change: Callable[[dict[str, Any]], Any]) -> Callable[[Members], None]:
    def apply(members: Members) -> None:
        member, data = members["caer-server.json"]
        told = json.loads(data)
        change(told)
        members["caer-server.json"] = (member, json.dumps(told).encode())

    return apply


def content(name: str, data: bytes) -> Callable[[Members], None]:
    return lambda members: members.update({name: (members[name][0], data)})


HOSTILE: dict[str, Callable[[Members], Any]] = {
    "out of the folder": named("files/clips/3/../../../../evil.mp4"),
    "absolute": named("/tmp/evil.mp4"),
    "symbolic link": named("files/clips/3/link.mp4", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": named("files/clips/3/link.mp4", tarfile.LNKTYPE, "../../evil"),
    "device": named("files/clips/3/device.mp4", tarfile.CHRTYPE),
    "folder": named("files/clips/3", tarfile.DIRTYPE),
    "sparse": named("files/clips/3/sparse.mp4", tarfile.GNUTYPE_SPARSE),
    "settings of the server": named(".env"),
    "code": named("sitecustomize.py"),
    "not listed": named("files/clips/3/more.mp4"),
    "twice": named(CLIP),
    "another content": content(CLIP, b"a clap"),
    "cut off": content(CLIP, b"a"),
    "missing": lambda members: members.pop(CLIP),
    "no list": lambda members: members.pop("caer-server.json"),
    "list of nothing": content("caer-server.json", b"[]"),
    "list not JSON": content("caer-server.json", b"{"),
    "another format": listed(lambda told: told.update(format="zip")),
    "list of a number": listed(lambda told: told.update(files=7)),
    "after the list": lambda members: members.update({CLIP: members.pop(CLIP)}),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_hostile_archives_are_refused_and_leave_nothing(
    saved: Path, tmp_path: Path, change: Callable[[Members], Any]
) -> None:
    members = members_of(saved)
    change(members)
    bad = written(members, tmp_path / "bad.tar")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CaerError, match="not a complete backup of a rating server"):
        archive.restore(bad, tmp_path / "place" / "new", QUIET)
    assert [p for p in sorted(tmp_path.rglob("*")) if p.name != "place"] == before


@pytest.mark.parametrize("size", [0, 100, 600, 3000])
def test_archives_that_are_cut_or_no_archives(saved: Path, tmp_path: Path, size: int) -> None:
    saved.write_bytes(saved.read_bytes()[:size])
    with pytest.raises(CaerError, match="not a complete backup"):
        archive.restore(saved, tmp_path / "new", QUIET)
    with pytest.raises(CaerError, match="no such file"):
        archive.restore(tmp_path / "none.tar", tmp_path / "new", QUIET)
    assert not (tmp_path / "new").exists()


@pytest.mark.service
@pytest.mark.server
@pytest.mark.slow
def test_a_server_restored_elsewhere_has_answers_and_clips(
    migrated: Path, tmp_path: Path, new_dataset: Callable[..., Dataset], six_raters: list[str],
    without_posters: Callable[[Dataset], None],
) -> None:  # fmt: skip
    dataset, people = new_dataset(2), six_raters[:3]
    without_posters(dataset)
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(migrated, old)
    with server.running(old, "127.0.0.1", free_port(), QUIET) as (url, _):
        studio = studio_of(url, old)
        push.push(dataset, studio.server, QUIET, raters=people)
        number = projects.find(studio.server, dataset_id(dataset))[people[0]].number
        Rater(studio, people[0]).answer(number, "happy", "1.0")
        archive.backup(old, tmp_path / "saved.tar", QUIET)
    shutil.rmtree(old)
    archive.restore(tmp_path / "saved.tar", new, QUIET)
    with server.running(new, "127.0.0.1", free_port(), QUIET) as (url, _):
        studio = studio_of(url, new)
        assert pull(dataset, studio.server, QUIET).ratings["emotion"].tolist() == ["happy"]
        task = Rater(studio, people[0]).answer(number, "sad", "0.5")
        clip = Rater(studio, people[0]).call("GET", task["data"]["video"])
        assert clip.status_code == 200
        assert clip.content in {(dataset.folder / p).read_bytes() for p in dataset.clips["path"]}
        assert push.push(dataset, studio.server, QUIET).added == 0


def studio_of(url: str, folder: Path) -> Studio:
    access = places.read_access(folder)
    assert access is not None
    return Studio(url, folder, Server(url, access.token, server.files_folder(folder)))
