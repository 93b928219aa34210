"""Following detections to one target, and caching what was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_releases import write_clip

from caer_data.benchmark.data import detect
from caer_data.benchmark.data.samples import Sample
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Faces
from caer_data.faces.models import choose
from caer_data.faces.models.interface import Detections
from caer_data.faces.tracking import associate

FACES = Faces.model_validate({"detector": "hog"})


def rows(*values: tuple[int, int, int, int]) -> np.ndarray:
    """(frame, left, top, size) of square boxes."""
    return np.array([(f, x, y, x + s, y + s) for f, x, y, s in values], np.float32)


def test_the_largest_face_is_followed_through_other_larger_frames() -> None:
    left = [(f, 10 + f, 10, 20) for f in range(0, 40, 10)]
    right = [(f, 80, 10, 19 if f else 30) for f in range(0, 40, 10)]
    found = detect.follow(rows(*left, *right))
    assert [len(face) for face in found] == [4, 4]
    assert found[0][:, 1].tolist() == [80] * 4  # it is largest, though only in frame 0
    assert found[1][:, 1].tolist() == [10, 20, 30, 40]


def test_a_face_elsewhere_is_another_face() -> None:
    found = detect.follow(rows((0, 0, 0, 20), (10, 50, 50, 10)))
    assert [len(face) for face in found] == [1, 1]


def test_the_builds_linker_would_give_the_target_away() -> None:
    large, small, between = (0, 0, 0, 100), (0, 60, 0, 70), (10, 45, 0, 80)
    times = np.array([0.0] * 10 + [0.4])
    found = rows(large, small, between)
    assert detect.follow(found)[0][:, 1].tolist() == [0, 45]

    detections = {
        0: Detections(found[:2, 1:], np.ones(2, np.float32)),
        10: Detections(found[2:, 1:], np.ones(1, np.float32)),
    }
    tracks = associate(detections, times, 0.1, np.inf)
    assert [[box[0] for box in track.boxes] for track in tracks] == [[0], [60, 45]]


def test_a_face_that_was_hidden_is_one_target_but_two_tracks_of_a_build() -> None:
    found = rows((0, 0, 0, 50), (100, 0, 0, 50))
    assert [len(face) for face in detect.follow(found)] == [2]
    one = {f: Detections(found[:1, 1:], np.ones(1, np.float32)) for f in (0, 100)}
    tracks = associate(one, np.arange(101) / 25, 0.1, Faces().max_gap_s)
    assert [track.frames for track in tracks] == [[0], [100]]


class Counting:
    """Sees one face that moves with the number of pictures it has seen."""

    name, min_score, seen = "counting", 0.0, 0

    def detect(self, pictures, min_score):
        Counting.seen += len(pictures)
        box = np.array([[5, 5, 25, 25]], np.float32)
        return [Detections(box, np.ones(1, np.float32)) for _ in pictures]


def test_faces_are_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "create_detector", lambda faces, threads: Counting())
    write_clip(tmp_path / "a.mp4", 0, 30, 25)
    (tmp_path / "b.mp4").write_bytes(b"broken")
    samples = [Sample(name, tmp_path / f"{name}.mp4", "train", 0) for name in "ab"]
    for _ in range(2):
        works = detect.add_boxes(samples, tmp_path / "store", FACES, 1, Reporter("quiet"))
        assert works[0].sample.boxes[:, 0].tolist() == [0, 10, 20]  # 2.5 looks per second
        assert len(works[1].sample.boxes) == 0
    assert Counting.seen == 3


def test_a_known_target_stays_and_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "create_detector", lambda faces, threads: Counting())
    write_clip(tmp_path / "a.mp4", 0, 10, 25)
    for box, others in (([0, 6, 6, 26, 26], 0), ([0, 40, 20, 60, 40], 1)):
        known = Sample("a", tmp_path / "a.mp4", "train", 0, np.array([box], np.float32))
        work = detect.add_boxes([known], tmp_path / str(others), FACES, 1, Reporter("quiet"))[0]
        assert work.sample is known
        assert len(work.others) == others


def test_a_file_that_was_mended_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "create_detector", lambda faces, threads: Counting())
    sample = Sample("a", tmp_path / "a.mp4", "train", 0, sha256="0" * 64)
    found = []
    for write in (lambda: sample.path.write_bytes(b"broken"), lambda: write_clip(sample.path, 0)):
        write()
        work = detect.add_boxes([sample], tmp_path / "store", FACES, 1, Reporter("quiet"))[0]
        found.append(len(work.sample.boxes))
    assert found == [0, 3]
