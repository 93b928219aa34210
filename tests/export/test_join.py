"""Releases of several datasets of one lab as one release."""

from __future__ import annotations

import json
import shutil
import tarfile

import pandas as pd
import pytest
from click.testing import CliRunner
from export_fixtures import make_dataset, options, tree
from other_releases import edit, other

from caer_data.cli import cli
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.export import checksums, joined_files
from caer_data.export import manifest as manifests
from caer_data.export.diff import diff
from caer_data.export.join import join
from caer_data.export.release import export
from caer_data.export.verify import verify

QUIET = Reporter("quiet")


def joined(*folders, to, **how):
    how = {"shares": None, "by": None, "overwrite": False, **how}
    return join(list(folders), to, reporter=QUIET, **how)


def clips_of(folder):
    rows = manifests.read(folder)
    return rows[rows.layout != "caer-s-2019"].drop_duplicates("clip_id").set_index("clip_key")


@pytest.fixture(scope="module")
def lab(everything, tmp_path_factory):
    """Two releases in every layout with the same names, and what they are joined to."""
    home = tmp_path_factory.mktemp("lab")
    second = other(everything.folder, home / "b")
    before = tree(everything.folder), tree(second)
    outcome = joined(everything.folder, second, to=home / "both")
    assert (tree(everything.folder), tree(second)) == before
    return everything.folder, second, home / "both", outcome


@pytest.fixture(scope="module")
def by_show(tmp_path_factory):
    """Two releases without footage, split by show, and each show elsewhere in each."""
    home = tmp_path_factory.mktemp("shows")
    data = make_dataset(home / "dataset", media=True, clips=3)
    export(data, home / "a", options(by="show", media=False), QUIET)
    turn = {"train": "test", "test": "validation", "validation": "train"}
    second = other(home / "a", home / "b")
    edit(
        second, manifests.MANIFEST, "manifest", lambda rows: rows.assign(split=rows.split.map(turn))
    )
    return home / "a", second


def test_every_file_of_both_is_there_under_a_name_of_its_own(lab):
    first, second, target, outcome = lab
    assert verify(target, QUIET).problems == []
    both = manifests.read(target)
    before = [manifests.read(first), manifests.read(second)]
    assert len(both) == sum(map(len, before))
    assert sorted(both.sha256) == sorted(pd.concat(before).sha256)
    assert outcome.clips == {"caer": 21, "lab-b": 21}
    assert both.clip_id.nunique() == 42
    assert "CAER/train/Anger/0001.mp4" in set(both.path)


def test_names_that_collide_get_the_name_of_the_dataset(lab):
    first, _, target, _ = lab
    was, now = clips_of(first), clips_of(target)
    added = now[~now.index.isin(was.index)]
    for column in ("clip_id", "video_id", "shot_id", "person_id"):
        assert set(now.loc[was.index, column]) == set(was[column])
        assert set(added[column]) == {f"lab-b-{name}" for name in was[column]}
    assert set(added.episode) == {f"lab-b {name}" for name in was.episode}
    assert set(now.show) == set(was.show)
    raters = {vote.partition("=")[0] for votes in now.votes for vote in votes.split()}
    assert raters == {f"rater-{number}" for number in range(1, 7)}


def test_clips_of_a_renamed_video_are_named_after_it(by_show, tmp_path):
    """Even if no other clip has their name."""
    first, second = by_show
    mine = tmp_path / "mine"
    shutil.copytree(second, mine)
    for table, name in ((manifests.MANIFEST, "manifest"), (manifests.BOXES, "boxes")):
        edit(mine, table, name, lambda rows: rows.assign(clip_id=rows.clip_id + "x"))
    joined(first, mine, to=tmp_path / "both", shares=(0.4, 0.3, 0.3), by="show")
    now = clips_of(tmp_path / "both")
    of_second = now[now.clip_id.str.endswith("x")]
    assert len(of_second) == 9
    assert of_second.clip_id.str.startswith("lab-b-").all()
    assert of_second.video_id.str.startswith("lab-b-").all()


def test_the_differences_to_a_joined_release_name_its_datasets(lab):
    said = CliRunner().invoke(cli, ["diff", str(lab[0]), str(lab[2])]).output
    assert "joined: nothing -> caer, lab-b" in said


def test_every_clip_keeps_its_split_label_and_boxes(lab):
    first, second, target, _ = lab
    changes = diff(first, target).changed
    assert changes == []
    for key, row in clips_of(second).iterrows():
        now = clips_of(target).loc[key]
        assert (now.split, now.emotion) == (row.split, row.emotion)
    boxes = [manifests.read_boxes(folder) for folder in (first, second, target)]
    assert len(boxes[2]) == len(boxes[0]) + len(boxes[1])
    assert set(boxes[2].clip_id) == set(clips_of(target).clip_id)


