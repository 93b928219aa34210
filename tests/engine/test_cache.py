import os
import stat
import sys

import pytest

from caer_data.engine import cache
from caer_data.engine.cache import cached

KEY = "0123456789abcdef0123"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CAER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


def forbidden():
    raise AssertionError("was computed again")


def test_content_is_computed_once(folder):
    assert cached("net", ".onnx", KEY, lambda: b"weights") == b"weights"
    assert cached("net", ".onnx", KEY, forbidden) == b"weights"
    assert cached("net", ".onnx", "f" + KEY, lambda: b"others") == b"others"
    assert not [path for path in folder.iterdir() if path.suffix != ".onnx"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_only_the_user_may_read_and_write_it(folder):
    cached("net", ".onnx", KEY, lambda: b"weights")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


@pytest.mark.parametrize("damage", [b"weightz", b"", b"weight"])
def test_a_damaged_file_is_not_used(folder, damage):
    cached("net", ".onnx", KEY, lambda: b"weights")
    (path,) = folder.iterdir()
    path.write_bytes(damage)
    assert cached("net", ".onnx", KEY, lambda: b"weights") == b"weights"
    assert path.read_bytes() == b"weights"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
@pytest.mark.parametrize("which", ["folder", "file"])
def test_what_others_can_write_is_not_read(folder, which):
    cached("net", ".onnx", KEY, lambda: b"theirs")
    (path,) = folder.iterdir()
    (folder if which == "folder" else path).chmod(0o777)
    assert cached("net", ".onnx", KEY, lambda: b"weights") == b"weights"


def test_a_folder_that_cannot_be_written_costs_the_computation_alone(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CAER_CACHE", str(tmp_path / "file" / "cache"))
    assert cached("net", ".onnx", KEY, lambda: b"weights") == b"weights"
    assert cached("net", ".onnx", KEY, lambda: b"again") == b"again"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_read_only_folder_works(folder):
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    assert cached("net", ".onnx", KEY, lambda: b"weights") == b"weights"


def test_a_user_without_a_home_works(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for variable in ("CAER_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(cache.Path, "home", homeless)
    assert cached("net", ".onnx", KEY, lambda: b"weights") == b"weights"


def test_the_folder_of_the_desktop_is_taken(tmp_path, monkeypatch):
    monkeypatch.delenv("CAER_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "caer-data"
