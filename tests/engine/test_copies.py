"""Working copies of a store: whole states, several writers, and nothing lost."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import object_store
import pytest
from click.testing import CliRunner

from caer_data.cli import cli
from caer_data.engine import copies
from caer_data.engine.copies import Copy, at_work
from caer_data.engine.copy_files import Known
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import BusyError, CaerError
from caer_data.engine.objects import Bucket, parse
from caer_data.engine.remote import opened

pytestmark = pytest.mark.service
PLACE = parse(f"s3://{object_store.BUCKET}/set/dataset")


@pytest.fixture(scope="module")
def server():
    started = object_store.Server()
    yield started
    started.kill()


@pytest.fixture
def machine(server, tmp_path, monkeypatch):
    """Opens the place as a machine of this name would."""
    place = parse(f"s3://{object_store.BUCKET}/{tmp_path.name}/dataset")

    def open_(name: str, **how: bool) -> Copy:
        for key, value in object_store.environment(server.url, tmp_path / name).items():
            monkeypatch.setenv(key, value)
        return Copy(place, **how)

    return open_


def write(copy: Copy, name: str, text: str) -> Path:
    path = copy.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_what_one_machine_puts_another_fetches(machine) -> None:
    one = machine("one")
    one.pull()
    write(one, "recipe.yaml", "name: x")
    write(one, "clips/A Show/é #1.mp4", "film")
    write(one, "clips/gone.mp4", "film")
    one.push()
    (one.folder / "clips" / "gone.mp4").unlink()
    one.push()
    two = machine("two")
    two.pull()
    assert (two.folder / "clips/A Show/é #1.mp4").read_text() == "film"
    assert not (two.folder / "clips/gone.mp4").exists()
    write(two, "recipe.yaml", "name: y")
    two.push()
    one.pull()
    assert (one.folder / "recipe.yaml").read_text() == "name: y"


def test_of_eight_that_put_the_same_state_one_wins_and_the_others_are_told(machine) -> None:
    copies = [machine(str(number)) for number in range(8)]
    for number, copy in enumerate(copies):
        copy.pull()
        write(copy, "tables/x", str(number))

    def put(copy: Copy) -> str:
        try:
            copy.push()
        except CaerError as error:
            return str(error)
        return "won"

    with ThreadPoolExecutor(8) as threads:
        ends = list(threads.map(put, copies))
    assert ends.count("won") == 1
    assert all("another command changed it meanwhile" in end for end in ends if end != "won")
    loser = copies[(ends.index("won") + 1) % 8]
    said: list[str] = []
    loser.pull(said.append)
    assert (loser.folder / "tables/x").read_text() == str(ends.index("won"))
    aside = next(loser.folder.parent.glob("*.aside-1"))
    assert (aside / "tables/x").read_text() == str(copies.index(loser))
    assert str(aside) in said[0]


def test_what_an_interrupted_command_left_stays(machine) -> None:
    one = machine("one")
    one.pull()
    write(one, "tables/x", "1")
    one.push()
    write(one, "tables/x", "2")
    write(one, "tables/y", "3")
    one.pull()
    assert (one.folder / "tables/x").read_text() == "2"
    assert (one.folder / "tables/y").read_text() == "3"


def test_clips_that_were_not_fetched_stay_in_the_store(machine) -> None:
    one = machine("one")
    one.pull()
    write(one, "clips/a.mp4", "film")
    write(one, "tables/x", "1")
    one.push()
    two = machine("two", clips=False)
    two.pull()
    assert not (two.folder / "clips").exists()
    write(two, "tables/x", "2")
    two.push()
    three = machine("three")
    three.pull()
    assert (three.folder / "clips/a.mp4").read_text() == "film"
    assert (three.folder / "tables/x").read_text() == "2"


def test_pieces_of_several_machines_come_together_and_pruned_ones_do_not_come_back(machine) -> None:
    one, two = machine("one", artifacts=True), machine("two", artifacts=True)
    for copy, name in ((one, "a.1.zip"), (two, "b.2.zip")):
        copy.pull()
        write(copy, f"work/shots/{name}", name)
        copy.push(state=False)
    three = machine("three", artifacts=True)
    three.pull()
    names = sorted(path.name for path in (three.folder / "work/shots").iterdir())
    assert names == ["a.1.zip", "b.2.zip"]
    (three.folder / "work/shots/a.1.zip").unlink()
    three.push()
    three.prune()
    one.pull()
    one.push()
    assert not (one.folder / "work/shots/a.1.zip").exists()
    assert [thing.path for thing in three.bucket.things("artifacts")] == ["artifacts/shots/b.2.zip"]


def test_what_was_fetched_from_the_store_is_not_put_there_again(machine, monkeypatch) -> None:
    one, two = machine("one"), machine("two")
    for copy, name in ((one, "a"), (two, "b")):
        write(copy, f"work/shots/{name}.k.zip", name)
        copy.put_artifacts()
    put = []
    monkeypatch.setattr(type(one.bucket), "create", lambda _, path, __: put.append(path))
    one.exchange()
    assert (one.folder / "work/shots/b.k.zip").is_file()
    one.put_artifacts()
    assert put == []


def test_the_note_of_a_shard_is_never_replaced_by_an_older_one(machine, monkeypatch) -> None:
    one, other = machine("one"), machine("one")
    path = one.folder / "work/shards/1-of-2.json"
    path.parent.mkdir(parents=True)
    other.put_note(path, lambda: path.write_text("old"))
    noting = threading.Thread(
        target=other.put_note, args=(path, lambda: write(other, "work/shards/1-of-2.json", "new"))
    )
    fetch = Bucket.fetch

    def fetch_slowly(bucket: Bucket, name: str, target: Path) -> None:
        fetch(bucket, name, target)
        if bucket is one.bucket:
            noting.start()
            noting.join(0.5)  # ends meanwhile if nothing keeps it waiting

    monkeypatch.setattr(Bucket, "fetch", fetch_slowly)
    one.exchange()
    noting.join()
    assert path.read_text() == "new"
    assert one.bucket.read("shards/1-of-2.json") == b"new"


def test_fetched_notes_are_not_put_over_newer_ones(machine) -> None:
    one, two = machine("one"), machine("two")
    path = two.folder / "work/shards/2-of-2.json"
    path.parent.mkdir(parents=True)
    two.put_note(path, lambda: path.write_text("old"))
    one.exchange()
    two.put_note(path, lambda: path.write_text("new"))
    one.push(state=False)
    one.exchange()
    assert (one.folder / "work/shards/2-of-2.json").read_text() == "new"


def test_clips_are_handed_over_by_two_shards_and_stay_for_a_build(machine, monkeypatch) -> None:
    one, other = machine("one"), machine("one")
    path = write(one, "clips/a.mp4", "film")
    files = {"clips/a.mp4": hashlib.sha256(b"film").hexdigest()}
    create = Bucket.create

    def create_slowly(bucket: Bucket, name: str, content: Path) -> bool:
        if bucket is one.bucket:
            other.hand_over(files)  # uploads and removes the same file
        return create(bucket, name, content)

    monkeypatch.setattr(Bucket, "create", create_slowly)
    one.hand_over(files)
    assert not path.exists()
    assert one.contents() == set(files.values())
    write(one, "clips/a.mp4", "film")
    with one._unused():  # as a build does
        other.hand_over(files)
    assert path.read_text() == "film"


@pytest.mark.parametrize("step", ["hand over", "pull"])
def test_a_build_that_starts_while_files_are_moved_is_not_refused(
    machine, monkeypatch, step
) -> None:
    one = machine("one")
    write(one, "clips/a.mp4", "film")
    building = threading.Thread(target=lambda: lock(ends))
    ends: list[object] = []

    def lock(ends: list[object]) -> None:
        try:
            with Dataset(one.folder).lock():
                ends.append((one.folder / "clips/a.mp4").exists())
        except CaerError as error:
            ends.append(error)

    def known_later(path: Path) -> Known:
        if not building.ident:
            building.start()
            building.join(0.5)  # ends meanwhile if it does not wait
            assert not ends
        return known(path)

    known = copies.read_known
    monkeypatch.setattr(copies, "read_known", known_later)
    with at_work(one):
        if step == "pull":
            one.pull()
        else:
            one.hand_over({"clips/a.mp4": hashlib.sha256(b"film").hexdigest()})
        building.join()
    assert ends == [step == "pull"]


def test_a_build_beside_a_build_is_refused_in_a_working_copy_too(machine) -> None:
    one = machine("one")
    with at_work(one), Dataset(one.folder).lock():
        with pytest.raises(BusyError, match="another caer-data command is writing here"):
            Dataset(one.folder).lock().__enter__()
        with pytest.raises(BusyError, match="another caer-data command on this machine"):
            one.pull()


def test_clips_of_a_build_that_has_ended_but_uploaded_no_state_stay(machine) -> None:
    one = machine("one")
    paths = {name: write(one, name, "film") for name in ("clips/a.mp4", "clips/b.mp4")}
    one.hand_over(
        dict.fromkeys(paths, hashlib.sha256(b"film").hexdigest()), lambda: {"clips/a.mp4"}
    )
    assert [name for name, path in paths.items() if path.exists()] == ["clips/a.mp4"]


def test_a_damaged_object_and_an_emptied_bucket_are_refused(machine) -> None:
    one = machine("one")
    one.pull()
    write(one, "tables/x", "1")
    one.push()
    blob = next(iter(one.bucket.things("blobs"))).path
    one.bucket.put(blob, b"2")
    two = machine("two")
    with pytest.raises(CaerError, match=f"{blob}: damaged"):
        two.pull()
    one.bucket.remove([thing.path for thing in one.bucket.things()])
    with pytest.raises(CaerError, match="is older than this machine"):
        one.pull()
    assert (one.folder / "tables/x").read_text() == "1"


def test_a_place_that_holds_something_else_is_refused(machine) -> None:
    one = machine("one")
    one.bucket.create("somebody/s.txt", b"hers")
    with pytest.raises(CaerError, match="is not empty and was not written by caer-data"):
        one.check(writes=True)
    assert [thing.path for thing in one.bucket.things()] == ["somebody/s.txt"]


OF_OTHERS = ("states/readme.txt", "states/00000001.txt", "blobs/photo.jpg", "artifacts/build-7.zip",
             "shards/a.json", "removed/b.txt")  # fmt: skip


@pytest.mark.parametrize("name", OF_OTHERS)
def test_a_place_whose_objects_only_look_like_ours_is_refused(machine, name) -> None:
    one = machine("one")
    one.bucket.create(name, b"hers")
    with pytest.raises(CaerError, match="is not empty and was not written by caer-data"):
        one.check(writes=True)


def test_objects_of_others_between_ours_are_neither_read_nor_removed(machine) -> None:
    one = machine("one", artifacts=True)
    one.pull()
    write(one, "tables/x", "1")
    write(one, "work/shots/a.1.zip", "a")
    one.push()
    for name in OF_OTHERS:
        one.bucket.create(name, b"hers")
    two = machine("two", artifacts=True)
    two.check(writes=True)
    two.pull()
    two.exchange()
    assert (two.folder / "tables/x").read_text() == "1"
    assert {path.name for path in (two.folder / "work").rglob("*") if path.is_file()} == {"a.1.zip"}
    write(two, "tables/x", "2")
    two.push()
    two.prune()
    assert [two.bucket.read(name) for name in OF_OTHERS] == [b"hers"] * len(OF_OTHERS)


def test_trying_to_write_leaves_nothing_in_the_store(machine, monkeypatch) -> None:
    one = machine("one")
    one.check(writes=True)
    assert list(one.bucket.things()) == []
    assert not one.folder.parent.exists()

    def forbidden(bucket: Bucket, paths: list[str]) -> None:
        raise CaerError("cannot be written")

    monkeypatch.setattr(Bucket, "remove", forbidden)  # by credentials that only may add
    one.check(writes=True)
    one.check(writes=True)
    machine("two").check(writes=True)


def test_a_command_that_only_reads_uploads_nothing(machine) -> None:
    one = machine("one")
    with opened(one.place, print, artifacts=True, writes=False) as folder:
        write(one, "work/shots/a.k.zip", "unfinished")
    assert list(one.bucket.things()) == []
    with opened(one.place, print, artifacts=True) as again:
        assert (again, (again / "work/shots/a.k.zip").read_text()) == (folder, "unfinished")
    assert "artifacts/shots/a.k.zip" in {thing.path for thing in one.bucket.things()}


def test_an_export_asks_where_it_writes_before_it_fetches_a_dataset(machine, monkeypatch) -> None:
    dataset = machine("one")
    release = Bucket(replace(dataset.place, prefix=f"{dataset.place.prefix}-release"))
    release.create("somebody/s.txt", b"hers")
    monkeypatch.setattr(Copy, "pull", lambda *_: pytest.fail("fetched something"))
    words = ["export", "-d", str(dataset.place), "-o", str(release.place)]
    done = CliRunner().invoke(cli, words)
    assert "is not empty and was not written by caer-data" in str(done.exception)


def test_names_cannot_leave_the_folder(machine) -> None:
    from caer_data.engine.copy_files import Entry, packed

    one = machine("one")
    one.pull()
    one.bucket.create("states/00000001.json.gz", packed({"../../x": Entry(1, "0" * 64)}))
    with pytest.raises(CaerError, match="points outside of"):
        one.pull()


def test_a_bucket_that_is_not_there_is_named(machine) -> None:
    machine("one")
    with pytest.raises(CaerError, match="there is no bucket 'nowhere-at-all'"):
        Bucket(parse("s3://nowhere-at-all/x")).check()
