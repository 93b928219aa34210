from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caer_data.curate.pyannote_import import nearest_frame, read_shots, read_tracks, shot_rows
from caer_data.engine.errors import CaerError

TIMES = np.arange(100) / 25


def timeline(*segments: tuple[float, float]) -> dict[str, Any]:
    return {"pyannote": "Timeline", "content": [{"start": a, "end": b} for a, b in segments]}


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_timeline_of_shots(tmp_path: Path) -> None:
    path = write(tmp_path / "shots.json", timeline((0, 1.2), (1.2, 3.48), (3.48, 4)))
    rows = shot_rows(read_shots(path), list(range(500, 600)), 600, Fraction(1, 25))
    assert [(r["start_frame"], r["end_frame"]) for r in rows] == [(0, 30), (30, 87), (87, 100)]
    assert [(r["start_pts"], r["end_pts"]) for r in rows] == [(500, 530), (530, 587), (587, 600)]
    assert (rows[1]["start_s"], rows[1]["end_s"]) == (1.2, 3.48)


def test_an_annotation_of_threads_is_its_segments(tmp_path: Path) -> None:
    content = [
        {"segment": {"start": 2.0, "end": 4.0}, "track": "_", "label": 1},
        {"segment": {"start": 0.0, "end": 2.0}, "track": "_", "label": 1},
    ]
    path = write(tmp_path / "t.json", {"pyannote": "Annotation", "content": content})
    assert read_shots(path) == [0.0, 2.0]


def test_shots_cover_a_video_whose_rate_varies() -> None:
    pts = [0, 40, 80, 1000, 1010, 1020, 2000]
    rows = shot_rows([0.0, 0.99, 1.9, 7.0], pts, 2040, Fraction(1, 1000))
    assert [(r["start_frame"], r["end_frame"]) for r in rows] == [(0, 3), (3, 6), (6, 7)]
    assert rows[-1]["end_pts"] == 2040


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("not json", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ([], "is not a shots file"),
        ({"pyannote": "Segment", "content": {}}, "contains a pyannote Segment"),
        ({"pyannote": "Timeline", "content": []}, "contains no shots"),
        ({"pyannote": "Timeline", "content": [{"end": 1}]}, "is not a shots file"),
        ({"pyannote": "Timeline", "content": [{"start": "x"}]}, "is not a shots file"),
        ('{"pyannote": "Timeline", "content": [{"start": NaN}]}', "contains no shots"),
        ({"pyannote": "Timeline", "content": "text"}, "is not a shots file"),
    ],
    ids=["text", "deep", "list", "segment", "empty", "no-start", "word", "nan", "string"],
)
def test_what_is_no_shots_file_is_refused(tmp_path: Path, content: Any, says: str) -> None:
    with pytest.raises(CaerError, match=says):
        read_shots(write(tmp_path / "shots.json", content))


def test_tracks_become_boxes_in_pixels(tmp_path: Path) -> None:
    path = write(
        tmp_path / "track.txt",
        "0.040 7 0.250 0.100 0.500 0.400 detection\n"
        "0.080 7 0.260 0.100 0.510 0.400 forward\n"
        "\n"
        "0.040 2 -0.100 0.500 0.100 1.200 backward+detection\n",
    )
    tracks = read_tracks(path, TIMES, 640, 360)
    assert list(tracks) == [2, 7]
    assert tracks[7].frames == [1, 2]
    assert tracks[7].scores == [1.0, 0.0]
    np.testing.assert_allclose(tracks[7].boxes[0], [160, 36, 320, 144], rtol=1e-6)
    np.testing.assert_allclose(tracks[2].boxes[0], [0, 180, 64, 360], rtol=1e-6)
    assert tracks[2].scores == [1.0]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0.04 7 0.2 0.1 0.5", r":1: has 5 words instead of"),
        ("x 7 0.2 0.1 0.5 0.4 detection", r":1: is not 'seconds track"),
        ("0.04 7 0.5 0.1 0.2 0.4 detection", r":1: the box lies entirely outside"),
        ("0.04 7 1.2 0.1 1.5 0.4 detection", r":1: the box lies entirely outside"),
        ("900 7 0.2 0.1 0.5 0.4 detection", r":1: is outside the video"),
        ("nan 7 0.2 0.1 0.5 0.4 detection", r":1: is outside the video"),
        ("0.04 7 nan 0.1 0.5 0.4 detection", r":1: is outside the video"),
    ],
    ids=["short", "word", "inside-out", "beside", "late", "nan-time", "nan-box"],
)
def test_a_bad_line_of_tracks_is_named(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(CaerError, match=says):
        read_tracks(write(tmp_path / "track.txt", line + "\n"), TIMES, 640, 360)


def test_absent_and_binary_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    for name, says in (("a.txt", "No such file"), ("b.txt", "is not a text file")):
        with pytest.raises(CaerError, match=says):
            read_tracks(tmp_path / name, TIMES, 640, 360)


@pytest.mark.parametrize(
    ("seconds", "frame"), [(-1.0, 0), (0.019, 0), (0.02, 0), (0.021, 1), (3.96, 99), (9.0, 99)]
)
def test_a_time_means_the_nearest_frame(seconds: float, frame: int) -> None:
    assert nearest_frame(TIMES, seconds) == frame
