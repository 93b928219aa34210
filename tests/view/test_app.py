"""What the page gets by its routes, and that no name of a request reaches the file system."""

from __future__ import annotations

from pathlib import Path

import built_dataset
import pandas as pd
import pytest
from asgi import Answer, call

pytest.importorskip("starlette")

from caer_data.engine import tables
from caer_data.engine.decisions import Decisions
from caer_data.engine.errors import CaerError
from caer_data.view.app import application
from caer_data.view.session import Session

MEDIA = bytes(range(256)) * 8
CLIP = "a-show.e1.s0001.c1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    dataset = built_dataset.make(tmp_path_factory.mktemp("view") / "mine", shots=24)
    clips = dataset.clips
    clips.loc[clips["clip_id"] == CLIP, "path"] = "clips/a-show/one.mp4"
    dataset.write(tables.CLIPS, clips)
    dataset.write(tables.VIDEOS, dataset.videos.assign(time_base="1/25", first_pts=0))
    (dataset.folder / "clips" / "a-show").mkdir(parents=True)
    (dataset.folder / "clips" / "a-show" / "one.mp4").write_bytes(MEDIA)
    return dataset.folder


@pytest.fixture(scope="module")
def app(folder):
    return application(Session(folder, {}))


def ask(app, path: str, **headers: str) -> Answer:
    return call(app, path, headers)


def decide(app, **values) -> Answer:
    return call(app, "/api/decide", {}, "POST", {"who": "ann", "why": "seen", **values})


def test_the_first_page_and_its_counts(app) -> None:
    overview = ask(app, "/api/overview").json()
    assert (overview["clips"], overview["kept"], overview["dataset"]) == (24, 8, "mine")
    answer = ask(app, "/api/clips?status=dropped&count=5&sort=-sharpness").json()
    assert (answer["total"], len(answer["clips"])) == (16, 5)
    assert dict(map(tuple, ask(app, "/api/facets").json()["status"])) == {"dropped": 16, "kept": 8}


def test_a_clip_tells_its_whole_story(app) -> None:
    clip = ask(app, "/api/clip/a-show.e1.s0007.c1").json()
    assert clip["why"] == "ambiguous: dominance 1.349 < 1.35"
    by_score = {check["score"]: check for check in clip["checks"]}
    assert by_score["dominance"]["passed"] is False
    assert by_score["coverage"]["passed"] is True
    assert clip["tracks"][0]["boxes"] == [[10, 0.25, 0.25, 0.5, 0.75]]
    assert clip["tracks"][0]["target"] is True
    unseen = ask(app, "/api/clip/a-show.e1.s0002.c1").json()
    assert [c["passed"] for c in unseen["checks"] if c["score"] == "sharpness"] == [None]


def test_a_clip_is_also_found_by_its_key(app) -> None:
    key = ask(app, f"/api/clip/{CLIP}").json()["clip_key"]
    assert ask(app, f"/api/clip/{key}").json()["clip_id"] == CLIP


def test_a_video_has_its_shots_tracks_and_clips_in_order(app) -> None:
    video = ask(app, "/api/video/a-show.e1").json()
    assert [shot["start_frame"] for shot in video["shots"]] == [50 * n for n in range(24)]
    assert {len(video["clips"]), len(video["shots"])} == {24}
    assert ask(app, "/api/videos").json()[0]["kept"] == 8


def test_persons_with_their_faces(app) -> None:
    (person,) = ask(app, "/api/people").json()
    assert (person["person_id"], person["clips"]) == ("a-show.p0001", 8)
    assert len(ask(app, "/api/person/a-show.p0001").json()["own_tracks"]) == person["tracks"]


