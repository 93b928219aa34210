"""From shows to a release without footage and back to the clips."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from export_fixtures import make_dataset, options, tree, write_clip
from keyed import label_by_name

from caer_data.cli import main
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.files import sha256_of
from caer_data.engine.pieces import Store
from caer_data.engine.progress import Reporter
from caer_data.engine.release_layouts import LAYOUTS
from caer_data.export import rebuild as recut
from caer_data.export.manifest import MANIFEST
from caer_data.export.release import export
from caer_data.export.verify import verify
from caer_data.media import cut, fingerprints
from caer_data.media.clip_command import Source
from caer_data.media.decode import frames
from caer_data.media.probe import probe
from caer_data.media.spans import Span

QUIET = Reporter("quiet")


def remember_prints(dataset, path):
    """Fingerprints of a video, as a build leaves them."""
    info = probe(path)
    writer = fingerprints.Writer(info.time_base)
    for frame in frames(path, info, for_analysis=True):
        writer.push(frame)
    known = fingerprints.Fingerprints(*writer.finish(), np.zeros(0, np.uint32))
    Store(dataset.work_folder).make("prints", sha256_of(path)[:16], "0" * 16, known.save)


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """Shows, a dataset whose clips are cut from them, a release with and one without footage."""
    home = tmp_path_factory.mktemp("origin")
    dataset = make_dataset(home / "dataset", shows=3, clips=3, media=False)
    videos, clips = dataset.videos, dataset.clips
    for at, video in enumerate(videos.itertuples()):
        path = home / "shows" / video.path
        path = path.with_suffix(".mp4")
        fps = Fraction(video.fps)
        write_clip(path, at, 300, fps)
        info = probe(path)
        own = clips.video_id == video.video_id
        clips.loc[own, "video_key"] = sha256_of(path)
        tick = int(1 / fps / info.time_base)
        for name in ("start", "end"):
            clips.loc[own, f"{name}_pts"] = clips.loc[own, f"{name}_frame"] * tick
        videos.loc[at, ["bytes", "sha256", "time_base", "height"]] = [
            path.stat().st_size, sha256_of(path), str(info.time_base), info.height,
        ]  # fmt: skip
        remember_prints(dataset, path)
        source = Source(path, info, 0, fps)
        for row in clips[own].itertuples():
            span = Span(row.start_frame, row.end_frame, row.start_pts, row.end_pts, fps)
            cut.cut_clip(source, span, dataset.folder / row.path, dataset.recipe.clips)
            clips.loc[row.Index, ["sha256", "bytes"]] = [
                sha256_of(dataset.folder / row.path), (dataset.folder / row.path).stat().st_size,
            ]  # fmt: skip
    dataset.write(tables.VIDEOS, videos)
    dataset.write(tables.CLIPS, clips)
    labels = dataset.labels.drop(columns=["video_key", "start_pts", "end_pts", "frames"])
    labels = labels[[name for name in labels if not name.startswith("box_")]]
    labels = labels.drop(columns="clip_key").astype(object)
    label_by_name(dataset, labels.where(labels.notna(), None).to_dict("records"))
    wanted = options(layouts=tuple(LAYOUTS), frames_per_clip=2)
    export(dataset, home / "with", wanted, QUIET)
    export(dataset, home / "without", replace(wanted, media=False), QUIET)
    return home


def media_of(folder):
    return {n: h for n, h in tree(folder).items() if n.endswith((".mp4", ".png", ".tar", ".txt"))}


def test_the_same_clips_come_back_byte_for_byte(origin, tmp_path):
    moved = tmp_path / "raw"
    for at, path in enumerate(sorted((origin / "shows").rglob("*.mp4"))):
        moved.mkdir(exist_ok=True)
        shutil.copy(path, moved / f"other name {at}.mp4")  # found by content
    target = tmp_path / "again"
    outcome = recut.recut(origin / "without", moved, target, False, 2, QUIET)
    assert outcome == recut.Outcome(9, 0, {}, [])
    assert media_of(target) == media_of(origin / "with")
    assert verify(target, QUIET).problems == []
    assert "must not be passed on" in (target / "README.md").read_text()
    assert json.loads((target / "release.json").read_text())["facts"]["about"]["media"] is True


def test_what_is_missing_is_named_and_the_rest_is_made(origin, tmp_path, capsys):
    raw = shutil.copytree(origin / "shows", tmp_path / "raw")
    shutil.rmtree(raw / "Show 1")
    release = shutil.copytree(origin / "without", tmp_path / "release")
    with pytest.raises(SystemExit) as stop:
        main(["rebuild", str(release), "--shows", str(raw), "--workers", "1", "-q"])
    assert stop.value.code == 3
    said = capsys.readouterr().err
    assert "no file for Show 1 S01/e0" in said
    assert "3 of 9 clips are missing: 0 could not be made again, 3 are of episodes" in said
    made = pd.read_parquet(tmp_path / "release-rebuilt/manifest.parquet")
    assert set(made.show) == {"Show 0", "Show 2"}
    assert verify(tmp_path / "release-rebuilt", QUIET).problems == []


def test_doing_it_twice_changes_nothing(origin, tmp_path, capsys):
    target = tmp_path / "again"
    typed = ["rebuild", str(origin / "without"), "--shows", str(origin / "shows"), "-o",
             str(target), "--workers", "1"]  # fmt: skip
    before = {}
    for arguments in ([*typed, "-q"], typed):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
        before = before or tree(target)
    said = capsys.readouterr().err
    assert "holds this very release already; nothing was changed" in said
    assert "9 clips have exactly the recorded pictures" in said.replace("\n", " ")
    assert tree(target) == before
    with pytest.raises(CaerError, match="the release is there; choose another folder"):
        recut.recut(origin / "without", origin / "shows", origin / "without", True, 1, QUIET)


def forge(release, change):
    manifest = tables.read(MANIFEST, release / "manifest.parquet")
    tables.write(MANIFEST, change(manifest), release / "manifest.parquet")


@pytest.mark.parametrize(
    ("perceptual", "similar", "failed"),
    [
        pytest.param(None, 1, 0, id="another-encoder"),
        pytest.param("0123456789abcdef " * 4, 0, 1, id="other-pictures"),
    ],
)
def test_pictures_are_held_to_the_recorded_hashes(origin, tmp_path, perceptual, similar, failed):
    release = shutil.copytree(origin / "without", tmp_path / "release")

    def change(manifest):
        own = manifest.clip_id == manifest.clip_id[0]
        manifest.loc[own, "framehash"] = hashlib.sha256(b"other").hexdigest()
        if perceptual:
            manifest.loc[own & manifest.frame.isna(), "perceptual_hash"] = perceptual.strip()
        return manifest

    forge(release, change)
    target = tmp_path / "again"
    outcome = recut.recut(release, origin / "shows", target, False, 1, QUIET)
    assert (outcome.identical, outcome.similar, len(outcome.failed)) == (8, similar, failed)
    assert verify(target, QUIET).problems == []
    assert len(pd.read_parquet(target / "manifest.parquet").clip_id.unique()) == 9 - failed


@pytest.mark.parametrize(
    "path",
    ["../evil.mp4", "/tmp/evil.mp4", "CAER/../../evil.mp4", "README.md", "CAER/a\n.mp4", "x/y.mp4"],
)
def test_a_manifest_from_elsewhere_cannot_write_elsewhere(origin, tmp_path, path):
    release = shutil.copytree(origin / "without", tmp_path / "release")
    forge(release, lambda m: m.assign(path=[path, *m.path[1:]]))
    with pytest.raises(CaerError, match=r"column '(path|layout|member)' cannot be"):
        recut.recut(release, origin / "shows", tmp_path / "again", False, 1, QUIET)
    assert not (tmp_path / "again").exists()


def test_other_shows(origin, tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(CaerError, match="has none of the 3 videos"):
        recut.recut(origin / "without", tmp_path / "raw", tmp_path / "again", False, 1, QUIET)


def test_a_release_that_has_its_footage(origin, tmp_path):
    with pytest.raises(CaerError, match="has its footage already"):
        recut.recut(origin / "with", origin / "shows", tmp_path / "again", False, 1, QUIET)


def test_a_folder_of_others_is_never_rebuilt_into(origin, tmp_path):
    target = tmp_path / "again"
    target.mkdir()
    (target / "release.json").write_text('{"name": "my app"}')
    with pytest.raises(CaerError, match="not empty and not a release"):
        recut.recut(origin / "without", origin / "shows", target, True, 1, QUIET)
    assert [p.name for p in target.iterdir()] == ["release.json"]
