from __future__ import annotations

import pandas as pd

from caer_data.curate.target_boxes import boxes_of_targets


def tables(*tracks):
    """Tracks (name, person, first frame, end), each with a box a frame whose x1 is its place."""
    rows = [
        {"track_id": name, "shot_id": "s", "person_id": person, "start_frame": a, "end_frame": b}
        for name, person, a, b in tracks
    ]
    faces = [
        {"track_id": name, "frame": n, "time_s": n / 25, "x1": float(place), "y1": 0.0, "x2": 50.0,
         "y2": 50.0, "score": 0.9, "interpolated": False}
        for place, (name, _, a, b) in enumerate(tracks) for n in range(a, b)
    ]  # fmt: skip
    return pd.DataFrame(rows), pd.DataFrame(faces)


def clips(start, end, person="p"):
    return pd.DataFrame(
        [
            {
                "clip_id": "c",
                "shot_id": "s",
                "person_id": person,
                "start_frame": start,
                "end_frame": end,
            }
        ]
    )


def test_every_track_of_the_person_counts_and_nobody_elses():
    tracks, faces = tables(("t1", "p", 0, 10), ("t2", "p", 14, 20), ("t3", "q", 0, 20))
    seen = boxes_of_targets(clips(0, 20), tracks, faces)
    assert seen["frame"].tolist() == [*range(10), *range(14, 20)]
    assert seen["x1"].tolist() == [0.0] * 10 + [1.0] * 6


def test_only_the_frames_of_the_clip():
    tracks, faces = tables(("t1", "p", 0, 30))
    assert boxes_of_targets(clips(10, 20), tracks, faces)["frame"].tolist() == list(range(10, 20))


def test_where_two_tracks_meet_the_longer_has_the_frame():
    tracks, faces = tables(("t1", "p", 0, 6), ("t2", "p", 4, 20))
    seen = boxes_of_targets(clips(0, 20), tracks, faces)
    assert seen["frame"].tolist() == list(range(20))
    assert seen["x1"].tolist() == [0.0] * 4 + [1.0] * 16


def test_a_clip_without_a_target_has_no_boxes():
    tracks, faces = tables(("t1", "p", 0, 6))
    assert boxes_of_targets(clips(0, 6, None), tracks, faces).empty
