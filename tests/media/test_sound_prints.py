"""Fingerprints of sound: loudness and noise do not matter, other sound does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numbered_video import write
from odd_media import ffmpeg

from caer_data.media import sound_prints
from caer_data.media.probe import probe


def tune(seed: int, seconds: float = 6.0) -> np.ndarray:
    """Notes that change five times per second."""
    random = np.random.default_rng(seed)
    notes = np.repeat(random.uniform(300, 2000, (int(seconds * 5), 3)), 1600, axis=0)
    phase = np.cumsum(notes / 8000 * 2 * np.pi, axis=0)
    return (np.sin(phase).sum(axis=1) * 8000).astype(np.int16)


def equal_bits(one: np.ndarray, other: np.ndarray) -> float:
    length = min(len(one), len(other))
    return 1 - np.bitwise_count(one[:length] ^ other[:length]).mean() / 32


def test_loudness_and_noise_leave_most_bits_and_other_sound_half_of_them():
    plain = tune(1)
    noise = np.random.default_rng(0).normal(0, 300, len(plain))
    again = sound_prints.of_samples((plain * 0.4 + noise).astype(np.int16))
    assert equal_bits(sound_prints.of_samples(plain), again) > 0.7
    assert equal_bits(sound_prints.of_samples(plain), sound_prints.of_samples(tune(2))) < 0.6


def test_silence_is_zero():
    assert (sound_prints.of_samples(np.zeros(16000, np.int16)) == 0).all()
    assert len(sound_prints.of_samples(np.zeros(100, np.int16))) == 0


def test_a_video_has_sixteen_a_second_and_one_without_sound_none(tmp_path):
    loud = write(tmp_path / "loud.mp4", 75, sound=True)
    made = sound_prints.sound_prints(loud, probe(loud))
    assert abs(len(made) - 3 * sound_prints.RATE) <= 8
    mute = write(tmp_path / "mute.mp4", 10)
    assert len(sound_prints.sound_prints(mute, probe(mute))) == 0


NOTHING = (b"\x47\x1f\xff\x10" + b"\xff" * 184) * 40_000
"""Stuffing of 7 MB: more than is looked at when a file is opened."""


def joined(tmp_path: Path, later: Sequence[str]) -> Path:
    """Two recordings of four seconds of the same sound, of which the second is made differently."""
    plain = write(tmp_path / "plain.mp4", 100, sound=True)
    path = tmp_path / "joined.ts"
    for number, options in enumerate((["-ac", "2"], later)):
        part = tmp_path / f"{number}.ts"
        made = ["-c:v", "copy", "-c:a", "ac3", "-output_ts_offset", number * 4, *options]
        ffmpeg("-i", plain, *made, part)
        with path.open("ab") as whole:
            whole.write(part.read_bytes() + NOTHING)
    return path


@pytest.mark.parametrize("later", [["-ac", "6"], ["-ar", "44100"], ["-ac", "1"]])
def test_sound_whose_form_changes_is_heard_to_its_end(tmp_path: Path, later: list[str]) -> None:
    path = joined(tmp_path, later)
    made = sound_prints.sound_prints(path, probe(path))
    assert len(made) == pytest.approx(8 * sound_prints.RATE, abs=8)
    again = made[4 * sound_prints.RATE :]
    assert equal_bits(made[8 : len(again) - 8], again[8:-8]) > 0.7


@pytest.mark.parametrize("starts", [(0, 0), (20, 0), (7200, 3600), (0, 7200, 0)])
def test_sound_goes_on_where_the_clock_falls(tmp_path: Path, starts: Sequence[int]) -> None:
    plain, path = write(tmp_path / "a.mp4", 100, sound=True), tmp_path / "joined.ts"
    with path.open("wb") as whole:
        for number, start in enumerate(starts):
            part = tmp_path / f"{number}.ts"
            ffmpeg("-i", plain, "-c", "copy", "-output_ts_offset", start, part)
            whole.write(part.read_bytes())
    gaps = sum(max(0, b - a - 4) for a, b in pairwise(starts))
    sound = sound_prints.samples_of(path, probe(path))
    assert len(sound) / sound_prints.SAMPLES == pytest.approx(4 * len(starts) + gaps, abs=0.5)
    assert sound[-sound_prints.SAMPLES :].any()


def test_streams_that_appear_midway_do_not_end_the_sound(tmp_path: Path) -> None:
    path = joined(tmp_path, ["-mpegts_start_pid", "0x300", "-mpegts_service_id", "7",
                             "-mpegts_pmt_start_pid", "0x1100"])  # fmt: skip
    made = sound_prints.sound_prints(path, probe(path))
    assert len(made) == pytest.approx(4 * sound_prints.RATE, abs=8)
