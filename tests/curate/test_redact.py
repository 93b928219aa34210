"""An artifact of the face stage without what is forgotten: no box, vector or picture is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from two_faces import FRAMES, LEFT, VIDEO, clip, two_faces

from caer_data.curate import redact
from caer_data.engine import tables
from caer_data.engine.artifacts import Artifact, Store, write_json
from caer_data.engine.identity import Anchor


def shots() -> pd.DataFrame:
    rows = [
        {"shot_id": f"s000{n}", "video_id": "", "start_frame": start, "end_frame": end,
         "start_pts": 500 + start, "end_pts": 500 + end, "start_s": start / 25, "end_s": end / 25}
        for n, (start, end) in enumerate(((0, FRAMES), (FRAMES, 2 * FRAMES)), 1)
    ]  # fmt: skip
    return tables.frame(tables.SHOTS, rows)


def fill(folder: Path) -> None:
    """Two people in the first shot; the left one again in the second."""
    tracks, faces = two_faces()
    again, more = two_faces()
    tracks["track_id"] = tracks["track_id"].str.removeprefix("v.")
    faces["track_id"] = faces["track_id"].str.removeprefix("v.")
    for frame in (again, more):
        frame["track_id"] = "s0002.t1"
    again, more = again.iloc[:1], more.iloc[:FRAMES]
    again = again.assign(shot_id="s0002", start_frame=FRAMES, end_frame=2 * FRAMES,
                         start_s=FRAMES / 25, end_s=2 * FRAMES / 25)  # fmt: skip
    more = more.assign(frame=more["frame"] + FRAMES, time_s=more["time_s"] + FRAMES / 25)
    tracks, faces = pd.concat([tracks, again]), pd.concat([faces, more])
    tables.write(
        tables.TRACKS, tracks.assign(person_id=None, video_id=""), folder / "tracks.parquet"
    )
    tables.write(tables.FACES, faces, folder / "faces.parquet")
    np.save(folder / "embeddings.npy", np.array([[1, 0], [0, 1], [1, 0.01]], np.float32))
    for kind, names in (
        ("portraits", tracks["track_id"]),
        ("thumbnails", ["s0001", "s0002"]),
    ):
        (folder / kind).mkdir()
        for name in names:
            (folder / kind / f"{name}.jpg").write_bytes(b"picture")
    write_json(folder / "thumbnails.json", {"s0001": 5, "s0002": 105})
    write_json(folder / "models.json", {"track_threshold": 0.4, "warnings": []})


def redacted(tmp_path: Path, *forgotten: Anchor) -> tuple[Store, Artifact]:
    store = Store(tmp_path)
    artifact = store.make("faces", "ab", "k" * 16, fill)
    redact.without(store, artifact.path, VIDEO, shots(), forgotten)
    (path,) = store.files("faces")
    return store, Artifact(path)


def left(artifact: Artifact) -> list[str]:
    return tables.read(tables.TRACKS, artifact.open("tracks.parquet"))["track_id"].tolist()


def test_a_person_goes_with_everybody_who_looks_the_same(tmp_path: Path) -> None:
    store, artifact = redacted(tmp_path, clip(LEFT))
    assert left(artifact) == ["s0001.t2"]
    assert set(tables.read(tables.FACES, artifact.open("faces.parquet"))["track_id"]) == {
        "s0001.t2"
    }
    assert artifact.array("embeddings.npy").tolist() == [[0, 1]]
    assert [name for name in artifact.names() if name.endswith(".jpg")] == [
        "portraits/s0001.t2.jpg"
    ]
    assert redact.spans_of(artifact) == [(500, 600), (600, 700)]
    assert artifact.path.name == f"ab.{redact.key_without('k' * 16, [clip(LEFT)])}.zip"
    assert store.get("faces", "ab", "k" * 16) is None


def test_of_a_span_boxes_and_pictures_go_and_tracks_that_lie_in_it(tmp_path: Path) -> None:
    _, artifact = redacted(tmp_path, clip(None, 150, 160))
    assert left(artifact) == ["s0001.t1", "s0001.t2", "s0002.t1"]
    faces = tables.read(tables.FACES, artifact.open("faces.parquet"))
    assert not faces["frame"].between(150, 159).any() and len(faces) == 3 * FRAMES - 10
    pictures = [name for name in artifact.names() if name.endswith(".jpg")]
    assert pictures == ["portraits/s0001.t1.jpg", "portraits/s0001.t2.jpg", "thumbnails/s0001.jpg"]
    (tmp_path / "whole").mkdir()
    _, artifact = redacted(tmp_path / "whole", clip(None, FRAMES, 2 * FRAMES))
    assert left(artifact) == ["s0001.t1", "s0001.t2"]
    assert len(artifact.array("embeddings.npy")) == 2


def test_forgetting_more_later_gives_the_key_that_both_at_once_give(tmp_path: Path) -> None:
    store, artifact = redacted(tmp_path, clip(LEFT))
    both = [clip(LEFT), clip(None, 10, 20)]
    redact.without(store, artifact.path, VIDEO, shots(), both)
    (path,) = store.files("faces")
    assert path.name == f"ab.{redact.key_without('k' * 16, both[::-1])}.zip"
    assert left(Artifact(path)) == ["s0001.t2"]
    redact.without(store, path, VIDEO, shots(), both)
    assert store.files("faces") == [path]


def test_a_damaged_artifact_just_goes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    artifact = store.make("faces", "ab", "k" * 16, fill)
    artifact.path.write_bytes(b"damaged")
    redact.without(store, artifact.path, VIDEO, shots(), [clip(LEFT)])
    assert store.files("faces") == []
