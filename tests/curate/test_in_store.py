"""Builds from and into a store of objects: the bytes of a local one, by any number of machines."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import object_store
import pytest
import scale_builds as scale

from caer_data import Dataset
from caer_data.api import build

pytestmark = [pytest.mark.service, pytest.mark.slow]
SET = f"s3://{object_store.BUCKET}/dataset"
SHOWS = f"s3://{object_store.BUCKET}/raw"


@pytest.fixture(scope="module")
def server():
    started = object_store.Server()
    yield started
    started.kill()


@pytest.fixture(scope="module")
def raw(media_data, server, tmp_path_factory) -> Path:
    folder = scale.write_shows(media_data, tmp_path_factory.mktemp("shows") / "raw")
    server.put_folder(folder, "raw")
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    return scale.write_recipe(tmp_path_factory.mktemp("recipe"))


@pytest.fixture(scope="module")
def undisturbed(raw, recipe, tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("local") / "d"
    build(raw, folder, str(recipe), workers=2)
    return scale.result(folder)


def words(recipe: Path, place: str, *more: str) -> list[str]:
    return ["build", "--shows", SHOWS, "-o", place, "--recipe", str(recipe), "-q", *more]


def copy_of(cache: Path) -> Path:
    return next(cache.glob("s3/dataset-*/dataset"))


def rated(folder: Path) -> str:
    clips = Dataset(folder).clips
    kept = clips[clips["status"] == "kept"]["clip_id"]
    rows = [f"{key},{rater},happy,1" for key in kept for rater in ("a@x.org", "b@x.org", "c@x.org")]
    return "\n".join(["clip_id,rater,emotion,confidence", *rows]) + "\n"


def test_shards_of_several_machines_and_a_build_give_the_bytes_of_a_local_one(
    server, recipe, raw, undisturbed, tmp_path
) -> None:
    def shard(part: str, name: str) -> None:
        given = object_store.environment(server.url, tmp_path / name)
        ends[part] = object_store.run(words(recipe, SET, "--shard", part), given)

    ends: dict[str, subprocess.CompletedProcess[str]] = {}
    threads = [threading.Thread(target=shard, args=args) for args in (("1/2", "a"), ("2/2", "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {end.returncode for end in ends.values()} <= {0, 3}, ends
    third = object_store.environment(server.url, tmp_path / "c")
    done = object_store.run(words(recipe, SET), third)
    assert done.returncode == 3, done.stderr
    assert "broken.mp4" in done.stderr
    folder = copy_of(tmp_path / "c")
    assert scale.result(folder) == undisturbed
    assert SHOWS in (folder / "provenance.json").read_text()

    fourth = object_store.environment(server.url, tmp_path / "d")
    seen = object_store.run(["inspect", SET, "--json"], fourth)
    assert seen.returncode == 0, seen.stderr
    assert not (copy_of(tmp_path / "d") / "clips").exists()
    again = object_store.run(words(recipe, SET), fourth)
    assert (again.returncode, scale.result(copy_of(tmp_path / "d"))) == (3, undisturbed)
    released = f"s3://{object_store.BUCKET}/release"
    ratings = tmp_path / "ratings.csv"
    ratings.write_text(rated(copy_of(tmp_path / "d")))
    made = object_store.run(["annotate", "import", str(ratings), "-d", SET], fourth)
    assert made.returncode == 0, made.stderr
    given = ["--by", "clip", "--split", "50/50", "-o", released]
    made = object_store.run(["export", "-d", SET, *given], third)
    assert made.returncode == 0, made.stderr
    verified = object_store.run(["verify", released], fourth)
    assert (verified.returncode, "match the manifest" in verified.stderr) == (0, True)

    held = [made.stderr, seen.stdout, seen.stderr, done.stderr, again.stderr]
    held += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    names = server.request("GET", object_store.BUCKET).decode()
    assert not [text for text in [*held, names] if object_store.SECRET in text]


@pytest.mark.parametrize(
    ("more", "begun"),
    [
        pytest.param((), "clips/*/*", id="build"),
        pytest.param(("--shard", "1/1"), "work/shots/*.zip", id="shard"),
    ],
)
def test_a_server_that_is_killed_costs_no_work(
    server, recipe, raw, undisturbed, tmp_path, more, begun
) -> None:
    own = object_store.Server()
    try:
        own.put_folder(raw, "raw")
        given = object_store.environment(own.url, tmp_path)
        plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        running = subprocess.Popen(
            [sys.executable, "-m", "caer_data", *words(recipe, SET, *more)],
            env=plain | given, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while running.poll() is None and not list(tmp_path.glob(f"s3/dataset-*/dataset/{begun}")):
            time.sleep(0.05)
        own.kill()
        said = running.communicate(timeout=300)[1]
        assert (running.returncode, "Traceback" in said) == (2, False), said
        assert "the server does not answer" in said
        own.start()
        own.put_folder(raw, "raw")
        for options in dict.fromkeys([more, ()]):  # the same again, then the build
            again = object_store.run(words(recipe, SET, *options), given)
            assert again.returncode == 3, again.stderr
        assert scale.result(copy_of(tmp_path)) == undisturbed
        shutil.rmtree(tmp_path / "s3")
        fresh = object_store.run(["status", "-d", SET], given)
        assert fresh.returncode == 0, fresh.stderr
    finally:
        own.kill()


def test_shards_cut_clips_that_a_build_elsewhere_only_fetches(
    server, recipe, raw, undisturbed, tmp_path
) -> None:
    place = f"s3://{object_store.BUCKET}/cut"
    machines = {
        part: object_store.environment(server.url, tmp_path / name)
        for part, name in (("5/5", "a"), ("3/5", "b"), ("2/5", "c"))  # the others hold nothing
    }

    def shard(part: str) -> str:
        done = object_store.run(words(recipe, place, "--shard", part), machines[part])
        assert done.returncode == (3 if part == "5/5" else 0), done.stderr
        assert not list(tmp_path.glob("*/s3/dataset-*/cut/clips/*/*.mp4"))
        return done.stdout + done.stderr

    def stored() -> list[str]:
        names = server.request("GET", f"{object_store.BUCKET}?prefix=cut/blobs/").decode()
        return re.findall(r"blobs/[0-9a-f]{64}", names)

    clips = {digest for name, digest in undisturbed.items() if "clips/" in name}
    for part in ("5/5", "3/5"):
        shard(part)
        assert not stored()
    shard("2/5")  # the last one finds all videos analysed
    assert 0 < len(stored()) < len(clips)
    shard("3/5")
    shard("5/5")
    assert {name.partition("/")[2] for name in stored()} == clips
    # a build that had to cut anything would fail
    cannot_cut = object_store.environment(server.url, tmp_path / "d")
    cannot_cut["IMAGEIO_FFMPEG_EXE"] = shutil.which("false") or ""
    done = object_store.run(words(recipe, place), cannot_cut)
    assert done.returncode == 3, done.stderr
    folder = next((tmp_path / "d").glob("s3/dataset-*/cut"))
    assert scale.result(folder) == undisturbed
