"""Decoding into the store: what is stored, once, whole, and again after a stop."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_releases import BOX, HEIGHT, WIDTH, write_clip

from caer_data.benchmark.data import shards, sources, store
from caer_data.benchmark.data.pictures import Still, box_at, face_crop, sampled
from caer_data.benchmark.data.samples import NO_BOXES, Sample
from caer_data.benchmark.data.shards import Format, Work
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter

FORM = Format(face=(16, 16), frame=(24, 32), fps=10.0)
QUIET = Reporter("quiet")


@pytest.mark.parametrize(
    ("fps", "frames", "expected"),
    [
        pytest.param(25, 30, [0, 2, 5, 7, 10, 12, 15, 17, 20, 22, 25, 27], id="25 per second"),
        pytest.param(30, 10, [0, 3, 6, 9], id="30 per second"),
        pytest.param(10, 4, [0, 1, 2, 3], id="10 per second"),
        pytest.param(5, 3, [0, 0, 1, 1, 2, 2], id="5 per second repeats"),
        pytest.param(25, 1, [0], id="one frame"),
    ],
)
def test_frames_are_taken_nearest_to_every_tenth_of_a_second(
    tmp_path: Path, fps: int, frames: int, expected: list[int]
) -> None:
    write_clip(tmp_path / "clip.mp4", 0, frames, fps)
    assert [index for index, _ in sampled(tmp_path / "clip.mp4", 10.0)] == expected


def test_the_frame_of_an_index_is_that_frame(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", 0, 30, 25)
    pictures = list(sampled(tmp_path / "clip.mp4", 10.0))
    assert len(pictures) == 12
    for index, shown in pictures:
        picture = shown.whole()
        assert picture.shape == (HEIGHT, WIDTH, 3)
        assert abs(int(picture[2, 2].mean()) - (40 + index)) <= 2  # brightness counts frames


def test_boxes_between_known_ones_are_interpolated_and_outside_the_nearest() -> None:
    boxes = np.array([[10, 0, 0, 10, 10], [20, 10, 0, 20, 10]], np.float32)
    assert box_at(boxes, 15).tolist() == [5, 0, 15, 10]
    assert box_at(boxes, 0).tolist() == [0, 0, 10, 10]
    assert box_at(boxes, 99).tolist() == [10, 0, 20, 10]


def test_a_box_partly_outside_is_cut_and_one_outside_is_named() -> None:
    picture = Still(np.zeros((20, 30, 3), np.uint8))
    assert face_crop(picture, np.array([-5, -5, 10, 10], np.float32), (16, 16)).shape == (16, 16, 3)
    with pytest.raises(CaerError, match=r"lies outside the frame of 30x20"):
        face_crop(picture, np.array([31, 0, 40, 10], np.float32), (16, 16))


def test_store_holds_crops_frames_and_scaled_boxes(clips_release: Path, tmp_path: Path) -> None:
    source = sources.read(clips_release, "clips")
    found = store.build(works(source), source, FORM, tmp_path, reporter=QUIET)
    assert found.frames.tolist() == [12] * 28
    assert found.first.tolist() == list(range(0, 28 * 12, 12))
    row = found.first[[s.sample_id for s in found.samples].index("show-train-0-1")]
    face = found.read("face", np.array([row]))[0]
    assert face.shape == (16, 16, 3)
    assert face[..., 0].mean() > 180 > 80 > face[..., 1].mean()  # anger is red
    assert found.read("context", np.array([[row]])).shape == (1, 1, 24, 32, 3)
    box = found.read("boxes", np.array([row]))[0]
    assert np.allclose(box[0], np.array(BOX) / 2)
    assert not box[1:].any()


def test_decoding_happens_once_and_damage_is_mended(
    clips_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CLIPS_A_SHARD", 7)
    made: list[Path] = []
    make = shards.make
    monkeypatch.setattr(shards, "make", lambda f, w, form: (made.append(f), make(f, w, form))[0])
    source = sources.read(clips_release, "clips")

    def build() -> store.Store:
        made.clear()
        return store.build(works(source), source, FORM, tmp_path, reporter=QUIET, workers=1)

    before = build().read("context", np.arange(336))
    assert len(made) == 4
    build()
    assert not made
    with (next(tmp_path.iterdir()) / "face.npy").open("r+b") as stream:
        stream.seek(500)
        stream.write(b"damage")
    assert (build().read("context", np.arange(336)) == before).all()
    assert len(made) == 1


def test_arrays_are_hashed_once_for_every_change(
    clips_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []
    hash_of = shards.sha256_of
    monkeypatch.setattr(shards, "sha256_of", lambda path: (hashed.append(path), hash_of(path))[1])
    source = sources.read(clips_release, "clips")

    def arrays_hashed() -> int:
        hashed.clear()
        store.build(works(source), source, FORM, tmp_path, reporter=QUIET, workers=1)
        return sum(path.suffix == ".npy" for path in hashed)

    arrays_hashed()  # made
    assert arrays_hashed() == 4
    assert arrays_hashed() == 0
    array = next(tmp_path.rglob("face.npy"))
    array.write_bytes(array.read_bytes())
    assert arrays_hashed() == 4


def test_parallel_and_serial_give_the_same(
    clips_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CLIPS_A_SHARD", 14)
    source = sources.read(clips_release, "clips")
    for name, workers in (("serial", 1), ("parallel", 2)):
        store.build(works(source), source, FORM, tmp_path / name, reporter=QUIET, workers=workers)
    for path in (tmp_path / "serial").rglob("*.*"):
        other = tmp_path / "parallel" / path.relative_to(tmp_path / "serial")
        assert path.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        pytest.param("unreadable", "is not a video that can be opened", id="unreadable clip"),
        pytest.param("changed", "differs from its hash in the manifest", id="changed clip"),
        pytest.param("no face", "no face is known", id="clip without a face"),
        pytest.param("outside", "lies outside the frame", id="box outside"),
        pytest.param("gone", "does not exist", id="missing file"),
    ],
)
def test_a_bad_clip_is_left_out_and_named(
    clips_release: Path, tmp_path: Path, fault: str, sentence: str
) -> None:
    release = tmp_path / "release"
    shutil.copytree(clips_release, release)
    source = sources.read(release, "clips")
    bad = next(s for s in source.samples if s.split == "train")
    spoiled = spoil(bad, fault)
    source = replace(source, samples=tuple(spoiled if s is bad else s for s in source.samples))
    found = store.build(works(source), source, FORM, tmp_path / "store", reporter=QUIET)
    assert len(found.samples) == 27
    assert [x.sample.sample_id for x in found.left_out] == [bad.sample_id]
    assert sentence in found.left_out[0].reason


def test_a_clip_that_was_mended_is_used(clips_release: Path, tmp_path: Path) -> None:
    release = tmp_path / "release"
    shutil.copytree(clips_release, release)
    source = sources.read(release, "clips")
    bad = source.samples[0].path
    whole = bad.read_bytes()

    def usable() -> int:
        found = store.build(works(source), source, FORM, tmp_path / "store", reporter=QUIET)
        return len(found.samples)

    bad.unlink()
    assert usable() == 27
    bad.write_bytes(b"no video at all")
    assert usable() == 27
    bad.write_bytes(whole)
    assert usable() == 28


def test_where_faces_were_looked_for_the_reason_says_so(
    clips_release: Path, tmp_path: Path
) -> None:
    source = sources.read(clips_release, "clips")
    first, *rest = source.samples
    searched = [Work(replace(first, boxes=NO_BOXES), searched=True), *map(Work, rest)]
    found = store.build(searched, source, FORM, tmp_path, reporter=QUIET)
    assert "no face was found in it" in found.left_out[0].reason
    listed = (tmp_path / "left-out-release.csv").read_text()
    assert listed.count("no face was found in it") == 1


def test_how_many_may_be_left_out_can_be_said(clips_release: Path, tmp_path: Path) -> None:
    source = sources.read(clips_release, "clips")
    bad = [s for s in source.samples if s.split == "train"][:5]
    samples = tuple(replace(s, boxes=NO_BOXES) if s in bad else s for s in source.samples)
    source = replace(source, samples=samples)
    with pytest.raises(CaerError, match=r"5 of 14 train clips .* --max-left-out 0\.37"):
        store.build(works(source), source, FORM, tmp_path, reporter=QUIET)
    found = store.build(works(source), source, FORM, tmp_path, reporter=QUIET, max_left_out=0.37)
    assert len(found.samples) == 23


def test_many_bad_clips_are_an_error(clips_release: Path, tmp_path: Path) -> None:
    source = sources.read(clips_release, "clips")
    source = replace(source, samples=tuple(replace(s, boxes=NO_BOXES) for s in source.samples))
    with pytest.raises(CaerError, match="14 of 14 train clips cannot be used"):
        store.build(works(source), source, FORM, tmp_path, reporter=QUIET)


def spoil(sample: Sample, fault: str) -> Sample:
    if fault == "unreadable":
        sample.path.write_bytes(b"no video at all")
        return replace(sample, sha256="")
    if fault == "changed":
        return replace(sample, sha256="0" * 64)
    if fault == "no face":
        return replace(sample, boxes=NO_BOXES)
    if fault == "outside":
        return replace(sample, boxes=np.array([[0, 900, 900, 950, 950]], np.float32))
    sample.path.unlink()
    return sample


def works(source: object) -> list[Work]:
    return [Work(sample) for sample in source.samples]
