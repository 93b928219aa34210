"""Small datasets with real clips, and a real Label Studio, for the tests of annotation."""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
import json
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
import requests
from filelock import FileLock
from keyed import key_clips

from caer_data.annotate.studio import accounts, environment, media, server
from caer_data.annotate.studio import folders as places
from caer_data.annotate.studio.client import Server
from caer_data.engine import anchors, tables
from caer_data.engine.cache import cache_folder
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Recipe, dump

FRAMES, FPS, WIDTH, HEIGHT = 50, 25, 320, 180

# Encoder arguments of clips that a browser plays, and of those it does not.
CODINGS = {
    "playable": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "mp4"),
    "hevc": ("-c:v", "libx265", "-x265-params", "log-level=none", "-c:a", "aac", "-f", "mp4"),
    "10-bit": ("-c:v", "libx264", "-pix_fmt", "yuv420p10le", "-c:a", "aac", "-f", "mp4"),
    "4:4:4": ("-c:v", "libx264", "-pix_fmt", "yuv444p", "-c:a", "aac", "-f", "mp4"),
    "avi": ("-c:v", "mpeg4", "-c:a", "mp3", "-f", "avi"),
    "opus": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "libopus", "-f", "mp4"),
    "silent": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-an", "-f", "mp4"),
}


@functools.cache
def _clip_bytes(coding: str, number: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "clip"
        subprocess.run(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error",
             "-f", "lavfi", "-i", f"testsrc2=size={WIDTH}x{HEIGHT}:rate={FPS}",
             "-f", "lavfi", "-i", f"sine=frequency={300 + 60 * number}",
             "-vf", f"hue=h={40 * number}", "-t", str(FRAMES / FPS), "-shortest",
             *CODINGS[coding], str(target)],
            check=True,
        )  # fmt: skip
        return target.read_bytes()


