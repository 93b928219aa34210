"""Persons of several shows by hand: decisions find today's persons, and the last one counts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from two_faces import LEFT, RIGHT, VIDEO, clip, two_faces

from caer_data.curate import across
from caer_data.curate.keeping import Absent
from caer_data.engine import tables
from caer_data.engine.decisions import Decision

OTHER = "cd" * 32


@pytest.fixture
def absent() -> Absent:
    """Two videos of two shows, each with two people."""
    videos, tracks, faces, people = [], [], [], []
    for show, sha256 in (("s", VIDEO["sha256"]), ("t", OTHER)):
        own, boxes = two_faces()
        own["track_id"], own["video_id"] = show + own["track_id"], show
        own["person_id"] = own["person_id"].str.replace("show", show)
        boxes["track_id"] = show + boxes["track_id"]
        videos.append(VIDEO | {"sha256": sha256, "video_id": show, "show": show})
        tracks.append(own)
        faces.append(pa.Table.from_pandas(boxes, preserve_index=False))
        people += [{"person_id": name, "show": show} for name in own["person_id"]]
    empty = pd.DataFrame()
    return Absent(
        pd.DataFrame(videos), empty, pd.concat(tracks, ignore_index=True), pd.DataFrame(people),
        tables.empty(tables.CLIPS), pa.concat_tables(faces),
    )  # fmt: skip


def said(absent: Absent, *kinds: str) -> tuple[list[Any], list[Any]]:
    """What decisions say of the left person of one show and the right one of the other."""
    about = clip(LEFT), clip(RIGHT).__class__(OTHER, *_place(), RIGHT)
    rows = [Decision(kind, "ann", about, when=f"2026-01-0{n + 1}") for n, kind in enumerate(kinds)]
    return across._by_hand(SimpleNamespace(decisions=rows), [], {}, absent, absent.people)


def _place() -> tuple[int, int, int]:
    whole = clip(RIGHT)
    return whole.start_pts, whole.end_pts, whole.frames


def test_a_decision_finds_the_persons_of_absent_shows(absent: Absent) -> None:
    assert said(absent, "merge") == ([("s.p0001", "t.p0002")], [])
    assert said(absent, "apart") == ([], [("s.p0001", "t.p0002")])
    assert said(absent) == ([], [])


def test_the_last_decision_about_two_persons_counts(absent: Absent) -> None:
    assert said(absent, "merge", "apart") == ([], [("s.p0001", "t.p0002")])
    assert said(absent, "apart", "merge") == ([("s.p0001", "t.p0002")], [])


def test_persons_of_one_show_are_left_to_that_show(absent: Absent) -> None:
    rows = [Decision("merge", "ann", (clip(LEFT), clip(RIGHT)))]
    given = SimpleNamespace(decisions=rows), [], {}, absent, absent.people
    assert across._by_hand(*given) == ([], [])
