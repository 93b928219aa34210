from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

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


def test_leftovers_of_a_kill_are_removed(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".x.12345678.part").write_text("")
    (tmp_path / ".y.12345678.part").mkdir()
    (tmp_path / "keep").write_text("")
    files.remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["deep", "keep"]


def test_a_full_disk_is_one_sentence(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs more rights than this process has")
    try:
        with (
            pytest.raises(CaerError, match="no space left"),
            files.atomic_path(disk / "big") as temporary,
        ):
            temporary.write_bytes(os.urandom(1_000_000))
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


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
