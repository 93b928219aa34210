"""`caer-data export` as it is typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner
from export_fixtures import make_dataset, tree

from caer_data.cli import cli, main
from caer_data.engine import tables
from caer_data.export import splits


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    return CliRunner().invoke(
        cli, ["export", *map(str, arguments), "--workers", "1"], catch_exceptions=False
    )


def fail(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(["export", *map(str, arguments), "--workers", "1"])
    return stop.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--split"], id="bare-at-the-end"),
        pytest.param([], id="not-given"),
        pytest.param(["--split", "-d", "dataset"], id="bare-before-the-dataset"),
        pytest.param(["dataset", "--split", "--no-media"], id="bare-before-an-option"),
        pytest.param(["--split", "70/10/20"], id="with-a-value"),
    ],
)
def test_split_bare_and_with_a_value(dataset, tmp_path, arguments):
    result = run(*arguments, "--layout", "caer", "-q")
    assert result.exit_code == 0, result.output
    manifest = pd.read_parquet(tmp_path / "release/manifest.parquet")
    assert manifest["split"].value_counts().to_dict() == {"train": 14, "test": 6, "validation": 1}


def test_other_shares_by_show_into_two_layouts(dataset, tmp_path):
    result = run("--split", "60/20/20", "--by", "show", "--layout", "caer", "--layout", "caer-s",
                 "-o", "out", "--strict", "-q")  # fmt: skip
    assert result.exit_code == 0, result.output
    manifest = pd.read_parquet(tmp_path / "out/manifest.parquet")
    assert manifest.groupby("show")["split"].nunique().max() == 1
    assert set(manifest.layout) == {"caer", "caer-s"}


def test_what_is_said_at_the_end(dataset):
    result = run("--layout", "caer")
    assert "Audit of the split:" in result.stderr
    assert "  finding       same show: " in result.stderr
    assert "no rights are stated" in result.stderr.splitlines()[-1]
    result = run("--layout", "caer", "--overwrite", "--rights", "CC BY 4.0")
    assert "under the rights you stated: CC BY 4.0" in result.stderr.splitlines()[-1]
    result = run("--layout", "caer", "--overwrite", "--no-media")
    assert "You may share it" in result.stderr.splitlines()[-1].replace("\n", " ")


def test_a_split_that_was_not_asked_for_is_not_told(dataset):
    said = run("--layout", "caer", "--no-media", "--split", "80/0/20").stderr
    assert "train" in said and "test" in said
    assert "validation" not in said.split("Audit")[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--layout", "caer-s", "--container", "avi"], "--container belongs to the layout caer;"),
        (
            ["--layout", "caer", "--frames-per-clip", 2],
            "--frames-per-clip belongs to the layout caer-s;",
        ),
    ],
    ids=["container", "frames"],
)
def test_an_option_of_a_layout_that_is_not_made(dataset, tmp_path, capsys, options, said):
    code, error = fail(capsys, *options)
    assert code == 2
    assert said in error
    assert not (tmp_path / "release").exists()


def test_a_file_where_the_release_should_go(dataset, tmp_path, capsys):
    (tmp_path / "raters.txt").write_text("ann@example.org")
    code, error = fail(capsys, "--layout", "caer", "-o", "raters.txt")
    assert code == 2
    assert "raters.txt: this is a file; choose another folder" in error
    assert (tmp_path / "raters.txt").read_text() == "ann@example.org"


def test_a_clip_that_is_gone(dataset, capsys):
    (dataset.folder / dataset.clips.path[5]).unlink()
    assert "missing; run 'caer-data build' again" in fail(capsys, "-q")[1]


def test_json_is_one_object_a_line(dataset):
    lines = [json.loads(line) for line in run("--layout", "caer", "--json").stdout.splitlines()]
    assert {line["event"] for line in lines} == {"progress", "note", "result"}
    assert lines[-1]["clips"] == 21
    assert lines[-1]["new"] is True


def test_made_up_ratings_are_said_even_when_quiet(tmp_path):
    make_dataset(tmp_path / "dataset", made_up=True)
    assert "made up" in run("--layout", "caer", "-q").stderr


def test_the_leaking_layout_warns(dataset):
    assert "caer-s-2019 leaks" in run("--layout", "caer-s-2019", "-q").stderr


def test_no_media_shows_nobody(dataset, tmp_path):
    assert run("--no-media", "--layout", "caer", "--layout", "caer-s", "-q").exit_code == 0
    names = list(tree(tmp_path / "release"))
    assert not [n for n in names if n.endswith((".png", ".mp4", ".avi", ".tar", ".jpg"))]
    manifest = pd.read_parquet(tmp_path / "release/manifest.parquet")
    clips = manifest[manifest.layout == "caer"]
    assert clips[["sha256", "framehash", "perceptual_hash", "source_sha256"]].notna().all(axis=None)
    frames = manifest[manifest.layout == "caer-s"]
    assert frames[["framehash", "frame", "x1"]].notna().all(axis=None)


def test_strict_turns_findings_into_a_failure_and_publishes_nothing(dataset, tmp_path, capsys):
    code, said = fail(capsys, "--layout", "caer", "--strict", "-q")
    assert code == 1
    assert "same show: 3 of 3" in said
    assert not (tmp_path / "release").exists()
    assert run("--layout", "caer", "-q").exit_code == 0
    code, _ = fail(capsys, "--layout", "caer", "--strict", "-q")  # also of one that is there
    assert code == 1


def test_another_release_is_not_overwritten_and_the_same_one_is_left_as_it_is(
    dataset, tmp_path, capsys
):
    run("--layout", "caer", "-q")
    before = tree(tmp_path / "release")
    code, said = fail(capsys, "--layout", "caer-s", "-q")
    assert code == 2
    assert "--overwrite" in said
    assert "already contains this release" in run("--layout", "caer").stderr
    assert tree(tmp_path / "release") == before
    run("--layout", "caer-s", "-q", "--overwrite")
    assert not (tmp_path / "release/CAER").exists()


def test_the_dataset_is_left_as_it_was_but_for_the_split(dataset, tmp_path):
    before = tree(dataset.folder)
    run("-q")
    after = tree(dataset.folder)
    new = {name for name in set(after) - set(before) if not name.startswith("work/log/")}
    assert new <= {"tables/splits.parquet", ".lock", ".secret"}
    assert {name: after[name] for name in before} == before


def test_the_split_stays_when_clips_are_labelled_later(tmp_path):
    dataset = make_dataset(tmp_path / "dataset", media=True)
    labels = dataset.labels
    few = labels[labels.clip_id.str[-2:].astype(int) < 5].reset_index(drop=True)
    dataset.write(tables.LABELS, few)
    run("-q", "--no-media", "--layout", "caer", "-o", "one")
    dataset.write(tables.LABELS, labels)
    run("-q", "--no-media", "--layout", "caer", "-o", "two")
    one, two = (
        pd.read_parquet(tmp_path / name / "manifest.parquet").set_index("clip_id")["split"]
        for name in ("one", "two")
    )
    assert len(one) == 15
    assert len(two) == 21
    assert (two[one.index] == one).all()
    run("-q", "--no-media", "--layout", "caer", "-o", "three", "--seed", "1")
    kept = dataset.read(splits.ASSIGNED)
    assert kept.groupby("scheme").size().to_dict() == {
        "70/10/20 by clip, seed 2019": 21, "70/10/20 by clip, seed 1": 21,
    }  # fmt: skip


def test_resplit_draws_anew(tmp_path):
    dataset = make_dataset(tmp_path / "dataset", media=False)
    wrong = pd.DataFrame({"clip_key": dataset.clips.clip_key, "split": "train"})
    wrong.loc[:1, "split"] = ["validation", "test"]
    dataset.write(splits.ASSIGNED, wrong.assign(scheme="70/10/20 by clip, seed 2019"))
    from export_fixtures import options

    from caer_data.export.plan import plan

    assert (plan(dataset, options()).clips["split"] == "train").sum() == 19
    assert (plan(dataset, options(resplit=True)).clips["split"] == "train").sum() == 14


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["nowhere"], "not a dataset", id="no-dataset"),
        pytest.param(["--split", "70-20"], "such as 70/10/20", id="shares"),
        pytest.param(["--layout", "zip"], "'zip' is not one of", id="layout"),
        pytest.param(["-o", "dataset"], "the dataset is there", id="into-the-dataset"),
        pytest.param(["--split", "1/1/1/1"], "such as 70/10/20", id="four-shares"),
    ],
)
def test_mistakes_are_one_sentence(dataset, capsys, arguments, said):
    code, error = fail(capsys, *arguments)
    assert code == 2
    assert said in error
    assert "Traceback" not in error


def test_one_show_cannot_be_split_by_show(tmp_path, capsys):
    make_dataset(tmp_path / "dataset", shows=1, media=False)
    code, error = fail(capsys, "--by", "show")
    assert code == 2
    assert "split by clip (7 groups)" in error
    assert "by scene" not in error


def test_what_cannot_be_split_by_show_can_be_split_by_scene(tmp_path, capsys):
    dataset = make_dataset(tmp_path / "dataset", shows=1, media=False)
    dataset.write(tables.REPEATS, tables.empty(tables.REPEATS))
    assert "by clip (7 groups) or by scene (7 groups)" in fail(capsys, "--by", "show")[1]


def test_a_clip_that_changed_is_named_and_nothing_is_published(dataset, tmp_path, capsys):
    clip = dataset.folder / dataset.clips.path[5]
    clip.write_bytes(clip.read_bytes() + b"0")
    code, error = fail(capsys, "-q")
    assert code == 2
    assert clip.name in error
    assert not (tmp_path / "release").exists()


@pytest.mark.skipif(os.name != "posix", reason="limits of file sizes are POSIX")
def test_a_full_disk_leaves_nothing_half_done(dataset, tmp_path):
    """A limit on file sizes stands in for the disk: writing fails in the middle of a file."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000));"
        "from caer_data.cli import main; main(sys.argv[1:])"
    )
    arguments = ["export", "--layout", "caer", "-q", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "File too large" in done.stderr
    assert not (tmp_path / "release").exists()
    assert not dataset.has(splits.ASSIGNED)
    assert run("--layout", "caer", "-q").exit_code == 0


def test_help_names_every_layout():
    text = run("--help").output
    for word in ("caer-s-2019", "huggingface", "webdataset", "--no-media", "--rights"):
        assert word in text


def test_a_release_that_somebody_wrote_into_is_not_overwritten(dataset, tmp_path, capsys):
    run("--layout", "caer", "-q", "--no-media")
    (tmp_path / "release/NOTES.md").write_text("mine")
    (tmp_path / "release/README.md").write_text("edited")
    before = tree(tmp_path / "release")
    code, said = fail(capsys, "--layout", "caer-s", "-q", "--overwrite", "--no-media")
    assert code == 2
    assert "were added or changed: NOTES.md, README.md" in " ".join(said.split())
    assert tree(tmp_path / "release") == before


def test_labels_of_clips_that_changed_are_counted(dataset, tmp_path):
    clips = dataset.clips
    clips.loc[:1, "clip_key"] = ["other-1", "other-2"]
    clips.loc[:1, "end_pts"] -= 8
    dataset.write(tables.CLIPS, clips)
    said = run("--layout", "caer", "--no-media").stderr
    assert "2 labels omitted: frames or target of the clip have" in said
    manifest = pd.read_parquet(tmp_path / "release/manifest.parquet")
    assert not set(manifest["clip_id"]) & set(clips["clip_id"][:2])


def test_clips_left_out_as_repeats_are_counted(dataset):
    dataset.write(tables.REPEATS, tables.empty(tables.REPEATS))
    arguments = "--layout", "caer", "--no-media", "--drop-repeats"
    assert "0 clips were left out because of the same footage" in run(*arguments).stderr


@pytest.mark.parametrize(
    ("clips", "options", "said"),
    [
        (6, ["--layout", "caer"], "No clip shows surprise: load the folders CAER and CAER-S by"),
        (7, ["--layout", "caer"], None),
        (6, ["--layout", "huggingface"], None),
        (6, ["--layout", "caer", "--no-media"], None),
    ],
)
def test_a_class_without_a_clip_is_named_where_folders_are_classes(tmp_path, clips, options, said):
    make_dataset(tmp_path / "dataset", first_clips=clips)
    written = run("--by", "clip", *options).stderr
    assert said in written if said else "No clip shows" not in written


def test_an_edited_card_is_not_said_to_be_replaced(dataset, tmp_path, capsys):
    run("--layout", "caer", "--no-media")
    card = tmp_path / "release/datasheet.md"
    card.write_text(card.read_text() + "They were asked.")
    with pytest.raises(SystemExit) as stop:
        main(["verify", "release"])
    assert stop.value.code == 0
    assert "Edited since the export: datasheet.md. The next export refuses to replace" in (
        capsys.readouterr().err
    )
    (dataset.folder / "release.yaml").write_text("funding: DFG")
    code, error = fail(capsys, "--layout", "caer", "--no-media", "--overwrite")
    assert code == 2
    assert "datasheet.md" in error
