from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from caer_data.engine import tables
from caer_data.faces import people as people_stage
from caer_data.faces.people import Correction, cluster, show_ids


def tracks_of(*spans: tuple[str, int, int]) -> pd.DataFrame:
    """Tracks from (shot, first frame, end frame)."""
    rows = [
        {
            "track_id": f"{shot}.t{n}",
            "shot_id": shot,
            "video_id": shot.split("-")[0],
            "start_frame": start,
            "end_frame": end,
            "start_s": start / 25,
            "end_s": end / 25,
            "coverage": 1.0,
            "detections": 3,
            "score": 1.0,
            "face_height": 0.3,
            "sharpness": 0.5,
            "brightness": 0.5,
        }
        for n, (shot, start, end) in enumerate(spans)
    ]
    return tables.frame(tables.TRACKS, rows)


def near(centre: int, shift: float = 0.0) -> np.ndarray:
    """A vector near one of several far-apart centres."""
    vector = np.zeros(8, np.float32)
    vector[centre] = 1
    vector[7] = shift
    return vector


def test_tracks_that_look_alike_are_one_person_and_the_longest_seen_comes_first():
    tracks = tracks_of(("v-1", 0, 25), ("v-2", 0, 100), ("v-3", 0, 90), ("w-1", 0, 10))
    vectors = np.stack([near(0), near(1), near(0, 0.1), near(1, 0.1)])
    labelled, people = cluster("My Show", "my-show", tracks, vectors, 0.5)
    assert labelled["person_id"].tolist() == [
        "my-show.p0001", "my-show.p0002", "my-show.p0001", "my-show.p0002"
    ]  # fmt: skip
    assert people["person_id"].tolist() == ["my-show.p0001", "my-show.p0002"]
    assert people["seconds"].tolist() == [4.6, 4.4]
    assert people["videos"].tolist() == [1, 2]


def test_two_tracks_seen_at_the_same_time_are_never_one_person():
    tracks = tracks_of(("v-1", 0, 50), ("v-1", 40, 90), ("v-1", 90, 120))
    labelled, _ = cluster("s", "s", tracks, np.stack([near(0)] * 3), 0.5)
    first, second, _ = labelled["person_id"]
    assert first != second


def test_the_same_frames_of_different_shots_do_not_hold_tracks_apart():
    tracks = tracks_of(("v-1", 0, 50), ("w-1", 0, 50))
    labelled, _ = cluster("s", "s", tracks, np.stack([near(0)] * 2), 0.5)
    assert labelled["person_id"].nunique() == 1


def test_a_pair_held_apart_stays_apart_in_large_clusters():
    tracks = tracks_of(*[(f"v-{n // 2}", 0, 50) for n in range(200)])
    rng = np.random.default_rng(0)
    vectors = np.stack([near(0)] * 200) + rng.normal(0, 0.01, (200, 8)).astype(np.float32)
    labelled, _ = cluster("s", "s", tracks, vectors, 0.5)
    for _, pair in labelled.groupby("shot_id"):
        assert pair["person_id"].nunique() == 2


def test_a_face_that_could_not_be_embedded_is_a_person_of_its_own():
    tracks = tracks_of(("v-1", 0, 50), ("v-2", 0, 50), ("v-3", 0, 50))
    vectors = np.stack([near(0), np.full(8, np.nan, np.float32), near(0)])
    labelled, people = cluster("s", "s", tracks, vectors, 0.5)
    assert labelled["person_id"].iloc[0] == labelled["person_id"].iloc[2]
    assert len(people) == 2


def test_no_tracks_no_people():
    labelled, people = cluster(
        "s", "s", tables.empty(tables.TRACKS), np.zeros((0, 8), np.float32), 0.5
    )
    assert labelled.empty
    assert people.empty


