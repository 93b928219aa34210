import doctest
import subprocess
import sys

import pandas as pd
import pytest

import caer_data
from caer_data import api


def test_importing_the_package_loads_no_heavy_library():
    code = (
        "import sys, caer_data; dir(caer_data); "
        "print({'pandas', 'cv2', 'torch', 'numpy'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_every_public_name_is_there_and_listed():
    assert all(getattr(caer_data, name) for name in caer_data.__all__)
    assert set(caer_data.__all__) <= set(dir(caer_data))


def test_the_examples_of_the_docstrings_hold():
    result = doctest.testmod(api)
    assert result.attempted and not result.failed


def test_missing_columns_are_named_in_one_sentence():
    with pytest.raises(caer_data.CaerError, match=r"label \(class id, 0 to 6\), show"):
        caer_data.split(pd.DataFrame({"clip_id": ["a"]}))


def test_shares_that_are_not_three_numbers_are_one_sentence():
    with pytest.raises(caer_data.CaerError, match=r"shares are \[70, 30\]; give three numbers"):
        caer_data.split(pd.DataFrame(), [70, 30])


def ratings() -> pd.DataFrame:
    rows = [
        (clip, rater, emotion, 0.9)
        for clip, emotions in {"a": ["sad", "sad", "fear"], "b": ["sad", "fear", "happy"]}.items()
        for rater, emotion in zip("xyz", emotions, strict=True)
    ]
    return pd.DataFrame(rows, columns=["clip_id", "rater", "emotion", "confidence"])


def test_labels_of_a_frame_that_is_not_ours():
    decided = caer_data.decide_labels(ratings()).set_index("clip_id")
    assert decided.loc["a", ["emotion", "status"]].tolist() == ["sad", "kept"]
    assert decided.loc["b", ["status", "reason"]].tolist() == ["dropped", "no_majority"]


def test_agreement_of_a_frame_that_is_not_ours():
    found = caer_data.agreement(ratings().drop(columns="confidence"), bootstraps=200)
    assert found.clips == 2
    assert found.low <= found.alpha <= found.high < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.drop(columns="rater"), r"lacks the column rater \(who answered\)"),
        (lambda r: r.assign(emotion="joy"), "holds joy; the emotions are anger"),
        (lambda r: pd.concat([r, r.head(1)]), "x answered clip a more than once"),
    ],
    ids=["column", "emotion", "twice"],
)
@pytest.mark.parametrize("function", [caer_data.decide_labels, caer_data.agreement])
def test_mistakes_in_ratings_are_one_sentence(function, change, message):
    with pytest.raises(caer_data.CaerError, match=message):
        function(change(ratings()))


def test_an_impossible_setting_is_one_sentence():
    with pytest.raises(caer_data.CaerError, match="rule"):
        caer_data.decide_labels(ratings(), rule="guess")


def test_shots_of_one_video(media_data):
    shots = caer_data.detect_shots(str(media_data / "shots_gt" / "street_bikes_10s.mp4"))
    assert len(shots) == 6
    assert shots["start_frame"].iloc[0] == 0
    assert shots["end_frame"].iloc[-1] == 250


def test_the_example_of_the_package_holds():
    result = doctest.testmod(caer_data)
    assert result.attempted and not result.failed
