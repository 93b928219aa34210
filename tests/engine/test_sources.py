"""Shows in a store of objects: files without content until they are read, in bounded room."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import object_store
import pytest

from caer_data.engine import sources
from caer_data.engine.errors import CaerError
from caer_data.engine.objects import Bucket, parse

pytestmark = pytest.mark.service
MEGABYTE = 1024**2


@pytest.fixture(scope="module")
def server():
    started = object_store.Server()
    yield started
    started.kill()


@pytest.fixture
def tree(server, tmp_path, monkeypatch) -> Path:
    for key, value in object_store.environment(server.url, tmp_path / "cache").items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("CAER_SOURCE_CACHE_GB", str(5 * MEGABYTE / 1024**3))
    raw = tmp_path / "raw"
    (raw / "A Show").mkdir(parents=True)
    for number in range(4):
        (raw / "A Show" / f"e{number}.mp4").write_bytes(bytes([number + 1]) * 2 * MEGABYTE)
    (raw / "A Show" / "e0.srt").write_text("words")
    server.put_folder(raw, f"{tmp_path.name}/raw")
    return sources.mirrored(place(tmp_path), [".mp4"])


def place(tmp_path):
    return parse(f"s3://{object_store.BUCKET}/{tmp_path.name}/raw")


def taken(tree: Path) -> int:
    """Bytes that the videos take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in tree.rglob("*.mp4"))


def test_files_look_like_their_objects_and_take_no_room(tree) -> None:
    assert tree.name == "raw"
    assert sorted(path.name for path in tree.rglob("*.mp4")) == [f"e{n}.mp4" for n in range(4)]
    assert {path.stat().st_size for path in tree.rglob("*.mp4")} == {2 * MEGABYTE}
    assert taken(tree) == 0
    assert (tree / "A Show" / "e0.srt").read_text() == "words"
    assert sources.name_of(tree).startswith("s3://films/")


def test_content_is_here_while_it_is_held_and_room_is_bounded(tree) -> None:
    looks = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in tree.rglob("*.mp4")}
    for number in (0, 1, 2, 3, 0):
        path = tree / "A Show" / f"e{number}.mp4"
        with sources.held(path):
            assert path.read_bytes() == bytes([number + 1]) * 2 * MEGABYTE
        assert taken(tree) <= 5 * MEGABYTE
    assert looks == {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in looks}
    assert (tree / "A Show" / "e0.srt").read_text() == "words"


def test_what_is_read_is_never_emptied(tree) -> None:
    first, second, third = (tree / "A Show" / f"e{number}.mp4" for number in range(3))
    with sources.held(first), sources.held(second), sources.held(third):
        for number, path in enumerate((first, second, third)):
            assert path.read_bytes()[:1] == bytes([number + 1])


def test_a_fetch_that_was_killed_begins_again(tree, tmp_path) -> None:
    path = tree / "A Show" / "e1.mp4"
    with path.open("r+b") as stream:
        stream.write(b"half")  # which also changes its time
    sources.mirrored(place(tmp_path), [".mp4"])
    assert taken(tree) == 0
    with sources.held(path):
        assert path.read_bytes() == b"\2" * 2 * MEGABYTE


def test_an_object_that_is_replaced_or_gone_is_named(tree, tmp_path) -> None:
    first, second = tree / "A Show" / "e0.mp4", tree / "A Show" / "e1.mp4"
    bucket = Bucket(place(tmp_path))
    bucket.put("A Show/e0.mp4", b"another")
    bucket.remove(["A Show/e1.mp4"])
    with pytest.raises(CaerError, match=r"e0\.mp4: was replaced in s3://"), sources.held(first):
        pass
    with pytest.raises(CaerError, match=r"e1\.mp4: no longer exists"), sources.held(second):
        pass
    sources.mirrored(place(tmp_path), [".mp4"])
    assert not second.exists()
    with sources.held(first):
        assert first.read_bytes() == b"another"


def test_several_processes_may_want_the_same_file(tree) -> None:
    path = tree / "A Show" / "e2.mp4"
    code = (
        "import sys; from pathlib import Path; from caer_data.engine.sources import held\n"
        "path = Path(sys.argv[1])\n"
        "with held(path): sys.exit(path.read_bytes() != b'\\3' * 2 * 1024**2)"
    )
    words = [sys.executable, "-c", code, str(path)]
    running = [subprocess.Popen(words, env=dict(os.environ)) for _ in "abc"]
    assert [process.wait() for process in running] == [0, 0, 0]
