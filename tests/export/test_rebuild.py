"""From shows to a release without footage and back to the clips."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pandas as pd
import pytest
from export_fixtures import make_dataset, options, tree, write_clip
from keyed import label_by_name
from other_releases import other

from caer_data.cli import main
from caer_data.engine import tables
from caer_data.engine.artifacts import Store
from caer_data.engine.errors import CaerError
from caer_data.engine.files import sha256_of
from caer_data.engine.progress import Reporter
from caer_data.engine.release_layouts import LAYOUTS
from caer_data.export import manifest as manifests
from caer_data.export import prints
from caer_data.export import rebuild as recut
from caer_data.export.join import join
from caer_data.export.manifest import MANIFEST
from caer_data.export.release import export
from caer_data.export.verify import verify
from caer_data.media import cut, fingerprints
from caer_data.media.clip_command import Source
from caer_data.media.decode import frames
from caer_data.media.frame_rate import Span
from caer_data.media.probe import probe

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
    assert "3 of 9 clips are missing: 3 are of 1 episode not found" in said
    made = pd.read_parquet(tmp_path / "release-rebuilt/manifest.parquet")
    assert set(made.show) == {"Show 0", "Show 2"}
    assert verify(tmp_path / "release-rebuilt", QUIET).problems == []


def test_a_joined_release_is_rebuilt(origin, tmp_path):
    second = other(origin / "without", tmp_path / "second")
    both = tmp_path / "both"
    join([origin / "without", second], both, None, None, False, QUIET)
    sources = manifests.read_sources(both)
    assert len(prints.read(both, sources)) == len(sources) == 6
    outcome = recut.recut(both, origin / "shows", tmp_path / "again", False, 2, QUIET)
    assert outcome.identical == 9
    assert outcome.clips_missing + outcome.aligned + len(outcome.failed) == 9
    assert verify(tmp_path / "again", QUIET).problems == []


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
    assert "already contains all that can be rebuilt; nothing was changed" in " ".join(said.split())
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
    with pytest.raises(CaerError, match="already has its footage"):
        recut.recut(origin / "with", origin / "shows", tmp_path / "again", False, 1, QUIET)


def test_a_folder_of_others_is_never_rebuilt_into(origin, tmp_path):
    target = tmp_path / "again"
    target.mkdir()
    (target / "release.json").write_text('{"name": "my app"}')
    with pytest.raises(CaerError, match="not empty and not a release"):
        recut.recut(origin / "without", origin / "shows", target, True, 1, QUIET)
    assert [p.name for p in target.iterdir()] == ["release.json"]


def rip(path, target, before=50, crop=0.05, rate=24):
    """Another rip: black in front, cropped on all sides, another rate of frames, encoded anew."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path)) as source, av.open(str(target), "w") as output:
        video = source.streams.video[0]
        made = output.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        x, y = round(video.width * crop / 2) * 2, round(video.height * crop / 2) * 2
        made.width, made.height = video.width - 2 * x, video.height - 2 * y
        made.pix_fmt = "yuv420p"
        shown = [np.zeros((made.height, made.width, 3), np.uint8)] * before
        real = [f.to_ndarray(format="rgb24")[y : y + made.height, x : x + made.width]
                for f in source.decode(video)]  # fmt: skip
        step = float(video.average_rate) / rate
        shown += [real[min(round(n * step), len(real) - 1)] for n in range(int(len(real) / step))]
        for picture in shown:
            output.mux(made.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(made.encode())


@pytest.fixture(scope="module")
def from_rips(origin, tmp_path_factory):
    """The release, rebuilt from other rips of its shows, one of which is missing."""
    home = tmp_path_factory.mktemp("rips")
    for show in (0, 2):
        rip(origin / f"shows/Show {show}/S01/e0.mp4", home / f"raw/downloads/{show}.mp4")
    outcome = recut.recut(origin / "without", home / "raw", home / "made", False, 1, QUIET)
    return home, outcome


def test_clips_are_found_in_other_rips(origin, from_rips):
    home, outcome = from_rips
    assert (outcome.aligned, outcome.identical, outcome.failed) == (6, 0, {})
    assert outcome.rips == {"Show 0 S01/e0": "0.mp4", "Show 2 S01/e0": "2.mp4"}
    assert outcome.missing == ["Show 1 S01/e0 (0:40 min)"]
    made = pd.read_parquet(home / "made/manifest.parquet").drop_duplicates("clip_id")
    before = pd.read_parquet(origin / "without/manifest.parquet").drop_duplicates("clip_id")
    both = made.merge(before, on="clip_id", suffixes=("", "_was"))
    assert set(both["rebuilt"]) == {"aligned"}
    assert ((both.start_s - both.start_s_was - 50 / 24).abs() < 2 / 24).all()
    assert ((both.end_s - both.end_s_was - 50 / 24).abs() < 2 / 24).all()
    assert (both.fps == "24").all()
    assert verify(home / "made", QUIET).problems == []


def test_an_episode_that_shows_a_bit_of_another_is_no_rip_of_it(origin, tmp_path):
    """A recap: two seconds of show 1, in which a clip lies, then what is not in the release."""
    recap, shown = tmp_path / "raw/next episode.mp4", origin / "shows/Show 1/S01/e0.mp4"
    rip(shown, tmp_path / "whole/1.mp4")
    rip(origin / "shows/Show 0/S01/e0.mp4", tmp_path / "raw/0.mp4")
    clips = pd.read_parquet(origin / "without/manifest.parquet").drop_duplicates("clip_id")
    first = int(clips[clips.show == "Show 1"].start_frame.min())
    write_clip(tmp_path / "other.mp4", 77, 600, Fraction(25))
    recap.parent.mkdir(exist_ok=True)
    pictures = []
    for path, start, end in ((shown, first, first + 50), (tmp_path / "other.mp4", 0, 600)):
        with av.open(str(path)) as source:
            every = [f.to_ndarray(format="rgb24") for f in source.decode(video=0)]
        pictures += [cv2.resize(p, (160, 120)) for p in every[start:end]]
    with av.open(str(recap), "w") as output:
        made = output.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        made.height, made.width, made.pix_fmt = 120, 160, "yuv420p"
        for picture in pictures:
            output.mux(made.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(made.encode())
    outcome = recut.recut(origin / "without", tmp_path / "raw", tmp_path / "made", False, 1, QUIET)
    assert (outcome.aligned, outcome.failed, outcome.clips_missing) == (3, {}, 6)
    assert outcome.rips == {"Show 0 S01/e0": "0.mp4"}
    assert [name.partition(" (")[0] for name in outcome.missing] == [
        "Show 1 S01/e0", "Show 2 S01/e0",
    ]  # fmt: skip
    later = recut.recut(origin / "without", tmp_path / "whole", tmp_path / "made", False, 1, QUIET)
    assert (later.aligned, later.kept, later.failed) == (6, 3, {})


def test_boxes_of_another_rip_are_in_its_pixels(origin, from_rips):
    home, _ = from_rips
    made = pd.read_parquet(home / "made/boxes.parquet")
    clips = pd.read_parquet(home / "made/manifest.parquet").drop_duplicates("clip_id")
    assert set(made.clip_id) == set(clips.clip_id)
    was = pd.read_parquet(origin / "without/boxes.parquet").set_index(["clip_id", "frame"])
    fps = pd.read_parquet(origin / "without/manifest.parquet").groupby("clip_id").fps.first()
    for row in made.itertuples():
        old = round(row.frame * float(Fraction(fps[row.clip_id])) / 24)
        sides = was.loc[(row.clip_id, max(old, 2))]
        assert row.x1 == pytest.approx(sides.x1 - 8, abs=3)
        assert row.y2 == pytest.approx(min(sides.y2 - 6, 108), abs=3)  # the frame ends there


def test_pictures_of_another_rip_show_the_same_moment(origin, from_rips):
    home, _ = from_rips
    made = pd.read_parquet(home / "made/manifest.parquet").set_index("path")
    before = pd.read_parquet(origin / "with/manifest.parquet").set_index("path")
    paths = [p for p in made.index if p.startswith("CAER-S/")]
    assert len(paths) == 12
    for path in paths:
        there = cv2.imread(str(home / "made" / path))
        own = cv2.imread(str(origin / "with" / path))[6:-6, 8:-8]
        assert np.abs(there.astype(int) - own).mean() < 12
        assert made.loc[path, "x1"] == pytest.approx(before.loc[path, "x1"] - 8, abs=4)


def test_a_partial_rebuild_says_so_everywhere(from_rips, capsys):
    made = from_rips[0] / "made"
    about = json.loads((made / "release.json").read_text())["facts"]["about"]
    assert (about["clips"], about["shows"], about["rebuilt"]["clips"]) == (6, 2, 9)
    assert about["rebuilt"]["aligned"] == 6
    assert about["rebuilt"]["missing"] == [
        {"show": "Show 1", "episode": "S01/e0", "clips": 3, "duration_s": 40.0}
    ]
    split = pd.read_csv(made / "splits.csv")
    assert split["clips"].sum() == 6
    assert split["reached"].sum() == pytest.approx(1)
    said = "contains 6 of 9 clips of the original: 6 cut from another rip"
    for name in ("README.md", "datasheet.md", "croissant.json"):
        assert said in (made / name).read_text()
    assert "Show 1 S01/e0 (0:40 min)" in (made / "README.md").read_text()
    main_exits(["verify", str(made)], 0)
    assert "It was rebuilt. It contains 6 of 9 clips" in " ".join(capsys.readouterr().err.split())


def test_what_verify_and_diff_say_of_a_partial_rebuild(origin, from_rips, capsys):
    made = str(from_rips[0] / "made")
    main_exits(["verify", made], 0)
    said = " ".join(capsys.readouterr().err.split())
    assert "It contains 6 of 9 clips of the original" in said
    assert "numbers below" not in said
    assert "that those who made the original have not filled in" in said
    assert "All numbers below refer to the clips" in (from_rips[0] / "made/README.md").read_text()
    main_exits(["diff", str(origin / "without"), made], 0)
    said = " ".join(capsys.readouterr().err.split())
    assert "9 clips before, 6 after: 0 added, 3 removed, 6 changed." in said
    assert "media: no -> yes" in said
    assert "rebuilt: nothing -> clips 9, aligned 6" in said
    assert "source file" in said
    assert "pictures, boxes" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("drops", None),
        ("funnel", [["shots", None]]),
        ("split", [{"split": []}]),
        ("agreement", {"alpha": "x"}),
        ("card", []),
        ("raters", -1.5),
        ("recipe", {}),
        ("about", {}),
        ("about", {"media": False, "layouts": [[]]}),
    ],
)
def test_facts_that_are_none_are_refused_before_anything_is_cut(origin, tmp_path, name, value):
    shutil.copytree(origin / "without", tmp_path / "r")
    told = json.loads((tmp_path / "r/release.json").read_text())
    told["facts"][name] = value
    (tmp_path / "r/release.json").write_text(json.dumps(told))
    with pytest.raises(CaerError, match=r"release\.json: damaged") as error:
        recut.recut(tmp_path / "r", origin / "shows", tmp_path / "made", False, 1, QUIET)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "made").exists()


