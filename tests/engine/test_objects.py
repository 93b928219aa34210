"""Places in a store of objects: their names, and what is said where the store cannot be used."""

from __future__ import annotations

import subprocess
import sys

import object_store
import pytest
from packaging.requirements import Requirement

from caer_data.engine import extras
from caer_data.engine.errors import CaerError
from caer_data.engine.objects import Bucket, Place, parse


def test_a_place_is_a_bucket_and_a_prefix() -> None:
    assert parse("s3://my-bucket/a/b/") == Place("my-bucket", "a/b")
    assert str(parse("s3://my-bucket")) == "s3://my-bucket"
    assert parse("s3://my-bucket/a/b").name == "b"
    assert parse("s3://my-bucket").name == "my-bucket"


@pytest.mark.parametrize(
    "text", ["s3://", "s3:///a", "s3://A_B/c", "s3://bucket/../x", "s3://b", "s3://buc\nket/a"]
)
def test_what_is_no_place_is_refused(text) -> None:
    with pytest.raises(CaerError, match="give a bucket and a prefix"):
        parse(text)


def test_without_obstore_the_command_that_installs_it_is_named(monkeypatch) -> None:
    lacking = [Requirement("obstore>=0.8")]
    monkeypatch.setattr(extras, "missing", lambda extra: lacking if extra == "s3" else [])
    with pytest.raises(CaerError, match=r"s3://bucket/a needs .*\(obstore\); run pip install"):
        Bucket(parse("s3://bucket/a"))


@pytest.mark.service
@pytest.mark.parametrize(
    ("allowed", "words", "says"),
    [
        ((), ["inspect", "s3://films/d"], "s3://films/d: cannot be listed with the credentials"),
        (
            ("GET", "HEAD"),
            ["build", "--shows", "{raw}", "-o", "s3://films/d"],
            "s3://films/d: cannot be written with the credentials",
        ),
        (("GET",), ["build", "--shows", "s3://films/raw"], "s3://films/raw: is empty"),
    ],
    ids=["not-readable", "not-writable", "no-shows"],
)
def test_a_store_that_refuses_costs_one_sentence_before_any_work(
    allowed, words, says, tmp_path
) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.mp4").write_bytes(b"no video")
    words = [word.format(raw=tmp_path / "raw") for word in words]
    with object_store.refusing(allowed) as url:
        done = object_store.run(words, object_store.environment(url, tmp_path / "cache"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert says in done.stderr
    assert object_store.SECRET not in done.stderr


@pytest.mark.service
def test_a_server_that_does_not_answer_costs_one_sentence(tmp_path) -> None:
    given = object_store.environment("http://127.0.0.1:9", tmp_path)
    done = object_store.run(["status", "-d", "s3://films/d"], given)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "s3://films/d: cannot be listed: the server does not answer" in done.stderr


def test_nothing_of_obstore_is_loaded_where_no_store_is_used() -> None:
    code = "import caer_data.cli.build, caer_data.curate.run, sys; print('obstore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
