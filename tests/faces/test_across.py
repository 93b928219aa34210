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


def test_persons_whom_somebody_called_one_are_one_whatever_their_faces_say():
    people, tracks, vectors = clustered(a=[near(0)], b=[near(1)], c=[near(1, 0.1)])
    found = identities(people, tracks, vectors, 0.5, same=[("a.p0001", "b.p0001")])
    assert list(found) == ["a.p0001", "a.p0001", "a.p0001"]


def test_persons_whom_somebody_told_apart_are_not_joined_either_way_round():
    people, tracks, vectors = clustered(a=[near(0)], b=[near(0, 0.1)], c=[near(0, 0.05)])
    assert identities(people, tracks, vectors, 0.5).nunique() == 1
    for pair in (("a.p0001", "b.p0001"), ("b.p0001", "a.p0001")):
        found = identities(people, tracks, vectors, 0.5, apart=[pair])
        assert found[0] != found[1]
        assert found[2] in (found[0], found[1])


def test_one_without_a_face_has_the_identity_that_somebody_gave():
    people, tracks, vectors = clustered(a=[near(0)], b=[near(1)], c=[near(2)])
    vectors[1:] = np.nan
    pairs = [("b.p0001", "c.p0001")]
    assert list(identities(people, tracks, vectors, 0.5, pairs)) == [
        "a.p0001", "b.p0001", "b.p0001",
    ]  # fmt: skip
    assert (
        list(identities(people, tracks, vectors, 0.5, [*pairs, ("a.p0001", "c.p0001")]))
        == ["a.p0001"] * 3
    )
    assert identities(people, tracks, vectors, 0.5)[1] is None


def test_called_one_a_person_is_still_never_joined_with_another_of_either_show():
    people, tracks, vectors = clustered(a=[near(0), near(1)], b=[near(2), near(0, 0.1)])
    names = dict(zip(people["person_id"], vectors.argmax(axis=1), strict=True))
    like_0 = {name[0]: name for name, centre in names.items() if centre == 0}
    like_1 = next(name for name, centre in names.items() if centre == 1)
    found = dict(
        zip(
            people["person_id"],
            identities(people, tracks, vectors, 0.5, [(like_1, like_0["b"])]),
            strict=True,
        )
    )
    assert found[like_1] == found[like_0["b"]]
    assert found[like_0["a"]] != found[like_0["b"]]
