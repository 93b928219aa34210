from __future__ import annotations

import numpy as np
import pandas as pd

from caer_data.engine import tables
from caer_data.faces.across import identities
from caer_data.faces.people import cluster


def near(centre: int, shift: float = 0.0) -> np.ndarray:
    """A vector near one of several far-apart centres."""
    vector = np.zeros(8, np.float32)
    vector[[centre, 7]] = 1, shift
    return vector


def tracks_of(show: str, count: int) -> pd.DataFrame:
    """Tracks of a show, each in a shot of its own, the longest first."""
    rows = [
        {"track_id": f"{show}-{n}.t", "shot_id": f"{show}-{n}", "video_id": show, "start_frame": 0,
         "end_frame": 100 - n, "start_s": 0.0, "end_s": 100.0 - n, "coverage": 1.0,
         "detections": 3, "score": 1.0, "face_height": 0.3, "sharpness": 0.5, "brightness": 0.5}
        for n in range(count)
    ]  # fmt: skip
    return tables.frame(tables.TRACKS, rows)


def clustered(**shows: list[np.ndarray]) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """People, tracks and embeddings of shows, each given by the embeddings of its tracks."""
    tracks, people = [], []
    for show, vectors in shows.items():
        own = tracks_of(show, len(vectors))
        found, persons = cluster(show, show, own, np.stack(vectors), 0.5)
        tracks.append(found)
        people.append(persons)
    vectors = np.concatenate([np.stack(vectors) for vectors in shows.values()])
    return pd.concat(people, ignore_index=True), pd.concat(tracks, ignore_index=True), vectors


def named(**shows: list[np.ndarray]) -> dict[str, str | None]:
    people, tracks, vectors = clustered(**shows)
    return dict(zip(people["person_id"], identities(people, tracks, vectors, 0.5), strict=True))


def test_the_same_face_in_three_shows_is_one_person_named_by_the_first():
    found = named(a=[near(0), near(1)], b=[near(2), near(0, 0.1)], c=[near(0, 0.2)])
    assert found == {
        "a.p0001": "a.p0001", "a.p0002": "a.p0002", "b.p0001": "b.p0001",
        "b.p0002": "a.p0001", "c.p0001": "a.p0001",
    }  # fmt: skip


def test_persons_of_one_show_are_never_joined_by_way_of_another_show():
    half = (near(0) + near(1)) / 2
    people, tracks, vectors = clustered(a=[near(0), near(1)], b=[half])
    found = identities(people, tracks, vectors, 0.75)
    assert found[0] != found[1]
    assert found[2] in (found[0], found[1])


def test_who_has_no_embedding_was_not_looked_at():
    lost = np.full(8, np.nan, np.float32)
    assert named(a=[near(0)], b=[lost]) == {"a.p0001": "a.p0001", "b.p0001": None}
    assert named(a=[lost]) == {"a.p0001": None}


def test_many_persons_of_many_shows_are_told_apart():
    random = np.random.default_rng(1)
    faces = random.normal(size=(400, 128)).astype(np.float32)
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    shows = {f"s{n:02d}": list(faces[n * 20 : n * 20 + 20]) for n in range(20)}
    shows["again"] = list(
        faces[::20] + random.normal(scale=0.01, size=(20, 128)).astype(np.float32)
    )
    found = named(**shows)
    own = {name: identity for name, identity in found.items() if not name.startswith("again")}
    assert all(name == identity for name, identity in own.items())
    assert {found[f"again.p{n + 1:04d}"] for n in range(20)} == {
        f"s{n:02d}.p0001" for n in range(20)
    }