def make_dataset(folder: Path, clips: int, codings: tuple[str, ...] = ()) -> Dataset:
    """A built dataset of clips of two seconds; the first ones coded as asked for."""
    dataset = Dataset(folder)
    folder.mkdir(parents=True, exist_ok=True)
    dataset.recipe_path.write_text(dump(Recipe()), encoding="utf-8")
    rows, faces, tracks = [], [], []
    for number in range(clips):
        coding = codings[number] if number < len(codings) else "playable"
        content = _clip_bytes(coding, number % 4)
        path = f"clips/secret-show/c{number:05d}.{'avi' if coding == 'avi' else 'mp4'}"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        start = number * FRAMES
        names = {
            "clip_id": f"secret-show-s01e01-s{number:05d}-p0",
            "shot_id": f"secret-show-s01e01-s{number:05d}",
            "video_id": "secret-show-s01e01",
            "track_id": f"secret-show-s01e01-s{number:05d}-t0",
        }
        rows.append(
            {
                **names, "show": "Secret Show", "episode": "s01e01",
                "start_frame": start, "end_frame": start + FRAMES,
                "start_pts": start, "end_pts": start + FRAMES,
                "start_s": start / FPS, "end_s": (start + FRAMES) / FPS,
                "status": "kept", "n_people": 1, "person_id": "secret-show-p0", "path": path,
                "width": WIDTH, "height": HEIGHT, "fps": str(FPS), "frames": FRAMES,
                "has_audio": coding != "silent", "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )  # fmt: skip
        tracks.append(
            {
                "track_id": names["track_id"], "shot_id": names["shot_id"],
                "video_id": names["video_id"], "person_id": "secret-show-p0",
                "start_frame": start, "end_frame": start + FRAMES, "start_s": start / FPS,
                "end_s": (start + FRAMES) / FPS, "coverage": 1.0, "detections": 2, "score": 0.9,
                "face_height": 0.4, "sharpness": 0.5, "brightness": 0.5,
            }
        )  # fmt: skip
        for frame in (start, start + 20):
            faces.append(
                {
                    "track_id": names["track_id"], "frame": frame, "time_s": frame / FPS,
                    "x1": 200.0, "y1": 60.0, "x2": 320.0, "y2": 200.0 + frame - start,
                    "score": 0.9, "interpolated": False,
                }
            )  # fmt: skip
    video = {
        "video_id": "secret-show-s01e01", "show": "Secret Show", "episode": "s01e01",
        "path": "Secret Show/s01e01.mkv", "status": "ok", "bytes": 1,
        "width": 2 * WIDTH, "height": 2 * HEIGHT, "frames": clips * FRAMES, "fps": str(FPS),
        "time_base": f"1/{FPS}", "first_pts": 0, "duration_s": clips * FRAMES / FPS,
        "variable_rate": False, "has_audio": True, "rotation": 0, "pixel_aspect": "1",
        "video_codec": "h264", "sha256": "0" * 64,
    }  # fmt: skip
    dataset.write(tables.VIDEOS, tables.frame(tables.VIDEOS, [video]))
    dataset.write(tables.FACES, tables.frame(tables.FACES, faces))
    dataset.write(tables.CLIPS, tables.frame(tables.CLIPS, rows))
    made = {"caer_data": "0", "python": "3", "platform": "here", "ffmpeg": "7", "packages": {}}
    (folder / "provenance.json").write_text(json.dumps(made))
    dataset.write(tables.TRACKS, tables.frame(tables.TRACKS, tracks))
    for table in (tables.SHOTS, tables.PEOPLE):
        dataset.write(table, tables.empty(table))
    key_clips(dataset)
    return dataset


RATERS = [f"rater{number}@example.org" for number in range(1, 7)]


@pytest.fixture(scope="session")
def six_raters() -> list[str]:
    """Addresses of six raters."""
    return list(RATERS)


def skip_posters(dataset: Dataset) -> None:
    """Put one picture instead of every poster, where a test is not about posters."""
    folder = dataset.work_folder / "annotate"
    folder.mkdir(parents=True, exist_ok=True)
    for clip in anchors.present(dataset.clips).itertuples():
        (folder / f"{media.file_name(clip)}.jpg").write_bytes(b"a picture")


@pytest.fixture(scope="session")
def without_posters() -> Callable[[Dataset], None]:
    """Saves the time of drawing posters."""
    return skip_posters


@pytest.fixture(scope="session")
def dataset_of() -> Callable[..., Dataset]:
    """Makes a dataset of some clips in a folder."""
    return make_dataset


@pytest.fixture
def new_dataset(tmp_path: Path) -> Callable[..., Dataset]:
    """Makes a dataset of some clips below the test's folder."""
    return lambda clips, codings=(), name="dataset": make_dataset(tmp_path / name, clips, codings)


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def free_port_number() -> int:
    """A port nobody listens on right now."""
    return free_port()


@dataclass(frozen=True)
class Studio:
    """A running Label Studio."""

    url: str
    folder: Path
    server: Server


def migrate() -> Path:
    """Make a server folder whose database is set up, unless there is one; it takes a minute."""
    kept = cache_folder() / f"test-server-{environment.VERSION}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(kept.with_suffix(".lock")):  # tests may run in several processes
        if not kept.is_dir():
            quiet = Reporter("quiet")
            with (
                tempfile.TemporaryDirectory() as hasty,
                _customized(Path(hasty), HASTY),
                atomic_path(kept) as temporary,
                server.running(temporary, "127.0.0.1", free_port(), quiet),
            ):
                pass
    return kept


@pytest.fixture(scope="session")
def migrated() -> Path:
    """Server folder whose database is set up; it is kept."""
    try:
        environment.install(Reporter("quiet"))
    except CaerError as error:
        pytest.skip(f"no Label Studio to test with: {error}")
    return migrate()


# Nobody cuts the power of a test: the database need not wait for the disk after each transaction.
HASTY = """
import sqlite3.dbapi2
_connect = sqlite3.connect
def _hasty(*args, **options):
    connection = _connect(*args, **options)
    connection.execute("pragma synchronous=off")
    return connection
sqlite3.connect = sqlite3.dbapi2.connect = _hasty
"""

# Python's own audit events tell of every connection and every name that is looked up.
AUDIT = """
import os, sys
def _note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        with open(os.environ["LABEL_STUDIO_BASE_DATA_DIR"] + "/outside.log", "a") as stream:
            stream.write(f"{event} {arguments[1:] if event == 'socket.connect' else arguments}\\n")
sys.addaudithook(_note)
with open(os.environ["LABEL_STUDIO_BASE_DATA_DIR"] + "/audit/canary.log", "w") as stream:
    stream.write("audit hook is on\\n")
"""


@contextlib.contextmanager
def _patched(module: Any, name: str, value: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, value)
        yield


@contextlib.contextmanager
def _customized(folder: Path, code: str) -> Iterator[None]:
    """Servers that start meanwhile run this code first; it lies in that folder."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(code)
    plain = server.settings

    def customized(*args: Any) -> dict[str, str]:
        found = plain(*args)
        return {**found, "PYTHONPATH": f"{folder}:{found['PYTHONPATH']}"}

    with _patched(server, "settings", customized):
        yield


def _studio(migrated: Path, folder: Path, guard: bool) -> Iterator[Studio]:
    shutil.copytree(migrated, folder, dirs_exist_ok=True)
    quiet = Reporter("quiet")
    with (
        _customized(folder / "audit", HASTY + AUDIT),
        server.running(folder, "127.0.0.1", free_port(), quiet, guard=guard) as (url, _),
    ):
        access = places.read_access(folder)
        assert access is not None
        yield Studio(url, folder, Server(url, access.token, files=server.files_folder(folder)))


def first_passwords(studio: Studio) -> dict[str, str]:
    """What `push` wrote down, by rater."""
    with accounts.password_path(studio.server).open(newline="") as stream:
        return {row["rater"]: row["password"] for row in csv.DictReader(stream)}


class Rater:
    """Somebody who logs in through the page and speaks to the server as the page does."""

    def __init__(self, studio: Studio, email: str) -> None:
        self.url, self.email = studio.url, email
        self.session = requests.Session()
        self.session.trust_env = False
        passwords = first_passwords(studio)
        page = f"{self.url}/user/login/"
        self.session.get(page)
        form = {"email": email, "password": passwords[email], "csrfmiddlewaretoken": self._csrf()}
        reply = self.session.post(page, data=form, headers={"Referer": page}, allow_redirects=False)
        assert reply.status_code == 302, reply.text[:500]
        self.me = int(self.call("GET", "/api/current-user/whoami").json()["id"])

    def _csrf(self) -> str:
        return self.session.cookies.get("csrftoken", "")

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Any request, with the cookie and the token against forged requests."""
        headers = {"X-CSRFToken": self._csrf(), "Referer": self.url, **options.pop("headers", {})}
        return self.session.request(
            method, self.url + path, headers=headers, allow_redirects=False, **options
        )

    def answer(self, project: int, emotion: str, confidence: str, **extra: Any) -> dict[str, Any]:
        """Take the next clip of a project and answer it; give the task."""
        task = self.call("POST", f"/api/dm/actions?id=next_task&project={project}", json={})
        assert task.status_code == 200, task.text
        found: dict[str, Any] = task.json()
        body = {"result": result(emotion, confidence), "lead_time": 9.5, **extra}
        reply = self.call("POST", f"/api/tasks/{found['id']}/annotations", json=body)
        assert reply.status_code == 201, reply.text
        return found


def result(emotion: str, confidence: str) -> list[dict[str, Any]]:
    """An answer as the labelling page stores it."""
    return [
        {"from_name": name, "to_name": "clip", "type": "choices", "value": {"choices": [choice]}}
        for name, choice in (("emotion", emotion), ("confidence", confidence))
    ]


@pytest.fixture(scope="session")
def rater_of() -> type[Rater]:
    """Logs a rater in: `rater_of(studio, email)`."""
    return Rater


@pytest.fixture(scope="session")
def result_of() -> Callable[[str, str], list[dict[str, Any]]]:
    """Makes the stored form of an answer."""
    return result


@pytest.fixture(scope="session")
def studio(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The server as `caer-data annotate serve` runs it."""
    yield from _studio(migrated, tmp_path_factory.mktemp("guarded"), guard=True)


@pytest.fixture(scope="module")
def open_studio(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The same server without the guard."""
    yield from _studio(migrated, tmp_path_factory.mktemp("open"), guard=False)


if __name__ == "__main__":  # before the tests, so that they need not wait for it
    try:
        environment.install(Reporter("quiet"))
    except CaerError as error:
        print(f"tests of the rating server will be skipped: {error}")
    else:
        migrate()
