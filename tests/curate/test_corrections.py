"""Persons corrected by hand: what is written down, what is refused, what a build makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from two_faces import FRAMES, VIDEO, two_faces

from caer_data.curate import corrections
from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.decisions import Decisions
from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Recipe, dump


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Two people of one shot, and one of them again, taken for a third, in a second shot."""
    own = Dataset(tmp_path)
    own.recipe_path.write_text(dump(Recipe()))
    tracks, faces = two_faces()
    again, more = two_faces()
    again = again.iloc[:1].assign(track_id="v.s0002.t1", shot_id="v.s0002", person_id="show.p0003",
                                  end_frame=FRAMES - 50, end_s=(FRAMES - 50) / 25)  # fmt: skip
    more = more.iloc[:FRAMES].assign(track_id="v.s0002.t1")
    people = [
        {"person_id": f"show.p000{n}", "show": "S", "tracks": 1, "shots": 1, "videos": 1,
         "seconds": 4.0, "best_track_id": "v.s0001.t1"} for n in (1, 2, 3)
    ]  # fmt: skip
    video = VIDEO | {"video_id": "v", "show": "S", "episode": "e", "path": "S/e.mp4",
                     "status": "ok", "bytes": 1, "frames": FRAMES, "fps": "25"}  # fmt: skip
    own.write(tables.VIDEOS, tables.frame(tables.VIDEOS, [video]))
    own.write(tables.PEOPLE, tables.frame(tables.PEOPLE, people))
    own.write(
        tables.TRACKS, tables.frame(tables.TRACKS, tables.records(tracks) + tables.records(again))
    )
    own.write(
        tables.FACES, tables.frame(tables.FACES, tables.records(faces) + tables.records(more))
    )
    return own


def test_a_merge_is_about_a_track_of_each(dataset: Dataset) -> None:
    row = corrections.merge(dataset, ["show.p0002", "show.p0003"], "ann", "same coat")
    assert [anchor.frames for anchor in row.about] == [FRAMES, FRAMES - 50]
    assert Decisions(dataset.folder).standing("merge") == [row]


@pytest.mark.parametrize(
    ("persons", "why"),
    [
        (["show.p0001"], "two or more persons"),
        (["show.p0001", "show.p0001"], "two or more persons"),
        (["show.p0001", "show.p0002"], "seen at the same time"),
        (["show.p0001", "nobody"], "nobody called 'nobody'"),
    ],
)
def test_a_merge_that_cannot_be_is_refused(dataset: Dataset, persons: list[str], why: str) -> None:
    with pytest.raises(CaerError, match=why):
        corrections.merge(dataset, persons, "ann", "")
    assert Decisions(dataset.folder).rows == []


def test_a_split_parts_some_tracks_of_one_person(dataset: Dataset) -> None:
    tracks = dataset.tracks
    dataset.write(
        tables.TRACKS, tracks.assign(person_id=["show.p0001", "show.p0002", "show.p0001"])
    )
    row = corrections.split(dataset, ["v.s0002.t1"], "ann", "")
    assert len(row.about) == 1
    for chosen, why in (
        (["v.s0001.t1", "v.s0002.t1"], "all tracks"),
        (["v.s0001.t1", "v.s0001.t2"], "one person at a time"),
        (["x"], "no track 'x'"),
    ):
        with pytest.raises(CaerError, match=why):
            corrections.split(dataset, chosen, "ann", "")


def test_names_are_given_and_taken_back(dataset: Dataset) -> None:
    row = corrections.name(dataset, "show.p0001", " Bo ", "ann", "")
    assert row.content == "Bo"
    with pytest.raises(CaerError):
        corrections.name(dataset, "show.p0001", " ", "ann", "")
    assert corrections.undo(dataset, None, "ann", "") == row
    with pytest.raises(CaerError, match="no correction"):
        corrections.undo(dataset, None, "ann", "")


def _second_show(dataset: Dataset) -> None:
    """Make the third person one of another show."""
    people = dataset.people
    dataset.write(tables.PEOPLE, people.assign(show=["S", "S", "T"]))


def test_persons_of_several_shows_can_be_called_one_and_told_apart(dataset: Dataset) -> None:
    _second_show(dataset)
    names = ["show.p0001", "show.p0003"]
    merged = corrections.merge(dataset, names, "ann", "the same actor")
    apart = corrections.apart(dataset, names, "bob", "her twin")
    assert [row.kind for row in Decisions(dataset.folder).standing()] == ["merge", "apart"]
    assert merged.about == apart.about
    assert corrections.undo(dataset, None, "ann", "") == apart


@pytest.mark.parametrize(
    ("persons", "why"),
    [(["show.p0001"], "two or more persons"), (["show.p0001", "show.p0002"], "are of one show")],
)
def test_telling_apart_what_is_apart_is_refused(
    dataset: Dataset, persons: list[str], why: str
) -> None:
    _second_show(dataset)
    with pytest.raises(CaerError, match=why):
        corrections.apart(dataset, persons, "ann", "")