@pytest.mark.parametrize("seed", range(3))
def test_clustering_by_connected_parts_equals_clustering_at_once(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, 8)) * 0.5
    vectors = (centres[rng.integers(0, 12, 200)] + rng.normal(size=(200, 8)) * 0.09).astype("f4")
    tracks = tracks_of(*((f"v-{n // 2}", 20 * (n % 2), 50) for n in range(200)))  # pairs overlap
    monkeypatch.setattr(people_stage, "_ROWS", 32)
    parts = people_stage._connected(vectors, 0.5)
    assert 1 < len(np.unique(parts)) < 40
    labelled, _ = cluster("s", "s", tracks, vectors, 0.5)
    at_once = people_stage._average_linkage(people_stage._seen(tracks), vectors, 0.5)
    same = labelled["person_id"].to_numpy()[:, None] == labelled["person_id"].to_numpy()
    np.testing.assert_array_equal(same, at_once[:, None] == at_once)


def test_the_short_way_for_tight_groups_gives_what_linkage_gives(monkeypatch) -> None:
    draw = np.random.default_rng(5)
    told, exact = [], people_stage._all_near

    def all_near(embeddings, threshold):
        told.append(exact(embeddings, threshold))
        return told[-1]

    for spread in np.linspace(0.02, 0.2, 40):
        vectors = (draw.normal(size=8) + draw.normal(scale=spread, size=(6, 8))).astype("f4")
        seen = people_stage._seen(tracks_of(*((f"v-{n}", 0, 50) for n in range(6))))
        monkeypatch.setattr(people_stage, "_all_near", all_near)
        quick = people_stage._average_linkage(seen, vectors, 0.5)
        monkeypatch.setattr(people_stage, "_all_near", lambda *_: False)
        np.testing.assert_array_equal(
            quick, people_stage._average_linkage(seen, vectors, 0.5), f"{spread:.3f}"
        )
    assert 5 < sum(told) < 35


@pytest.mark.parametrize(
    ("first", "many"), [(16, 0.1), (4, 0.0), (4, 1.0), (None, 0.001)],
    ids=["all dimensions", "four, then tiles", "four, then pairs", "as chosen"],
)  # fmt: skip
def test_parts_are_those_of_all_pairs_within_the_threshold(first, many, monkeypatch) -> None:
    monkeypatch.setattr(people_stage, "_MANY", many)
    if first:
        monkeypatch.setattr(people_stage, "_enough", lambda turned, limit: first)
    draw = np.random.default_rng(3)
    centres = draw.normal(size=(300, 16))
    rows = centres[draw.integers(0, 300, 2500)] + draw.normal(scale=0.05, size=(2500, 16))
    found = people_stage._connected(rows.astype(np.float32), 0.6)
    near = cdist(rows, rows) <= 0.6 + people_stage._SLACK
    expected = connected_components(near, directed=False)[1]
    assert len(set(zip(found, expected, strict=True))) == len(set(found)) == len(set(expected))


def test_shows_whose_names_meet_in_one_slug_stay_apart():
    ids = show_ids(["Dr. Who", "Dr Who", "dr who", "Other"])
    assert (ids["Dr Who"], ids["Other"]) == ("dr-who", "other")
    assert ids["Dr. Who"].startswith("dr-who-")
    assert len(set(ids.values())) == 4
    assert show_ids(["Dr. Who"])["Dr. Who"] == ids["Dr. Who"], "whatever else is there"


def test_corrections_join_and_part_persons_in_order() -> None:
    tracks = tracks_of(*((f"v-s{n}", 0, 25) for n in range(4)))
    vectors = np.array([near(0), near(0), near(1), near(2)])

    def persons(*corrections: Correction) -> list[str]:
        labelled, found = cluster("S", "s", tracks, vectors, 0.5, corrections)
        assert set(found["person_id"]) == set(labelled["person_id"])
        return labelled["person_id"].tolist()

    merge, part = Correction(False, (0, 3)), Correction(True, (1, 2))
    assert persons() == ["s.p0001", "s.p0001", "s.p0002", "s.p0003"]
    assert persons(merge) == ["s.p0001", "s.p0001", "s.p0002", "s.p0001"]
    assert persons(part) == ["s.p0002", "s.p0001", "s.p0001", "s.p0003"]
    assert persons(merge, part) == ["s.p0001", "s.p0002", "s.p0002", "s.p0001"]
