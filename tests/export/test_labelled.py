from __future__ import annotations

import pandas as pd
import pytest

from caer_data.engine import clip_keys as identity
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.export import labelled


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
    keys = identity.stamp(dataset)
    clips, labels = dataset.clips, dataset.labels
    clips["clip_key"] = clips["clip_id"].map(keys)
    assert set(labels["clip_id"].map(keys)) == set(labels["clip_key"])
    clips.loc[0, "clip_key"] = "0" * 16 + "-none"
    dataset.write(tables.CLIPS, clips)
    found = labelled.read(dataset)
    assert set(clips.clip_id) - set(found.clip_id) == {clips.clip_id[0]}
    assert labelled.changed(dataset) == 1
    dataset.write(tables.CLIPS, clips.assign(clip_key="0" * 16 + "-none"))
    with pytest.raises(CaerError, match="21 of clips that changed since they were rated"):
        labelled.read(dataset)


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        pytest.param(
            ["ann@x.org=happy:0.8 bob@x.org=sad:1", "bob@x.org=sad:0.5"],
            [{"happy:0.8": "A", "sad:1": "B"}, {"sad:0.5": "B"}],
            id="same-number-for-the-same-rater",
        ),
        pytest.param(["Ann Smith=happy:0.75 o=fear:"], [{"happy:0.75": "A", "fear:": "B"}],
                     id="spaces-and-no-confidence"),
        pytest.param([""], [{}], id="no-votes"),
    ],
)  # fmt: skip
def test_raters_become_numbers(votes, expected):
    found = labelled.without_names(pd.Series(votes))
    number: dict[str, str] = {}
    for text, answers in zip(found, expected, strict=True):
        got = dict(reversed(vote.split("=")) for vote in text.split())
        assert got.keys() == answers.keys()
        for answer, person in answers.items():
            assert got[answer].startswith("rater-")
            assert number.setdefault(person, got[answer]) == got[answer]
    assert len(set(number.values())) == len(number)


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