def test_a_clip_plays_from_anywhere(app) -> None:
    whole = ask(app, f"/media/{CLIP}")
    assert (whole.status, whole.body) == (200, MEDIA)
    part = ask(app, f"/media/{CLIP}", range="bytes=100-199")
    assert (part.status, part.body) == (206, MEDIA[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(MEDIA)}"
    assert ask(app, f"/media/{CLIP}", range="bytes=9999-").status == 416


def test_pictures_of_clips_shots_and_faces(app) -> None:
    for path in (f"clip/{CLIP}", "shot/a-show.e1.s0001", "face/a-show.e1.s0001.t1"):
        answer = ask(app, f"/picture/{path}")
        assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.body.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    "path",
    [
        "/media/..%2f..%2fcaer-data.json", "/media/../caer-data.json", "/media//etc/passwd",
        "/media/clips/a-show/one.mp4", "/media/caer-data.json", "/static/../app.py", "/app.py",
        "/picture/shot/..%2fpieces", "/picture/face/x", "/api/clip/x", "/api/video/x",
        "/api/person/x", "/recipe.yaml", "/media/a-show.e1.s0003.c1", "/nowhere",
    ],
)  # fmt: skip
def test_only_what_the_tables_name_is_found(app, path) -> None:
    assert ask(app, path).status == 404


def test_a_path_in_a_table_cannot_leave_the_dataset(tmp_path) -> None:
    dataset = built_dataset.make(tmp_path / "dataset", shots=1)
    (tmp_path / "secret").write_text("secret")
    dataset.write(tables.CLIPS, dataset.clips.assign(path="../secret"))
    answer = ask(application(Session(dataset.folder, {})), f"/media/{CLIP}")
    assert answer.status == 409
    assert b"points outside" in answer.body


def test_the_pages_own_files_come_with_their_types(app) -> None:
    assert ask(app, "/").headers["content-type"].startswith("text/html")
    assert ask(app, "/main.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    ("values", "anchors", "content"),
    [
        ({"kind": "drop", "clip": CLIP}, 1, None),
        ({"kind": "keep", "clip": "a-show.e1.s0007.c1"}, 1, None),
        ({"kind": "target", "clip": CLIP, "track": f"{CLIP[:-2]}t1"}, 1, [0.25, 0.25, 0.5, 0.75]),
        ({"kind": "split", "tracks": ["a-show.e1.s0001.t1", "a-show.e1.s0003.t1"]}, 2, None),
        ({"kind": "name", "person": "a-show.p0001", "name": "Ann"}, 5, "Ann"),
        ({"kind": "cut_add", "video": "a-show.e1", "frame": 25}, 1, None),
        ({"kind": "cut_remove", "video": "a-show.e1", "frame": 50}, 1, None),
        ({"kind": "cut_move", "video": "a-show.e1", "frame": 50, "to": 53}, 1, 53),
    ],
    ids=lambda v: v.get("kind") if isinstance(v, dict) else "",
)  # fmt: skip
def test_a_decision_is_written_with_anchors(folder, app, values, anchors, content) -> None:
    answer = decide(app, **values)
    assert answer.status == 200, answer.body
    row = Decisions(folder).rows[-1]
    assert (row.key, row.kind, row.who, row.why) == (
        answer.json()["key"], values["kind"], "ann", "seen",
    )  # fmt: skip
    assert (len(row.about), row.content) == (anchors, content)
    assert {anchor.video_key for anchor in row.about} == {"0" * 64}


def test_a_cut_is_an_instant_and_a_clip_its_span(folder, app) -> None:
    decide(app, kind="cut_add", video="a-show.e1", frame=60)
    cut = Decisions(folder).rows[-1].about[0]
    assert (cut.start_pts, cut.end_pts, cut.frames, cut.box) == (60, 60, 0, None)
    decide(app, kind="drop", clip="a-show.e1.s0003.c1")
    clip = Decisions(folder).rows[-1].about[0]
    assert (clip.start_pts, clip.end_pts, clip.frames) == (100, 150, 50)


