"""Sound beside frames: placed by the container's times, unknown where the track says nothing."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from caer_data.benchmark.data import shards, sound
from caer_data.benchmark.data.samples import Sample
from caer_data.benchmark.recipe import MELS
from caer_data.benchmark.selftest import synthetic, synthetic_release
from caer_data.media.probe import probe

FPS = 10.0


def tone(hertz: float, seconds: float) -> np.ndarray:
    at = np.arange(round(seconds * sound.RATE)) / sound.RATE
    return (0.3 * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


def write(path: Path, samples: np.ndarray | None, late: float = 0.0, frames: int = 20) -> Path:
    """A grey clip of 10 frames per second; its sound begins `late` seconds after its pictures."""
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        voice = None
        if samples is not None:
            voice = container.add_stream("pcm_s16le", rate=sound.RATE, layout="mono")
        for _ in range(frames):
            grey = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")
            container.mux(stream.encode(grey))
        container.mux(stream.encode())
        if voice is not None and samples is not None:
            for start in range(0, len(samples), 1600):
                part = (samples[None, start : start + 1600] * 32767).astype(np.int16)
                heard = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
                heard.sample_rate, heard.time_base = sound.RATE, Fraction(1, sound.RATE)
                heard.pts = start + round(late * sound.RATE)
                container.mux(voice.encode(heard))
            container.mux(voice.encode())
    return path


@pytest.mark.parametrize("hertz", [300.0, 1000.0, 4000.0])
def test_a_tone_is_loudest_in_its_band(hertz: float) -> None:
    found = sound.of_samples(tone(hertz, 1.1), FPS, 10)
    assert found.shape == (10, MELS, 10)
    mels = 2595 * np.log10(1 + np.array([sound.LOW, sound.HIGH, hertz]) / 700)
    place = (mels[2] - mels[0]) / (mels[1] - mels[0]) * (MELS + 1) - 1
    assert np.abs(found[:9].argmax(1) - place).max() <= 1


def test_silence_is_known_and_nothing_is_not() -> None:
    found = sound.of_samples(np.zeros(8000, np.float32), FPS, 10)
    assert np.allclose(found[:4], np.log(sound.FLOOR), atol=1e-3)
    assert np.isnan(found[6:]).all()


def test_sound_that_begins_late_is_unknown_before(tmp_path: Path) -> None:
    path = write(tmp_path / "late.mkv", tone(1000, 1.5), late=0.5)
    found = sound.log_mel(path, probe(path), FPS, 20)
    assert np.isnan(found[:4]).all()
    assert not np.isnan(found[6:18]).any()
    punctual = sound.of_samples(tone(1000, 1.5), FPS, 15)
    assert np.abs(found[7:17].max(1) - punctual[2:12].max(1)).max() < 0.2
    assert np.array_equal(found[7:17].argmax(1), punctual[2:12].argmax(1))


def test_a_clip_without_a_sound_track_is_unknown(tmp_path: Path) -> None:
    path = write(tmp_path / "mute.mkv", None)
    assert np.isnan(sound.log_mel(path, probe(path), FPS, 20)).all()


def test_the_store_has_what_was_played(tmp_path: Path) -> None:
    """Through a file: the made-up clips' tones come back from their AAC tracks."""
    clips = synthetic.make_sounding(7, 7, 7)
    synthetic_release.write(clips, tmp_path / "made")
    form = shards.Format((16, 16), (24, 32), FPS)
    for number, path in enumerate(sorted((tmp_path / "made").rglob("*.mp4"))[:3]):
        box = np.array([[0, 8, 8, 40, 40]], np.float32)
        found = shards.decode(shards.Work(Sample("x", path, "test", 0, box)), form)["sound"]
        assert found.shape == (8, MELS, 10)
        assert not np.isnan(found[:7]).any(), number
        loudest = np.median(found[1:7].argmax(1))
        own = [np.median(sound.of_samples(s, FPS, 8)[1:7].argmax(1)) for s in clips.sounds]
        assert min(abs(loudest - x) for x in own) <= 1
