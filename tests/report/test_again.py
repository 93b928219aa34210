"""Persons of several shows and repeated footage, as the report shows them."""

from __future__ import annotations

import built_dataset
import pytest

from caer_data import Dataset
from caer_data.engine import tables
from caer_data.report import again
from caer_data.report.pictures import Pictures

SHOT = "a-show.e1.s0001"


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    return built_dataset.make(tmp_path / "dataset")


def several(dataset: Dataset, *identities: str | None) -> None:
    """Persons of shows 0, 1, ..., each with the face of the dataset's first track."""
    person = tables.records(dataset.people)[0]
    rows = [
        person
        | {"person_id": f"show-{n}.p0001", "show": f"Show {n}", "identity": identity, "name": None}
        for n, identity in enumerate(identities)
    ]
    dataset.write(tables.PEOPLE, tables.frame(tables.PEOPLE, rows))


def shown(dataset: Dataset) -> str:
    section = again.persons(dataset, Pictures(dataset))
    return str(section.html) if section else ""


def test_persons_of_several_shows_are_shown_with_a_face_of_each(dataset: Dataset) -> None:
    several(dataset, "show-0.p0001", "show-0.p0001", "show-2.p0001", None)
    html = shown(dataset)
    assert "1 of 2 persons were found in more than one show; 1 have no face" in html
    assert "show-0.p0001" in html
    assert "show-1.p0001" in html
    assert "show-2.p0001" not in html
    assert html.count("<img") == 2


def test_what_was_not_compared_is_not_called_none(dataset: Dataset) -> None:
    several(dataset, None, None)
    assert "were not compared" in shown(dataset)
    several(dataset, "show-0.p0001", "show-1.p0001")
    assert "0 of 2 persons" in shown(dataset)


def test_one_show_has_no_such_section(dataset: Dataset) -> None:
    assert shown(dataset) == ""


def repeat(shot: str, start: float, score: float, of: str = "other.e1") -> dict:
    return {
        "shot_id": shot, "video_id": "a-show.e1", "start_pts": 0, "end_pts": 50, "start_s": start,
        "end_s": start + 2.0, "of_shot_id": f"{of}.s0009", "of_video_id": of, "of_start_pts": 0,
        "of_end_pts": 50, "of_start_s": 61.0, "of_end_s": 63.0, "mirrored": score < 0.9,
        "score": score, "motion": None, "sound": None,
    }  # fmt: skip


def test_repeats_show_the_shots_most_alike_of_each_two_videos(dataset: Dataset) -> None:
    rows = [
        repeat(SHOT, 0.0, 0.97), repeat("a-show.e1.s0002", 2.0, 0.93),
        repeat("a-show.e1.s0003", 4.0, 0.88, "third.e1"),
    ]  # fmt: skip
    dataset.write(tables.REPEATS, tables.frame(tables.REPEATS, rows))
    section = again.repeats(dataset, Pictures(dataset))
    assert section is not None
    html = str(section.html)
    assert "3 shots repeat a shot of another video; 0 clips" in html
    assert "2 shots, 4 s in all, score 0.97<" in html
    assert "1 shot, 2 s in all, score 0.88, mirrored" in html
    assert SHOT in html
    assert "a-show.e1.s0002" not in html
    assert "at 1:01" in html
    assert html.count("<img") == 2  # of the other videos no picture is there
    assert html.count("no picture kept") == 2


def test_without_a_search_nothing_is_said_and_without_a_find_it_is(dataset: Dataset) -> None:
    assert again.repeats(dataset, Pictures(dataset)) is None
    dataset.write(tables.REPEATS, tables.empty(tables.REPEATS))
    section = again.repeats(dataset, Pictures(dataset))
    assert section is not None
    assert "No shot repeats" in str(section.html)
