from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from caer_data.curate.filter import Timing, choose
from caer_data.engine import tables
from caer_data.engine.recipe import Clips, Filter

FPS = 25


def judge(
    faces: list[dict],
    frames: int = 100,
    settings: Filter | None = None,
    clips: Clips | None = None,
) -> pd.DataFrame:
    """Judge one shot that holds these faces; each overrides fields of a good track."""
    video = pd.Series({"show": "S", "episode": "e"})
    shots = tables.frame(
        tables.SHOTS,
        [
            {
                "shot_id": "s.e.s0001", "video_id": "s.e", "start_frame": 10,
                "end_frame": 10 + frames, "start_pts": 10, "end_pts": 10 + frames,
                "start_s": 10 / FPS, "end_s": (10 + frames) / FPS,
            }
        ],
    )  # fmt: skip
    rows = []
    for n, face in enumerate(faces, 1):
        start = face.pop("start", 0) + 10
        end = face.pop("end", frames) + 10
        rows.append(
            {
                "track_id": f"s.e.s0001.t{n}", "shot_id": "s.e.s0001", "video_id": "s.e",
                "person_id": f"s.p{n:04d}", "start_frame": start, "end_frame": end,
                "start_s": start / FPS, "end_s": end / FPS, "coverage": (end - start) / frames,
                "detections": 9, "score": 1.0, "face_height": 0.3, "sharpness": 0.5,
                "brightness": 0.5, **face,
            }
        )  # fmt: skip
    timing = Timing(Fraction(FPS), Fraction(1, FPS), np.arange(10 + frames + 5))
    found = choose(
        video, shots, tables.frame(tables.TRACKS, rows), timing, settings or Filter(),
        clips or Clips(),
    )  # fmt: skip
    return tables.frame(tables.CLIPS, found)


@pytest.mark.parametrize(
    ("faces", "reason"),
    [
        pytest.param([{}], None, id="one good face"),
        pytest.param([{}, {"face_height": 0.2}], None, id="two people, one larger"),
        pytest.param([], "no_face", id="nobody"),
        pytest.param([{"face_height": h} for h in (0.3, 0.2, 0.15)], "group", id="three people"),
        pytest.param([{}, {"face_height": 0.29}], "ambiguous", id="two equals"),
        pytest.param([{}, {"face_height": 0.23}], "ambiguous", id="a third taller"),
        pytest.param([{}, {"end": 42}], "ambiguous", id="an equal in two fifths"),
        pytest.param([{}, {"end": 30}], None, id="an equal passes by"),
        pytest.param([{}, {"end": 60, "face_height": 0.2}], None, id="one smaller in three fifths"),
        pytest.param([{"end": 70}, {"start": 70}], "ambiguous", id="one equal after the other"),
        pytest.param([{"end": 50}], "too_brief", id="seen half of the time"),
        pytest.param([{"face_height": 0.08}], "too_small", id="small face"),
        pytest.param([{"sharpness": 0.01}], "blurred", id="blurred face"),
        pytest.param([{"brightness": 0.02}], "too_dark", id="dark face"),
        pytest.param(
            [{}, *({"face_height": 0.2, "start": 30 * n, "end": 30 * n + 25} for n in range(3))],
            None,
            id="passers-by do not last",
        ),
        pytest.param(
            [{}, *({"face_height": 0.15, "brightness": 0.05} for _ in range(3))],
            None,
            id="an audience in the dark is not a group",
        ),
    ],
)
def test_reasons(faces, reason):
    (row,) = judge(faces).to_dict("records")
    assert (row["reason"] if isinstance(row["reason"], str) else None) == reason
    assert row["status"] == ("dropped" if reason else "kept")


def test_a_shot_shorter_than_a_clip_may_be_is_dropped_but_scored():
    (row,) = judge([{}], frames=24).to_dict("records")
    assert row["reason"] == "too_short"
    assert row["face_height"] == pytest.approx(0.3)
    assert judge([{}], frames=25)["status"].tolist() == ["kept"]


def test_nobody_counts_the_people_of_a_shot_that_is_too_short():
    assert judge([{}], frames=24)["n_people"].isna().tolist() == [True]
    assert judge([], frames=24)["n_people"].isna().tolist() == [True]
    assert judge([], frames=25)["n_people"].tolist() == [0]


def test_a_limit_in_frames_replaces_that_in_seconds():
    limit = Clips(min_frames=30)
    assert judge([{}], frames=29, clips=limit)["reason"].tolist() == ["too_short"]
    assert judge([{}], frames=30, clips=limit)["status"].tolist() == ["kept"]