def test_shards_speak_of_clips_by_their_new_names(lab):
    target = lab[2]
    names = set()
    for shard in (target / "webdataset").glob("*.tar"):
        with tarfile.open(shard) as archive:
            for entry in archive:
                if entry.name.endswith(".json"):
                    names.add(json.load(archive.extractfile(entry))["clip_id"])
    assert names == set(clips_of(target).clip_id)


def test_the_cards_are_of_all_clips(lab):
    target = lab[2]
    about = json.loads((target / "release.json").read_text())["facts"]["about"]
    assert (about["clips"], about["episodes"], about["people"]) == (42, 6, 12)
    assert pd.read_csv(target / "splits.csv").clips.sum() == 42
    for name in ("README.md", "datasheet.md", "croissant.json"):
        assert "caer (21 clips), lab-b (21 clips)" in (target / name).read_text()
    verdicts = json.loads((target / "audit.json").read_text())["verdicts"]["release"]
    assert [v["verdict"] for v in verdicts if v["check"] == "repeated footage"] == ["not measured"]


def test_an_equal_call_finds_it_there_and_an_interrupted_one_goes_on(lab, tmp_path, monkeypatch):
    first, second, target, _ = lab
    assert not joined(first, second, to=target).new
    copy, calls = shutil.copyfile, []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == 30:
            raise KeyboardInterrupt
        copy(*arguments)

    monkeypatch.setattr(joined_files.shutil, "copyfile", failing)
    with pytest.raises(KeyboardInterrupt):
        joined(first, second, to=tmp_path / "again")
    assert not (tmp_path / "again").exists()
    joined(first, second, to=tmp_path / "again")
    assert tree(tmp_path / "again") == tree(target)
    files = manifests.read(target).member.isna().sum()
    assert len(calls) == files + 1  # the one that failed
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_a_clip_of_both_is_kept_once_and_its_person_is_one(everything, tmp_path):
    second = other(everything.folder, tmp_path / "b", same_videos=["show-2-e0"])

    def change(rows):
        own = rows.clip_id == "show-2-e0-s00-00-c00"  # the second dataset's alone
        rows.loc[own, "clip_key"] = "0123456789"
        return rows.assign(person_id=rows.person_id.str.replace("-p", "-q"))

    edit(second, manifests.MANIFEST, "manifest", change)
    outcome = joined(everything.folder, second, to=tmp_path / "both")
    assert (outcome.twice, outcome.clips) == (6, {"caer": 21, "lab-b": 15})
    assert verify(tmp_path / "both", QUIET).problems == []
    now = clips_of(tmp_path / "both")
    shared = now[now.video_id == "show-2-e0"]
    assert len(shared) == 8
    assert set(shared.person_id) == {"show-2-p0", "show-2-p1"}
    assert set(manifests.read_sources(tmp_path / "both").video_id) == set(now.video_id)


def test_clips_with_other_labels_are_refused_and_listed(everything, tmp_path):
    second = other(everything.folder, tmp_path / "b", same_videos=["show-2-e0"])

    def relabel(rows):
        rows.loc[rows.clip_id == "show-2-e0-s00-00-c00", ["emotion", "label"]] = ["sad", 5]
        return rows

    edit(second, manifests.MANIFEST, "manifest", relabel)
    with pytest.raises(CaerError, match=r"1 clip in several releases has different emotions"):
        joined(everything.folder, second, to=tmp_path / "both")
    assert not (tmp_path / "both").exists()
    listed = pd.read_csv(tmp_path / "both.differing.csv")
    assert listed[["first_emotion", "second_emotion"]].to_numpy().tolist() == [["anger", "sad"]]
    (tmp_path / "both.differing.csv").write_text("mine")
    with pytest.raises(CaerError, match="move this file elsewhere"):
        joined(everything.folder, second, to=tmp_path / "both")


def test_groups_that_would_straddle_are_refused_until_they_are_drawn_anew(by_show, tmp_path):
    names = [str(folder) for folder in by_show]
    target = tmp_path / "both"
    result = CliRunner().invoke(cli, ["join", *names, "-o", str(target)])
    assert isinstance(result.exception, CaerError)
    assert "3 groups (by show, such as 'Show 0') would be in several" in str(result.exception)
    assert "--split 70/10/20 --by show" in str(result.exception)
    assert not target.exists()
    drawn = ["--split", "70/10/20", "--by", "show", "--json"]
    result = CliRunner().invoke(cli, ["join", *names, "-o", str(target), *drawn])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.splitlines()[-1])
    assert told["clips"] == {"caer": 9, "lab-b": 9}
    assert told["shows_of_several"] == ["Show 0", "Show 1", "Show 2"]
    assert (clips_of(target).groupby("show").split.nunique() == 1).all()
    assert verify(target, QUIET).problems == []