def test_what_was_decided_is_shown_and_undone(folder) -> None:
    app = application(Session(folder, {}))
    clip = "a-show.e1.s0012.c1"
    key = decide(app, kind="drop", clip=clip).json()["key"]
    assert ask(app, f"/api/clip/{clip}").json()["decision"] == "drop"
    shown = ask(app, "/api/clips?decision=drop&text=s0012").json()["clips"]
    assert [c["clip_id"] for c in shown] == [clip]
    assert decide(app, kind="undo", key=key).status == 200
    assert ask(app, f"/api/clip/{clip}").json()["decision"] is None
    listed = {row["key"]: row["stands"] for row in ask(app, "/api/decisions").json()}
    assert listed[key] is False


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"kind": "drop", "clip": CLIP, "who": " "}, "give your name"),
        ({"kind": "drop", "clip": CLIP, "why": ""}, "give a reason"),
        ({"kind": "drop", "clip": "nobody"}, "no clip is called"),
        ({"kind": "forget", "clip": CLIP}, "cannot be decided here"),
        ({"kind": "merge", "persons": ["a-show.p0001"]}, "two or more persons"),
        ({"kind": "split", "tracks": []}, "faces that show somebody else"),
        ({"kind": "target", "clip": CLIP, "track": "a-show.e1.s0003.t1"}, "not seen in"),
        ({"kind": "cut_add", "video": "a-show.e1", "frame": 0}, "between two frames"),
        ({"kind": "cut_add", "video": "a-show.e1", "frame": "5"}, "a frame number"),
        ({"kind": "undo", "key": "no such"}, "no decision 'no such' to undo"),
        ({"kind": "name", "person": "a-show.p0001"}, "person's name"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_wrong_decision_is_a_sentence_and_writes_nothing(folder, app, values, sentence) -> None:
    before = len(Decisions(folder).rows)
    answer = decide(app, **values)
    assert answer.status in (404, 409)
    assert sentence in answer.json()["error"]
    assert len(Decisions(folder).rows) == before


def test_a_body_that_is_no_json_is_a_sentence(app) -> None:
    assert call(app, "/api/decide", {}, "POST", [1]).status == 409


def test_a_build_that_ends_is_seen(folder) -> None:
    session = Session(folder, {})
    app = application(session)
    before = ask(app, "/api/overview").json()["kept"]
    dataset = built_dataset.Dataset(folder)
    clips = dataset.clips
    first = clips.index[clips["status"] == "kept"][0]
    changed = clips.copy()
    changed.loc[first, ["status", "reason"]] = ["dropped", "group"]
    dataset.write(tables.CLIPS, changed)
    assert ask(app, "/api/overview").json()["kept"] == before - 1
    built_dataset.Dataset(folder).write(tables.CLIPS, clips)


def test_votes_and_labels_are_joined_by_key(tmp_path) -> None:
    from keyed import label_by_name, votes

    dataset = built_dataset.make(tmp_path / "dataset")
    given = votes(("x", "sad", 0.9), ("y", "sad", 0.7), ("z", "fear", 0.5))
    label = {
        "clip_id": CLIP, "emotion": "sad", "label": 5, "status": "kept", "raters": 3,
        "votes": given, "agreement": 2, "confidence": 0.7, "made_up": True,
    }  # fmt: skip
    label_by_name(dataset, [label])
    app = application(Session(dataset.folder, {dataset.clips["clip_key"][0]: "test"}))
    (clip,) = ask(app, "/api/clips?pattern=2-1&split=test&agreement=0.6..0.7").json()["clips"]
    assert (clip["clip_id"], clip["emotion"], clip["confidence"]) == (CLIP, "sad", 0.7)


def test_a_folder_without_a_whole_build_is_a_sentence(tmp_path) -> None:
    with pytest.raises(CaerError, match="not a dataset"):
        Session(tmp_path, {})


def test_pictures_are_made_once_from_the_clip_where_work_is_gone(tmp_path) -> None:
    from caer_data.view.catalogue import Catalogue
    from caer_data.view.pictures import Thumbnails

    dataset = built_dataset.make(tmp_path / "dataset", shots=1, pictures=False)
    _film(tmp_path / "dataset" / "one.mp4")
    clips = dataset.clips.assign(path="one.mp4", sha256="5" * 64)
    dataset.write(tables.CLIPS, pd.DataFrame(clips))
    made = Thumbnails(Catalogue(dataset, {})).clip(CLIP)
    assert made.startswith(b"\xff\xd8")
    (dataset.folder / "one.mp4").unlink()
    assert Thumbnails(Catalogue(dataset, {})).clip(CLIP) == made


def _film(path: Path) -> None:
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for shade in range(0, 250, 25):
            picture = np.full((48, 64, 3), shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))


