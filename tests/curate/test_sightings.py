"""A track's anchor, and the track that an anchor is after another look at the video."""

from __future__ import annotations

from dataclasses import replace

from two_faces import LEFT, RIGHT, VIDEO, clip, two_faces

from caer_data.curate import sightings
from caer_data.engine.identity import Box


def test_an_anchor_is_the_span_and_the_box_in_its_middle() -> None:
    found = sightings.of_tracks(VIDEO, *two_faces(late=20))
    box = found["v.s0001.t1"].box
    assert box is not None and box.overlap(LEFT) > 0.999
    assert replace(found["v.s0001.t1"], box=None) == clip(None, 20)


def test_a_track_is_found_by_place_whatever_its_number_and_length() -> None:
    earlier = sightings.of_tracks(VIDEO, *two_faces())
    left, right = earlier["v.s0001.t1"], earlier["v.s0001.t2"]
    other = replace(left, video_key="cd" * 32)
    found = sightings.tracks_at(VIDEO, *two_faces(swapped=True, late=30), [left, right, other])
    assert found == ["v.s0001.t2", "v.s0001.t1", None]


def test_a_face_that_is_not_there_any_more_is_none() -> None:
    tracks, faces = two_faces(late=80)
    early = clip(RIGHT, 0, 40)
    nowhere = clip(Box(0.45, 0.4, 0.55, 0.6), 80, 100)
    assert sightings.tracks_at(VIDEO, tracks, faces, [early, nowhere]) == [None, None]
