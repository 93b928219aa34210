from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from export_fixtures import options
from keyed import votes

from caer_data.engine import identity, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import LABELS
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.engine.rating_schema import VOTES
from caer_data.export import labelled, manifest, possible
from caer_data.export.release import export
from caer_data.labels import vote_text


def in_table(given: list[list[dict[str, object]]]) -> pa.ChunkedArray:
    """Votes as the table `labels` has them."""
    return pa.chunked_array([pa.array(given, VOTES)])


def test_only_kept_clips_with_a_kept_label(dataset):
    labels, clips = dataset.labels, dataset.clips
    labels.loc[0, ["status", "reason"]] = ["dropped", "no_majority"]
    clips.loc[1, ["status", "reason"]] = ["dropped", "blurred"]
    dataset.write(tables.LABELS, labels)
    dataset.write(tables.CLIPS, clips)
    found = labelled.read(dataset)
    assert len(found) == 19
    assert not set(found.clip_id) & {labels.clip_id[0], clips.clip_id[1]}
    assert found.clip_id.is_monotonic_increasing


def test_a_label_of_a_clip_that_changed_is_left_out(dataset):
    clips = dataset.clips
    clips.loc[0, ["clip_key", "end_pts"]] = ["another", clips.loc[0, "end_pts"] - 8]
    dataset.write(tables.CLIPS, clips)
    found = labelled.read(dataset)
    assert set(clips.clip_id) - set(found.clip_id) == {clips.clip_id[0]}
    assert labelled.changed(dataset) == 1
    other = clips.assign(clip_key=[f"other-{i}" for i in range(len(clips))])
    dataset.write(tables.CLIPS, other.assign(video_key="another"))
    with pytest.raises(CaerError, match="21 of them for clips that have changed since"):
        labelled.read(dataset)


def test_who_speaks_and_how_the_shot_begins_reach_every_release(
    dataset: Dataset, tmp_path: Path
) -> None:
    clips, shots = dataset.clips, dataset.shots
    clips.loc[0, "speaker"] = "other"
    shots.loc[shots["shot_id"] == clips["shot_id"][0], ["cut", "cut_score"]] = ["dissolve", 0.75]
    dataset.write(tables.CLIPS, clips)
    dataset.write(tables.SHOTS, shots)
    wanted_layouts = options(layouts=("webdataset", "huggingface"))
    root = export(dataset, tmp_path / "r", wanted_layouts, Reporter("quiet")).folder
    released = manifest.read(root)
    own = released[released["clip_id"] == clips["clip_id"][0]]
    wanted = {"speaker": "other", "cut": "dissolve", "cut_score": 0.75}
    assert len(own) == 2
    assert [row[list(wanted)].to_dict() for _, row in own.iterrows()] == [wanted] * 2
    assert (
        released.loc[released["clip_id"] != clips["clip_id"][0], list(wanted)].isna().all(axis=None)
    )
    table = pd.concat(pd.read_parquet(p) for p in root.glob("huggingface/*/metadata.parquet"))
    assert wanted in table[list(wanted)].to_dict("records")
    told = []
    for path in (root / "webdataset").glob("*.tar"):
        with tarfile.open(path) as shard:
            names = [name for name in shard.getnames() if name.endswith(".json")]
            told += [json.loads(shard.extractfile(name).read()) for name in names]
    assert [t["clip_id"] for t in told if t["speaker"] == "other"] == [clips["clip_id"][0]]
    assert {t["cut"] for t in told} == {"dissolve", None}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            [
                votes(("ann@x.org", "happy", 0.8), ("bob@x.org", "sad", 1.0)),
                votes(("bob@x.org", "sad", 0.5)),
            ],
            [{"happy:0.8": "A", "sad:1": "B"}, {"sad:0.5": "B"}],
            id="same-number-for-the-same-rater",
        ),
        pytest.param(
            [votes(("Ann = Smith", "happy", 0.75), ("o", "fear", 0.0))],
            [{"happy:0.75": "A", "fear:0": "B"}],
            id="any-name",
        ),
        pytest.param([[]], [{}], id="no-votes"),
    ],
)  # fmt: skip
def test_raters_become_numbers(given, expected):
    found = labelled.without_names(in_table(given), b"s" * 32)
    number: dict[str, str] = {}
    for text, answers in zip(found, expected, strict=True):
        got = dict(reversed(vote.split("=")) for vote in text.split())
        assert got.keys() == answers.keys()
        for answer, person in answers.items():
            assert got[answer].startswith("rater-")
            assert number.setdefault(person, got[answer]) == got[answer]
    assert len(set(number.values())) == len(number)


def test_votes_are_written_as_one_by_one() -> None:
    """Also with several lists of votes without any, the same vote twice, and many confidences."""
    random = np.random.default_rng(4)
    people, emotions = [f"p{n}@example.org" for n in range(5)], ["sad", "happy", "fear"]
    given = [
        votes(*((str(random.choice(people)), str(random.choice(emotions)), float(sure))
                for sure in [*random.random(count).round(2), 0.5][:count]))
        for count in random.integers(0, 5, 60)
    ]  # fmt: skip
    secret = b"t" * 32
    ranked = sorted(people, key=lambda name: identity.pseudonym(secret, name))
    number = {name: at for at, name in enumerate(ranked, 1)}
    expected = [
        vote_text.render(
            vote_text.Vote(vote_text.numbered(number[v["rater"]]), v["emotion"], v["confidence"])
            for v in sorted(answers, key=lambda v: number[v["rater"]])
        )
        for answers in given
    ]
    parts = [pa.array(given[at : at + 7], VOTES) for at in range(0, len(given), 7)]
    found = labelled.without_names(pa.chunked_array(parts), secret)
    assert found.tolist() == expected
    some = pa.chunked_array(parts).slice(9, 30)
    assert all(text.count("=") == len(own) for text, own in zip(
        labelled.without_names(some, secret), given[9:39], strict=True))  # fmt: skip