def test_all_clips_that_a_filter_finds_are_decided_and_undone_in_one_step(folder, app) -> None:
    before = len(Decisions(folder).standing())
    values = {"who": "ann", "why": "the same advert", "kind": "drop"}
    wrong = call(app, "/api/decide-all", {}, "POST", {**values, "query": "", "kind": "merge"})
    assert wrong.status == 409 and "keep, drop" in wrong.json()["error"]
    nothing = call(app, "/api/decide-all", {}, "POST", {**values, "query": "text=nowhere"})
    assert nothing.status == 409 and "0 clips" in nothing.json()["error"]
    answer = call(app, "/api/decide-all", {}, "POST", {**values, "query": "status=kept"}).json()
    assert answer == {"clips": 8}
    standing = Decisions(folder).standing("drop")
    assert len(Decisions(folder).standing()) == before + 8
    facets = ask(app, "/api/facets").json()
    assert dict(map(tuple, facets["decision"]))["drop"] == 8
    keys = [row.key for row in standing if row.why == "the same advert"]
    undone = call(app, "/api/undo-all", {}, "POST", {"keys": keys, "who": "ann", "why": "no"})
    assert undone.json() == {"undone": 8}
    assert len(Decisions(folder).standing()) == before
    again = call(app, "/api/undo-all", {}, "POST", {"keys": keys[:1], "who": "ann", "why": "no"})
    assert again.status == 409


def test_whether_somebody_speaks_is_a_filter(tmp_path) -> None:
    dataset = built_dataset.make(tmp_path / "dataset", shots=3, pictures=False)
    speech = pd.array([0.0, 0.4, None], "Float64")
    dataset.write(tables.CLIPS, pd.DataFrame(dataset.clips.assign(speech=speech)))
    app = application(Session(dataset.folder, {}))
    facet = ask(app, "/api/facets").json()["voice"]
    assert sorted(facet) == [["(none)", 1], ["nobody speaks", 1], ["somebody speaks", 1]]
    (clip,) = ask(app, "/api/clips?voice=nobody speaks".replace(" ", "%20")).json()["clips"]
    assert clip["clip_id"] == CLIP
    assert "speech" in ask(app, "/api/overview").json()["numbers"]


def test_what_was_decided_is_shown_before_the_next_build(tmp_path) -> None:
    folder = built_dataset.make(tmp_path / "dataset", pictures=False).folder
    app = application(Session(folder, {}))
    person, video = "a-show.p0001", "a-show.e1"
    assert ask(app, f"/api/person/{person}").json()["noted"] == []
    common = {"who": "ann", "why": "seen"}
    named = common | {"kind": "name", "person": person, "name": "Bo"}
    moved = common | {"kind": "cut_move", "video": video, "frame": 50, "to": 60}
    keys = [call(app, "/api/decide", {}, "POST", values).json()["key"] for values in (named, moved)]
    noted = {"kind": "name", "value": "Bo", "others": []}
    assert ask(app, f"/api/person/{person}").json()["noted"] == [noted]
    assert ask(app, "/api/people").json()[0]["noted"] == [noted]
    (cut,) = ask(app, f"/api/video/{video}").json()["cuts"]
    assert (cut["kind"], cut["at_s"], cut["to_s"], cut["who"]) == ("cut_move", 2.0, 2.4, "ann")
    undo = common | {"keys": keys}
    assert call(app, "/api/undo-all", {}, "POST", undo).status == 200
    assert ask(app, f"/api/person/{person}").json()["noted"] == []
    assert ask(app, f"/api/video/{video}").json()["cuts"] == []


def test_a_repeat_fails_by_its_score(tmp_path) -> None:
    dataset = built_dataset.make(tmp_path / "dataset", shots=2, pictures=False)
    clips = dataset.clips.assign(repeat_score=pd.array([0.9, 0.2], "Float64"))
    dataset.write(tables.CLIPS, pd.DataFrame(clips))
    app = application(Session(dataset.folder, {}))
    for number, passed in ((1, False), (2, True)):
        clip = ask(app, f"/api/clip/a-show.e1.s000{number}.c1").json()
        (check,) = (check for check in clip["checks"] if check["score"] == "repeat_score")
        assert (check["passed"], check["sign"]) == (passed, ">=")
    assert clip["meaning"] == "it shows no face"