def test_clips_that_overlap_in_one_video_do_not_get_two_splits(by_show, tmp_path):
    second = other(by_show[0], tmp_path / "b", same_videos=["show-0-e0"])
    turn = {"train": "test", "test": "validation", "validation": "train"}

    def other_clips(rows):
        rows["clip_key"] = rows["clip_key"].map(lambda key: key[::-1])
        return rows.assign(split=rows.split.map(turn))

    edit(second, manifests.MANIFEST, "manifest", other_clips)
    for table, name in ((manifests.MANIFEST, "manifest"), (manifests.SOURCES, "sources")):
        edit(second, table, name, lambda rows: rows.assign(show="Another " + rows.show))
    for folder in (by_show[0], second):
        recipe = (folder / "recipe.yaml").read_text()
        shutil.copytree(folder, tmp_path / f"clip-{folder.name}")
        (tmp_path / f"clip-{folder.name}" / "recipe.yaml").write_text(
            recipe.replace("by: show", "by: clip")
        )
        checksums.write(tmp_path / f"clip-{folder.name}")
    both = [tmp_path / "clip-a", tmp_path / "clip-b"]
    edit(both[1], manifests.MANIFEST, "manifest",
         lambda rows: rows.assign(shot_id="other-" + rows.shot_id))  # fmt: skip
    with pytest.raises(CaerError, match="same moments of one video"):
        joined(*both, to=tmp_path / "both")
    joined(*both, to=tmp_path / "both", shares=(70, 10, 20), by="video")
    now = clips_of(tmp_path / "both")
    assert (now.groupby("video_id").split.nunique() == 1).all()
    assert now.video_id.nunique() == 5
    assert len(now[now.video_id == "show-0-e0"]) == 6
    assert set(now[now.video_id == "show-0-e0"].show) == {"Show 0"}


def test_by_without_split_is_a_mistake(by_show):
    result = CliRunner().invoke(cli, ["join", *map(str, by_show), "-o", "x", "--by", "show"])
    assert result.exit_code == 2
    assert "add --split" in result.output


def test_a_damaged_release_is_not_joined(by_show, tmp_path):
    shutil.copytree(by_show[1], tmp_path / "b")
    (tmp_path / "b" / "recipe.yaml").write_text("name: other\n")
    with pytest.raises(CaerError, match=r"recipe.yaml: changed"):
        joined(by_show[0], tmp_path / "b", to=tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_releases_that_do_not_fit_are_refused(everything, by_show, tmp_path):
    first, second = by_show
    for folders, target, sentence in (
        ((first, first), tmp_path / "x", "two or more different releases"),
        ((first,), tmp_path / "x", "two or more different releases"),
        ((first, second), first / "x", "inside the release"),
        ((first, second), second, "inside the release"),
        ((first, everything.folder), tmp_path / "x", "only one has the layout"),
        ((first, first.parent / "dataset"), tmp_path / "x", "not a release"),
    ):
        with pytest.raises(CaerError, match=sentence):
            joined(*folders, to=target)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("about", {"media": False}), ("drops", [1]), ("built_with", {"a": 1}), ("card", [1]),
     ("card", {"license": "<script>"}), ("name", {}), ("rating_sources", 5)],
)  # fmt: skip
def test_hostile_facts_give_a_release_or_one_sentence(by_show, tmp_path, field, value):
    shutil.copytree(by_show[1], tmp_path / "b")
    about = json.loads((tmp_path / "b" / "release.json").read_text())
    about["facts"][field] = value
    (tmp_path / "b" / "release.json").write_text(json.dumps(about))
    checksums.write(tmp_path / "b")
    try:
        joined(by_show[0], tmp_path / "b", to=tmp_path / "both", shares=(70, 10, 20), by="person")
    except CaerError as error:
        assert "\n" not in str(error)
        assert not (tmp_path / "both").exists()
    else:
        assert verify(tmp_path / "both", QUIET).problems == []


def test_a_key_of_another_video_is_refused(by_show, tmp_path):
    second = other(by_show[0], tmp_path / "b")
    keys = tables.read(manifests.MANIFEST, by_show[0] / "manifest.parquet").clip_key
    edit(second, manifests.MANIFEST, "manifest", lambda rows: rows.assign(clip_key=keys))
    with pytest.raises(CaerError, match="of another video's clip"):
        joined(by_show[0], second, to=tmp_path / "both")
