"""Artifacts are whole or absent, damage is noticed and made good, and nobody loses a race."""

from __future__ import annotations

import errno
import logging
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from caer_data.engine import artifacts
from caer_data.engine.artifacts import (
    Artifact,
    DamagedArtifactError,
    Store,
    key_of,
    read_json,
    write_json,
)
from caer_data.engine.errors import CaerError
from caer_data.engine.hashing import hash_of
from caer_data.engine.recipe import Faces, Shots


def test_the_key_follows_stage_version_section_and_inputs():
    keys = {
        key_of("shots", 1, Shots(), "abc"),
        key_of("shots", 2, Shots(), "abc"),
        key_of("shots", 1, Shots(min_frames=6), "abc"),
        key_of("shots", 1, Shots(), "abd"),
        key_of("faces", 1, Faces(), "abc"),
    }
    assert len(keys) == 5
    assert key_of("shots", 1, Shots(), "abc") in keys


def fill(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "a.txt").write_text("x" * 1000)
    np.save(folder / "b.npy", np.arange(5))
    write_json(folder / "c.json", {"n": 1})


def test_an_artifact_is_made_once_and_read_by_its_members(tmp_path):
    store = Store(tmp_path)
    made = []

    def counted(folder):
        made.append(1)
        fill(folder)

    for _ in range(2):
        artifact = store.make("shots", "v", "k", counted)
    assert made == [1]
    assert artifact.names() == ["b.npy", "c.json", "inner/a.txt"]
    assert artifact.read("inner/a.txt") == b"x" * 1000
    assert artifact.array("b.npy").tolist() == [0, 1, 2, 3, 4]
    assert artifact.json("c.json") == {"n": 1}
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["v.k.zip"]
    with pytest.raises(KeyError):
        artifact.read("absent")


def test_equal_content_gives_equal_bytes(tmp_path):
    artifacts = [Store(tmp_path / name).make("shots", "v", "k", fill) for name in "ab"]
    os.utime(artifacts[0].path, (0, 0))
    assert artifacts[0].path.read_bytes() == artifacts[1].path.read_bytes()


def test_an_artifact_that_fails_leaves_nothing(tmp_path):
    def broken(folder):
        fill(folder)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Store(tmp_path).make("shots", "v", "k", broken)
    assert [*tmp_path.rglob("*")] == [tmp_path / "shots"]


DAMAGE = {
    "empty": lambda data: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "cut by one byte": lambda data: data[:-1],
    "zeros in the middle": lambda data: data[:100] + bytes(500) + data[600:],
    "one bit": lambda data: data[:300] + bytes([data[300] ^ 1]) + data[301:],
    "something else": lambda data: b"not an artifact",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_artifact_is_made_again_with_one_line_in_the_log(tmp_path, damage, caplog):
    store = Store(tmp_path)
    path = store.make("shots", "v", "k", fill).path
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    with caplog.at_level(logging.WARNING):
        assert store.get("shots", "v", "k") is None
    assert len(caplog.records) == 1
    assert not path.exists()
    assert store.make("shots", "v", "k", fill).path.read_bytes() == whole


def test_what_another_process_put_in_the_place_of_a_damaged_artifact_stays(tmp_path, monkeypatch):
    store = Store(tmp_path)
    path = store.make("shots", "v", "k", fill).path
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])

    def made_again_meanwhile(archive):
        (tmp_path / "new").write_bytes(whole)
        (tmp_path / "new").replace(path)
        return "a member"

    monkeypatch.setattr(artifacts.zipfile.ZipFile, "__init__", lambda *_: None)
    monkeypatch.setattr(artifacts.zipfile.ZipFile, "testzip", made_again_meanwhile)
    monkeypatch.setattr(artifacts.zipfile.ZipFile, "__exit__", lambda *_: None)
    monkeypatch.setattr(artifacts.zipfile.ZipFile, "__del__", lambda *_: None)
    assert store.get("shots", "v", "k") is None
    assert path.read_bytes() == whole


def test_an_artifact_that_the_machine_cannot_open_now_is_kept(tmp_path, monkeypatch):
    store = Store(tmp_path)
    path = store.record("shots", "v", "k", [1]).path
    monkeypatch.setattr(artifacts, "_known", {})

    def no_more_files(path):
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(artifacts.zipfile, "ZipFile", no_more_files)
        for use in (lambda: store.get("shots", "v", "k"), lambda: Artifact(path).names()):
            with pytest.raises(CaerError, match="Too many open files"):
                use()
    assert path.is_file() and store.recorded("shots", "v", "k") == [1]


def test_an_artifact_whose_disk_does_not_answer_is_kept_with_one_sentence(tmp_path, monkeypatch):
    store = Store(tmp_path)
    path = store.record("shots", "v", "k", [1]).path

    def broken(path):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(artifacts, "_state", broken)
        with pytest.raises(CaerError, match=r"k\.zip"):
            store.get("shots", "v", "k")
    assert path.is_file()


def test_damage_while_an_artifact_is_in_use_is_one_sentence(tmp_path):
    artifact = Store(tmp_path).make("shots", "v", "k", fill)
    artifact.path.write_bytes(artifact.path.read_bytes()[:50])
    with pytest.raises(DamagedArtifactError, match="run the same command again"):
        artifact.read("b.npy")


def test_a_folder_in_the_place_of_an_artifact_is_not_removed(tmp_path):
    store = Store(tmp_path)
    place = store.path("shots", "v", "k")
    (place / "mine").mkdir(parents=True)
    with pytest.raises(CaerError, match="is a folder"):
        store.get("shots", "v", "k")
    assert (place / "mine").is_dir()


def test_of_writers_that_race_one_wins_and_the_others_lose_nothing(tmp_path):
    store = Store(tmp_path)
    barrier = threading.Barrier(8)
    artifacts = []

    def slow(folder):
        fill(folder)
        barrier.wait(10)  # all have found it missing

    threads = [
        threading.Thread(target=lambda: artifacts.append(store.make("shots", "v", "k", slow)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(artifacts) == 8
    assert {artifact.read("inner/a.txt") for artifact in artifacts} == {b"x" * 1000}
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["v.k.zip"]


def test_records_and_the_list_of_files(tmp_path):
    store = Store(tmp_path)
    store.record("videos", "v", "k", {"a": [1, None]})
    assert store.recorded("videos", "v", "k") == {"a": [1, None]}
    assert store.recorded("videos", "v", "other") is None
    (tmp_path / "videos" / "NOTES.md").write_text("mine")
    (tmp_path / "timings.json").write_text("{}")
    assert store.files() == [store.path("videos", "v", "k")]
    store.discard("videos", "v", "k")
    assert store.files() == []


def test_json_round_trip(tmp_path):
    write_json(tmp_path / "x.json", {"b": 1, "a": [2.5, None]})
    assert read_json(tmp_path / "x.json") == {"a": [2.5, None], "b": 1}


def test_a_hash_keeps_its_value_between_versions():
    digest = "f33afda5e8f901f6"
    assert hash_of([1, "a", None, {"y": 2, "x": [0.5]}], 16) == digest
    assert hash_of([1, "a", None, {"x": [0.5], "y": 2}], 20).startswith(digest)
