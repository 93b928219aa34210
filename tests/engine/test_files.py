from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_disk import small_disk

from caer_data.engine import files
from caer_data.engine.errors import CaerError


def test_an_atomic_file_is_whole_or_absent(tmp_path):
    target = tmp_path / "a" / "b.txt"
    with files.atomic_path(target) as temporary:
        temporary.write_text("x")
        assert not target.exists()
    assert target.read_text() == "x"
    with pytest.raises(RuntimeError), files.atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "x"
    assert [p.name for p in target.parent.iterdir()] == ["b.txt"]


def test_an_atomic_folder_replaces_an_old_one(tmp_path):
    for content in ("old", "new"):
        with files.atomic_path(tmp_path / "d") as temporary:
            temporary.mkdir()
            (temporary / content).write_text("")
    assert [p.name for p in (tmp_path / "d").iterdir()] == ["new"]


def left_by_a_kill(folder: Path, name: str) -> Path:
    """A temporary file of a process that has ended."""
    script = (
        "import pathlib, sys; from caer_data.engine.files import temporary_name\n"
        "path = pathlib.Path(sys.argv[1]) / temporary_name(sys.argv[2]); path.touch(); print(path)"
    )
    command = [sys.executable, "-c", script, str(folder), name]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def test_leftovers_of_a_kill_are_removed(tmp_path):
    (tmp_path / "deep").mkdir()
    left_by_a_kill(tmp_path / "deep", "x" * 200 + "\n")
    folder = left_by_a_kill(tmp_path, "y")
    folder.unlink()
    folder.mkdir()
    (folder / "half").write_text("")
    (tmp_path / "keep").write_text("")
    files.remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["deep", "keep"]


def test_what_others_call_a_part_is_no_leftover(tmp_path):
    for name in (".x.12345678.part", ".download.part", ".a.caer-1-2-3.part"):
        (tmp_path / name).write_text("")
    (tmp_path / ".precious.part").mkdir()
    (tmp_path / ".precious.part" / "photograph").write_text("")
    before = sorted(tmp_path.rglob("*"))
    files.remove_leftovers(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_living_process_writes_is_no_leftover(tmp_path):
    with files.atomic_path(tmp_path / "x") as temporary:
        temporary.write_text("")
        files.remove_leftovers(tmp_path)
        assert temporary.exists()


@pytest.mark.parametrize(("hours", "stays"), [(1, True), (30, False)])
def test_what_another_machine_writes_is_a_leftover_after_a_day(tmp_path, hours, stays):
    path = tmp_path / ".x.caer-00000000-1-1-12345678.part"
    path.write_text("")
    os.utime(path, (time.time() - hours * 3600,) * 2)
    files.remove_leftovers(tmp_path)
    assert path.exists() == stays


def test_a_full_disk_is_one_sentence(tmp_path):
    with small_disk(tmp_path / "disk", "64k") as disk:
        with (
            pytest.raises(CaerError, match="no space left"),
            files.atomic_path(disk / "big") as temporary,
        ):
            temporary.write_bytes(os.urandom(1_000_000))
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("The Office (US)", "the-office-us"),
        ("S01E02", "s01e02"),
        ("Café", "cafe"),
        ("../../etc", "etc"),
        ("a\nb", "a-b"),
    ],
)
def test_plain_slugs(name, expected):
    assert files.slug(name) == expected


@pytest.mark.parametrize(
    "name", ["日本", "", "...", "con", "x" * 300, "\udcff", "Показ", "ß日"], ids=ascii
)
def test_slugs_are_safe_unique_names(name):
    text = files.slug(name)
    assert 0 < len(text) <= 60
    assert text.isascii()
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert text != files.slug(name + "!日")


@pytest.mark.parametrize("name", ["a/x.txt", "a/b/x.txt"])
def test_a_file_in_place_of_a_folder_is_one_sentence(tmp_path, name):
    (tmp_path / "a").write_text("a file")
    with pytest.raises(CaerError, match="a part of the path is a file, not a folder"):
        files.write_text(tmp_path / name, "text")
    assert (tmp_path / "a").read_text() == "a file"


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", ".."])
def test_a_path_cannot_leave_its_folder(tmp_path, path):
    with pytest.raises(CaerError, match="points outside"):
        files.inside(tmp_path, path)


def test_a_path_below_its_folder_is_joined(tmp_path):
    assert files.inside(tmp_path, "a/./b") == tmp_path / "a" / "b"


def test_sha256(tmp_path):
    Path(tmp_path / "x").write_bytes(b"abc")
    assert files.sha256_of(tmp_path / "x").startswith("ba7816bf8f01cfea")


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_what_is_created_replaces_nothing(tmp_path, monkeypatch, links):
    if not links:

        def refuse(*paths):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "target"
    answers = []
    for text in ("first", "second"):
        finished = tmp_path / "finished"
        finished.write_text(text)
        answers.append(files.create(finished, target))
        assert not finished.exists()
    assert answers == [True, False]
    assert target.read_text() == "first"


def test_flushing_reaches_the_disk(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    reached = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: reached.append(os.fstat(descriptor)))
    for path in (tmp_path / "file", tmp_path):
        files.flush(path)
        assert os.path.samestat(reached.pop(), path.stat())
    files.flush(tmp_path / "absent")
    assert reached == []


def test_a_file_is_flushed_before_it_gets_its_name(tmp_path, monkeypatch):
    steps = []
    real, replace = files.flush, Path.replace
    monkeypatch.setattr(files, "flush", lambda path: (steps.append(path.suffix), real(path)))
    monkeypatch.setattr(
        Path, "replace", lambda self, target: (steps.append("rename"), replace(self, target))[1]
    )
    files.write_text(tmp_path / "a.txt", "x")
    assert steps == [".part", "rename", ""]


def test_another_machines_folder_is_in_use_while_it_writes_into_it(tmp_path):
    folder = tmp_path / ".x.caer-00000000-1-1-00000000.part"
    folder.mkdir()
    inner = folder / "a" / "samples.bin"
    inner.parent.mkdir()
    inner.write_text("x")
    long_ago = time.time() - 48 * 3600
    for path in (inner.parent, folder):
        os.utime(path, (long_ago, long_ago))
    files.remove_leftovers(tmp_path)
    assert inner.exists()
    os.utime(inner, (long_ago, long_ago))
    files.remove_leftovers(tmp_path)
    assert not folder.exists()


def test_what_lies_in_a_temporary_folder_is_flushed_with_it_and_not_before(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(files, "flush", flushed.append)
    scratch = tmp_path / files.temporary_name("x")
    files.write_text(scratch / "inner", "a")
    assert flushed == []
    files.write_text(tmp_path / "outer", "a")
    assert flushed[-1] == tmp_path
    flushed.clear()
    with files.atomic_path(tmp_path / "whole") as folder:
        files.write_text(folder / "inner", "a")
    assert folder / "inner" in flushed


def test_a_folder_of_many_files_reaches_the_disk_in_one_call(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(files, "flush", calls.append)
    monkeypatch.setattr(os, "sync", lambda: calls.append("all"))
    monkeypatch.setattr(files, "_MANY_FILES", 2)
    for name, count in (("few", 2), ("many", 3)):
        with files.atomic_path(tmp_path / name) as folder:
            folder.mkdir()
            for number in range(count):
                (folder / str(number)).touch()
    assert calls.count("all") == 1
    assert {path.name for path in calls if path != "all"} >= {"0", "1"}
    assert "2" not in {path.name for path in calls if path != "all"}