def test_the_target_is_the_person_with_the_largest_face_over_time():
    (row,) = judge([{"face_height": 0.2}, {"face_height": 0.4}]).to_dict("records")
    assert row["person_id"] == "s.p0002"
    assert row["track_id"] == "s.e.s0001.t2"
    assert row["n_people"] == 2
    assert row["dominance"] == pytest.approx(2)


def test_dominance_is_a_ratio_of_heights_and_of_the_time_seen():
    (row,) = judge([{"face_height": 0.3}, {"face_height": 0.2}]).to_dict("records")
    assert row["dominance"] == pytest.approx(1.5)
    (row,) = judge([{"face_height": 0.3}, {"face_height": 0.3, "end": 15}]).to_dict("records")
    assert row["dominance"] == pytest.approx(2)


def test_a_rival_who_could_be_the_target_counts_in_full():
    for end in (60, 80, 100):
        (row,) = judge([{}, {"face_height": 0.2, "end": end}]).to_dict("records")
        assert row["dominance"] == pytest.approx(1.5)


@pytest.mark.parametrize("fault", [{"sharpness": 0.01}, {"brightness": 0.02}], ids=str)
def test_a_larger_face_out_of_focus_or_in_the_dark_is_no_rival(fault):
    (row,) = judge([{"face_height": 0.4, **fault}, {"face_height": 0.3}]).to_dict("records")
    assert (row["person_id"], row["status"]) == ("s.p0002", "kept")
    assert np.isnan(row["dominance"])


@pytest.mark.parametrize(
    ("sharpness", "height", "people"),
    [
        pytest.param(0.03, 0.25, 1, id="out of focus"),
        pytest.param(0.03, 0.12, 2, id="far away: resolution may explain it"),
        pytest.param(0.07, 0.24, 2, id="smaller and less sharp"),
        pytest.param(0.12, 0.25, 2, id="soft"),
    ],
)
def test_people_out_of_focus_beside_somebody_in_focus_are_not_counted(sharpness, height, people):
    other = {"sharpness": sharpness, "face_height": height}
    (row,) = judge([{"sharpness": 0.5, "face_height": 0.4}, other]).to_dict("records")
    assert (row["n_people"], row["status"]) == (people, "kept")


@pytest.mark.parametrize("heights", [(0.0, 0.3), (0.3, 0.0), (0.0, 0.0)], ids=str)
def test_a_box_of_hardly_any_height_is_judged(heights):
    faces = [
        {"face_height": height, "sharpness": 0.5 - 0.48 * n} for n, height in enumerate(heights)
    ]
    (row,) = judge(faces).to_dict("records")
    assert row["n_people"] == 2


def test_people_who_are_all_out_of_focus_are_counted():
    (row,) = judge([{"sharpness": 0.05}, {"sharpness": 0.04}, {"sharpness": 0.03}]).to_dict(
        "records"
    )
    assert (row["n_people"], row["reason"]) == (3, "group")


def test_one_person_in_two_tracks_counts_once():
    (row,) = judge(
        [{"end": 50, "person_id": "s.p0001"}, {"start": 50, "person_id": "s.p0001"}]
    ).to_dict("records")
    assert row["status"] == "kept"
    assert row["n_people"] == 1
    assert row["coverage"] == 1


def test_long_shots_are_divided_into_equal_parts_judged_apart():
    rows = judge([{"end": 260}], frames=520, clips=Clips(max_seconds=10.4)).to_dict("records")
    assert [r["clip_id"] for r in rows] == ["s.e.s0001.c1", "s.e.s0001.c2"]
    assert [(r["start_frame"], r["end_frame"]) for r in rows] == [(10, 270), (270, 530)]
    assert [r["status"] for r in rows] == ["kept", "dropped"]
    assert [r["end_s"] for r in rows] == pytest.approx([10.8, 21.2])


def test_a_shot_of_exactly_the_longest_length_stays_whole():
    assert len(judge([{}], frames=250, clips=Clips(max_seconds=10.0))) == 1
    assert len(judge([{}], frames=251, clips=Clips(max_seconds=10.0))) == 2


def test_thresholds_decide():
    settings = Filter(max_people=3, min_dominance=1.0)
    faces = [{"face_height": h} for h in (0.3, 0.2, 0.15)]
    assert judge(faces, settings=settings)["status"].tolist() == ["kept"]
