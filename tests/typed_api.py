"""What a type checker says of the public API; `make lint` checks this file, nothing runs it."""

from typing import assert_type

import pandas as pd

import caer_data


def tables_are_frames(dataset: caer_data.Dataset) -> None:
    assert_type(dataset.videos, pd.DataFrame)
    assert_type(dataset.clips, pd.DataFrame)
    assert_type(dataset.labels, pd.DataFrame)
    assert_type(dataset.recipe, caer_data.Recipe)


def functions_have_types(frame: pd.DataFrame) -> None:
    assert_type(caer_data.build("shows", "dataset"), caer_data.BuildResult)
    assert_type(caer_data.detect_shots("video.mp4"), pd.DataFrame)
    assert_type(caer_data.decide_labels(frame), pd.DataFrame)
    assert_type(caer_data.agreement(frame).alpha, float)
    assert_type(caer_data.find_faces("video.mp4").tracks, pd.DataFrame)
    assert_type(caer_data.audit(frame), list[caer_data.Verdict])
    assert_type(caer_data.load_model("weights.safetensors").predict("a.png"), dict[str, float])
    assert_type(caer_data.split(frame, [70, 10, 20]), "pd.Series[str]")