def test_numbers_do_not_follow_from_the_names():
    """From a list of candidate names nobody without the secret can tell who is whom."""
    names = [f"rater{i}@example.org" for i in range(6)]
    given = in_table([votes(*((name, "sad", 1.0) for name in names))])
    orders = set()
    for seed in range(20):
        secret = bytes([seed]) * 32
        text = labelled.without_names(
            in_table([votes((name, "sad", i / 8)) for i, name in enumerate(names)]), secret
        )
        orders.add(tuple(vote.split("=")[0] for vote in text))
    assert len(orders) > 15
    assert labelled.without_names(given, b"s" * 32)[0].count("rater-") == 6


def test_labels_follow_a_clip_whose_number_changed(dataset):
    clips = dataset.clips
    clips["clip_id"] = clips["clip_id"].to_numpy()[::-1]  # every name stands for another clip
    dataset.write(tables.CLIPS, clips)
    emotion = dataset.labels.set_index("clip_key")["emotion"]
    found = labelled.read(dataset)
    assert len(found) == len(clips)
    assert (found["clip_key"].map(emotion) == found["emotion"]).all()


def test_no_labels_yet(dataset):
    dataset.path_of(tables.LABELS).unlink()
    with pytest.raises(CaerError, match=r"annotate pull' or .* first"):
        labelled.read(dataset)


def test_no_label_kept(dataset):
    dataset.write(tables.LABELS, dataset.labels.assign(status="dropped", reason="incomplete"))
    with pytest.raises(CaerError, match="have more clips rated"):
        labelled.read(dataset)


def test_a_clip_without_media_record(dataset):
    clips = dataset.clips
    clips.loc[3, "path"] = None
    dataset.write(tables.CLIPS, clips)
    with pytest.raises(CaerError, match="1 labelled clips have no media record"):
        labelled.read(dataset)


@pytest.mark.parametrize(("label", "emotion"), [(99, None), (-1, None), (None, "sad")])
def test_a_label_that_is_not_its_emotions_is_refused(dataset, label, emotion):
    labels = dataset.labels
    own = LABELS[labels.loc[3, "emotion"]]
    labels.loc[3, "label"] = own if label is None else label
    labels.loc[3, "emotion"] = emotion or labels.loc[3, "emotion"]
    dataset.write(tables.LABELS, labels)
    with pytest.raises(CaerError, match=r"the table of labels was changed: clip .* has the label"):
        labelled.read(dataset)


@pytest.mark.parametrize(
    ("column", "cell"), [("fps", "1/0"), ("fps", "x"), ("frames", 2**40), ("width", 0)]
)
def test_a_clip_that_no_build_makes_is_refused(dataset, column, cell):
    clips = dataset.clips
    clips.loc[3, column] = cell
    dataset.write(tables.CLIPS, clips)
    with pytest.raises(CaerError, match=f"the column '{column}' of {clips.loc[3, 'clip_id']}"):
        labelled.read(dataset)


@pytest.mark.parametrize("confidence", [-0.5, 7.0])
def test_a_vote_that_nobody_gives_is_refused(dataset, confidence):
    labels = dataset.labels
    labels.at[3, "votes"] = votes(("ann", "happy", confidence))
    dataset.write(tables.LABELS, labels)
    named = f"table of labels .* 'votes' of {labels.loc[3, 'clip_id']} .*=happy:{confidence:g}"
    with pytest.raises(CaerError, match=named):
        labelled.read(dataset)


@pytest.mark.parametrize("column", ["fps", "time_base"])
def test_a_video_that_no_build_makes_is_refused(dataset, column):
    videos = dataset.videos
    videos.loc[0, column] = "1/0"
    dataset.write(tables.VIDEOS, videos)
    with pytest.raises(CaerError, match=f"the column '{column}' of {videos.loc[0, 'video_id']}"):
        labelled.sources(dataset, dataset.clips)


@pytest.mark.parametrize("side", [np.inf, -np.inf])
def test_a_box_without_an_end_is_refused(dataset, tmp_path, side):
    faces = dataset.read(tables.FACES)
    faces["x1"] = np.float32(side)
    dataset.write(tables.FACES, faces)
    given = options(layouts=("caer", "caer-s"))
    with pytest.raises(CaerError, match="the table of faces was changed"):
        export(dataset, tmp_path / "out", given, Reporter("quiet"))


def test_a_layout_that_would_have_no_file_is_refused(dataset, tmp_path):
    faces = dataset.read(tables.FACES)
    faces["frame"] += 1_000_000
    dataset.write(tables.FACES, faces)
    given = options(layouts=("caer", "caer-s"))
    with pytest.raises(CaerError, match="no frame of a labelled clip has a box"):
        export(dataset, tmp_path / "out", given, Reporter("quiet"))


def test_the_measured_rate_of_a_long_file_is_possible(dataset: Dataset, tmp_path: Path) -> None:
    """FFmpeg reads it from an MP4 of 30,001 frames in units of 1/90000 s; others count in ns."""
    for table in (tables.VIDEOS, tables.CLIPS):
        rows = dataset.read(table)
        dataset.write(table, rows.assign(fps="1350045000/56308127"))
    export(dataset, tmp_path / "r", options(), Reporter("quiet"))
    assert set(manifest.read(tmp_path / "r")["fps"]) == {"1350045000/56308127"}
    assert possible.is_rate("1/1000000000")
    assert not possible.is_rate(f"{2**31}/1")  # FFmpeg has no such fractions
