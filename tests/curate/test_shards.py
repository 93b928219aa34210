"""Shards: which videos they hold, that they may run at once, and that nothing changes."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import scale_builds as scale
import yaml
from click.testing import CliRunner

from caer_data import Dataset
from caer_data.api import build
from caer_data.cli import cli
from caer_data.curate import clips, shard_build, shards
from caer_data.curate.result import ShardResult
from caer_data.curate.shard_build import build_shard
from caer_data.engine import artifacts
from caer_data.engine.artifacts import Store
from caer_data.engine.errors import CaerError
from caer_data.engine.ownership import claim_dataset


@pytest.mark.parametrize("text", ["5/4", "0/4", "1/0", "1", "a/b", "-1/4", "1/4/2", "", "1 /4"])
def test_what_is_no_shard_is_refused_in_one_sentence(text) -> None:
    with pytest.raises(CaerError, match=r"--shard .*: give the number of a shard") as refused:
        shards.parse(text)
    assert "\n" not in str(refused.value)


def test_every_video_belongs_to_one_shard_and_stays_there_when_others_come() -> None:
    names = [f"Show {n % 7}/e{n}.mp4" for n in range(400)]
    parts = [shards.Shard(number, 8) for number in range(1, 9)]
    held = [[name for name in names if part.holds(name)] for part in parts]
    assert sorted(name for part in held for name in part) == sorted(names)
    assert min(map(len, held)) > 25
    # a literal, so that a change of the hash is noticed: it would move videos between shards
    assert [p.number for p in parts if p.holds("A Show/e1.mp4")] == [6]


@pytest.fixture(scope="module")
def shows(media_data, tmp_path_factory) -> Path:
    return scale.write_shows(media_data, tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    return scale.write_recipe(tmp_path_factory.mktemp("recipe"))


@pytest.fixture(scope="module")
def undisturbed(shows, recipe, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("local") / "d"
    build(shows, folder, str(recipe), workers=2)
    return folder


def test_shards_at_once_and_a_plain_build_after_them_give_the_same_bytes(
    shows, recipe, undisturbed, tmp_path
) -> None:
    folder = tmp_path / "d"
    # 1/2 twice: two engines on the same videos
    running = [
        scale.start(scale.command(shows, folder, recipe, "--shard", part, "--workers", "1"))
        for part in ("1/2", "2/2", "1/2")
    ]
    texts = [process.communicate(timeout=300)[1] for process in running]
    codes = [process.returncode for process in running]
    broken = [code == 3 for code in codes]
    assert set(codes) <= {0, 3}, texts
    assert 1 <= sum(broken) <= 2
    notes = [json.loads(p.read_bytes()) for p in (folder / "work/shards").iterdir()]
    assert sum(note["videos"] for note in notes) == 3
    assert [list(note["failed"]) for note in notes if note["failed"]] == [["Two/broken.mp4"]]
    for text, failed in zip(texts, broken, strict=True):
        assert ("Two/broken.mp4" in text) == failed
    assert not (folder / "tables").exists()
    assert scale.artifacts(folder) == scale.artifacts(undisturbed)
    before = {p: p.stat().st_mtime_ns for p in (folder / "work").glob("*/*.zip")}
    build(shows, folder, workers=1)
    assert scale.result(folder) == scale.result(undisturbed)
    assert before.items() <= {p: p.stat().st_mtime_ns for p in before}.items()
    assert scale.leftovers(folder) == []


def test_clips_are_cut_in_shards_once_all_videos_are_done(
    shows, recipe, undisturbed, tmp_path
) -> None:
    folder = tmp_path / "d"

    def one(text: str) -> ShardResult:
        return build_shard(shows, folder, str(recipe), shard=shards.parse(text), workers=1)

    first, second = one("5/5"), one("2/5")  # with the broken file, and with a clip
    assert first.uncut == "2 videos of other shards must be analysed first"
    assert second.uncut == "1 video of other shards must be analysed first"
    assert not (folder / "clips").exists()
    third, again = one("3/5"), one("2/5")  # the broken file of another does not hold them up
    assert (third.uncut, again.uncut) == ("", "")
    assert third.clips > 0
    assert again.clips > 0
    wanted = {name for name in scale.result(undisturbed) if "clips/" in name}
    cut = {path: path.stat().st_ino for path in folder.rglob("clips/*/*.mp4")}
    assert len(cut) == len(wanted) == third.clips + again.clips
    assert one("2/5").clips == 0
    for path in (folder / "work" / "shots").iterdir():  # as if another version had made them
        path.unlink()
    assert one("5/5").uncut == "2 videos of other shards must be analysed first"
    build(shows, folder, workers=1)
    assert scale.result(folder) == scale.result(undisturbed)
    assert cut == {path: path.stat().st_ino for path in cut}
    assert scale.leftovers(folder) == []


INTERLEAVINGS = {
    "before the other has analysed": ("analyse_videos", "2 videos of other shards", 0),
    "between the other's results and its note": ("note", "1 video of other shards", 0),
    "after the other's note": ("_cut", "", 1),
}


@pytest.mark.parametrize("when", INTERLEAVINGS, ids=[w.replace(" ", "_") for w in INTERLEAVINGS])
def test_of_shards_that_end_together_the_last_one_cuts_and_a_second_pass_does_the_rest(
    shows, recipe, undisturbed, tmp_path, monkeypatch, when
) -> None:
    folder = tmp_path / "d"

    def one(text: str) -> ShardResult:
        return build_shard(shows, folder, str(recipe), shard=shards.parse(text), workers=1)

    name, uncut, clips_cut = INTERLEAVINGS[when]
    owner = shards.Shard if name == "note" else shard_build
    real, ends = getattr(owner, name), []

    def interrupted(*given):
        if not ends and (name != "note" or str(given[0]) == "1/2"):
            ends.append(None)
            ends[0] = one("2/2")
        return real(*given)

    monkeypatch.setattr(owner, name, interrupted)
    last = one("1/2")  # with the broken file
    (first,) = ends
    assert first.uncut.startswith(uncut)
    assert bool(first.uncut) == bool(uncut)
    assert bool(first.clips) == bool(clips_cut)
    assert last.uncut == ""  # who looks last finds all done, so never do all wait for another
    again = [one(text) for text in ("2/2", "1/2")]
    assert [end.uncut for end in again] == ["", ""]
    assert first.clips + again[0].clips > 0
    assert scale.hashes(folder / "clips") == scale.hashes(undisturbed / "clips")
    build(shows, folder, workers=1)
    assert scale.result(folder) == scale.result(undisturbed)
    assert scale.leftovers(folder) == []


def test_shards_that_look_at_the_same_moment_all_cut(
    shows, recipe, undisturbed, tmp_path, monkeypatch
) -> None:
    together, ends = threading.Barrier(2), {}
    real = shard_build._all_done

    def at_once(*given):
        together.wait(timeout=300)
        return real(*given)

    def one(text: str) -> None:
        part = shards.parse(text)
        ends[text] = build_shard(shows, tmp_path / "d", str(recipe), shard=part, workers=1)

    monkeypatch.setattr(shard_build, "_all_done", at_once)
    threads = [threading.Thread(target=one, args=(text,)) for text in ("1/2", "2/2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [end.uncut for end in ends.values()] == ["", ""]
    assert scale.hashes(tmp_path / "d" / "clips") == scale.hashes(undisturbed / "clips")


def test_a_shard_cuts_nothing_where_a_build_would_ask(shows, undisturbed, tmp_path) -> None:
    folder = tmp_path / "d"
    shutil.copytree(undisturbed, folder)
    kept = Dataset(folder).clips
    rows = [f"{name},a@x.org,happy,1" for name in kept.loc[kept["status"] == "kept", "clip_id"]]
    (tmp_path / "r.csv").write_text("\n".join(["clip_id,rater,emotion,confidence", *rows]) + "\n")
    done = CliRunner().invoke(cli, ["annotate", "import", f"{tmp_path}/r.csv", "-d", f"{folder}"])
    assert done.exit_code == 0, done.output
    stricter = tmp_path / "stricter.yaml"
    values = scale.RECIPE | {"filter": {"min_face_height": 0.99}}
    stricter.write_text(yaml.safe_dump(values))
    for text in ("1/2", "2/2"):
        result = build_shard(shows, folder, stricter, shard=shards.parse(text), workers=1)
        assert result.uncut == "rated clips would change, so the build must be asked first"
    assert scale.result(folder).items() >= scale.result(undisturbed).items()


def test_a_record_of_the_same_clips_stays_for_those_who_are_about_to_read_it(
    tmp_path, monkeypatch
) -> None:
    group = SimpleNamespace(name="a", key=lambda settings: "k")
    known = {"a": {"path": "clips/a.mp4", "bytes": 1, "sha256": "1", "seconds": 1.0}}
    path = Store(tmp_path).path("clips", "a", "k")
    clips._record(tmp_path, tmp_path, group, None, known)
    before = path.stat().st_ino
    clips._record(tmp_path, tmp_path, group, None, {"a": known["a"] | {"seconds": 2.0}})
    assert path.stat().st_ino == before
    seen, pack = [], artifacts._pack

    def read_meanwhile(folder: Path, target: Path) -> None:
        seen.append(Store(tmp_path).recorded("clips", "a", "k"))
        pack(folder, target)

    monkeypatch.setattr(artifacts, "_pack", read_meanwhile)
    clips._record(tmp_path, tmp_path, group, None, {"a": known["a"] | {"sha256": "2"}})
    assert seen == [known]
    assert Store(tmp_path).recorded("clips", "a", "k")["a"]["sha256"] == "2"


def test_what_a_shard_notes_holds_for_the_same_recipe_and_files_only(tmp_path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"1")
    found = SimpleNamespace(relative="One/a.mp4", path=path)
    part = shards.parse("1/1")
    inputs = shards.Inputs((found,), "recipe")
    assert part.without_results(tmp_path, inputs) == set()
    part.note(tmp_path, inputs, 0, {}, ["One/a.mp4"])
    assert part.without_results(tmp_path, inputs) == {"One/a.mp4"}
    assert part.without_results(tmp_path, shards.Inputs((found,), "another")) == set()
    path.write_bytes(b"22")
    assert part.without_results(tmp_path, inputs) == set()
    (tmp_path / "shards" / "1-of-1.json").write_text("[")
    assert part.without_results(tmp_path, inputs) == set()


def test_a_shard_works_on_while_a_build_holds_the_folder(
    shows, recipe, undisturbed, tmp_path
) -> None:
    claim_dataset(tmp_path / "d")
    with Dataset(tmp_path / "d").lock():
        for part in ("1/2", "2/2"):
            build_shard(shows, tmp_path / "d", str(recipe), shard=shards.parse(part), workers=1)
    assert scale.artifacts(tmp_path / "d") == scale.artifacts(undisturbed)


def test_the_slurm_script_of_the_docs_runs_with_local_processes(
    shows, recipe, undisturbed, tmp_path
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")
    script = tmp_path / "shards.sh"
    script.write_text(page.split("```bash\n")[1].split("```")[0])
    names = {"SHOWS": shows, "DATASET": tmp_path / "d", "RECIPE": recipe}
    given = {name: str(path) for name, path in names.items()}
    given["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def array() -> list[int]:
        running = [
            scale.start(
                ["bash", str(script)],
                SLURM_ARRAY_TASK_ID=str(number),
                SLURM_ARRAY_TASK_COUNT="5",
                **given,
            )
            for number in (2, 3, 5)  # the others hold nothing
        ]
        texts = [process.communicate(timeout=300)[1] for process in running]
        assert not [text for text in texts if "Traceback" in text]
        return [process.returncode for process in running]

    assert array() == [0, 0, 3]
    assert scale.artifacts(tmp_path / "d") == scale.artifacts(undisturbed)
    assert array() == [0, 0, 3]  # the clips
    wanted = scale.hashes(undisturbed / "clips")
    assert wanted
    assert scale.hashes(tmp_path / "d" / "clips") == wanted