def main_exits(arguments, code):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == code


def test_a_later_run_adds_the_missing_episode(origin, from_rips, tmp_path):
    target = shutil.copytree(from_rips[0] / "made", tmp_path / "made")
    outcome = recut.recut(origin / "without", origin / "shows/Show 1", target, False, 1, QUIET)
    assert (outcome.identical, outcome.aligned, outcome.kept) == (3, 6, 6)
    assert (outcome.missing, outcome.new) == ([], True)
    assert verify(target, QUIET).problems == []
    made = pd.read_parquet(target / "manifest.parquet")
    before = pd.read_parquet(origin / "without/manifest.parquet")
    assert made[["path", "member"]].equals(before[["path", "member"]])
    there, every = media_of(target), media_of(origin / "with")
    of_show_1 = set(before[(before.show == "Show 1") & before.member.isna()].path)
    assert {n: h for n, h in there.items() if n in of_show_1} == {n: every[n] for n in of_show_1}
    with tarfile.open(next(target.glob("webdataset/*.tar"))) as shard:
        assert any(member.name.endswith(".mp4") for member in shard)
    again = recut.recut(origin / "without", origin / "shows/Show 1", target, False, 1, QUIET)
    assert (again.new, again.kept) == (False, 9)


def test_a_rebuild_that_was_edited_is_not_continued(origin, from_rips, tmp_path):
    target = shutil.copytree(from_rips[0] / "made", tmp_path / "made")
    (target / "notes.txt").write_text("mine")
    with pytest.raises(CaerError, match=r"added or changed: notes\.txt"):
        recut.recut(origin / "without", origin / "shows", target, False, 1, QUIET)


def test_a_release_without_fingerprints_needs_the_very_files(origin, from_rips, tmp_path):
    release = shutil.copytree(origin / "without", tmp_path / "release")
    (release / "fingerprints.parquet").unlink()
    with pytest.raises(CaerError, match="no fingerprints for finding other rips"):
        recut.recut(release, from_rips[0] / "raw", tmp_path / "again", False, 1, QUIET)
