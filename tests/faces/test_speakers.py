"""Models of who speaks: what they take, what they give, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_onnx import speaking

from caer_data.engine.errors import CaerError
from caer_data.faces import speakers
from caer_data.media.mel import mfcc


def test_coefficients_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    tone = 9000 * np.sin(np.arange(1200) * 2 * np.pi * 1000 / 16000)
    samples = (tone + rng.normal(0, 300, 1200)).astype(np.int16)
    signal = samples.astype(float)
    signal[1:] -= 0.97 * samples[:-1]
    window = signal[160:560]
    bins = np.arange(257)
    turns = np.exp(-2j * np.pi * np.outer(bins, np.arange(400)) / 512)
    power = np.abs(turns @ window) ** 2 / 512
    mels = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 28)
    edges = np.floor(513 * 700 * (10 ** (mels / 2595) - 1) / 16000)
    logs = []
    for low, top, high in zip(edges, edges[1:], edges[2:], strict=False):
        weights = [
            (k - low) / (top - low) if low <= k < top
            else (high - k) / (high - top) if top <= k < high else 0.0
            for k in bins
        ]  # fmt: skip
        logs.append(np.log(np.dot(weights, power)))
    n = np.arange(26)
    basis = np.array([np.sqrt(2 / 26) * np.cos(np.pi * k * (2 * n + 1) / 52) for k in range(13)])
    wanted = (basis @ np.array(logs)) * (1 + 11 * np.sin(np.pi * np.arange(13) / 22))
    wanted[0] = np.log(power.sum())
    found = mfcc(samples)
    assert found.shape == (6, 13)
    assert found[1] == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    assert np.isfinite(mfcc(np.zeros(10, np.int16))).all()


def test_a_moving_mouth_speaks_and_a_moving_head_does_not():
    rng = np.random.default_rng(1)
    face = rng.integers(60, 120, (112, 112)).astype(np.uint8)
    calm = np.repeat(face[None], 50, axis=0)
    nodding = np.stack([np.roll(face, n % 3, axis=0) for n in range(50)])
    talking = calm.copy()
    for n in range(0, 50, 2):
        talking[n, 50:70, 40:72] = 20
    silence = np.zeros(32000, np.int16)
    scores = [speakers.Motion().score(x, silence).mean() for x in (talking, calm, nodding)]
    assert scores[0] > 0 > max(scores[1:])


def test_a_file_of_the_users_scores_each_picture(tmp_path):
    path = tmp_path / "asd.onnx"
    path.write_bytes(speaking())
    assert len(speakers.check("lr-asd", str(path))) == 64
    model = speakers.load("lr-asd", str(path))
    assert model.name.startswith("lr-asd ")
    mouths = np.zeros((30, 112, 112), np.uint8)
    mouths[10:] = 200
    scores = model.score(mouths, np.zeros(19200, np.int16))
    assert scores.shape == (30,)
    assert (scores > 0).tolist() == [False] * 10 + [True] * 20


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(None, "needs speech.speaker_model", id="none named"),
        pytest.param(b"no model", "cannot load this model", id="no model"),
        pytest.param(speaking(side=96), "is not a speaker detection model", id="another shape"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, data, said):
    path = tmp_path / "asd.onnx"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(CaerError, match=said):
        speakers.check("lr-asd", str(path) if data is not None else None)
