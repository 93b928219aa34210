"""What one pass hears and reads in a file, placed by the container's times."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import picture
from odd_media import ffmpeg

from caer_data.engine.errors import CaerError
from caer_data.engine.packages import VOICE_INSTALL
from caer_data.media import voice
from caer_data.media.hearing import UNKNOWN, Heard, hear
from caer_data.media.probe import probe
from caer_data.media.voice import Voice


class LoudVoice(Voice):
    """Takes for a voice what is loud; knows nothing of before."""

    def __init__(self) -> None:
        self.breaks = 0

    def forget(self) -> None:
        self.breaks += 1

    def hear(self, samples):
        return (np.abs(samples.reshape(-1, 512)).max(axis=1) > 0.3).astype(np.float32)


def write(path: Path, sound: dict[float, np.ndarray], rate: int = 16_000) -> Path:
    """A second of pictures, and sound that begins at some times, s."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 192, 96, "yuv420p"
        track = container.add_stream("pcm_s16le", rate=rate, layout="mono")
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts = number
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode())
        for start, samples in sound.items():
            for at in range(0, len(samples), 1600):
                data = (samples[None, at : at + 1600] * 32767).astype(np.int16)
                chunk = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
                chunk.sample_rate, chunk.time_base = rate, Fraction(1, rate)
                chunk.pts = round(start * rate) + at
                container.mux(track.encode(chunk))
        container.mux(track.encode())
    return path


def tone(seconds: float, loudness: float = 0.8, rate: int = 16_000) -> np.ndarray:
    return loudness * np.sin(np.arange(round(seconds * rate)) * 0.2)


def listened(path: Path) -> Heard:
    return hear(path, probe(path), LoudVoice(), subtitles=True)


def test_sound_is_placed_by_the_containers_times(tmp_path: Path) -> None:
    quiet = tone(1.0, 0.01)
    told = listened(write(tmp_path / "e.mkv", {2.0: tone(1.0), 3.0: quiet, 7.0: quiet}))
    first, second = told.blocks
    assert first.start == pytest.approx(2_000_000, abs=2_000)
    assert second.start == pytest.approx(7_000_000, abs=2_000)
    assert np.flatnonzero(first.windows == 200).tolist() == list(range(32))
    assert not second.windows.any()
    assert len(first.windows) == 63


def test_digital_silence_is_not_quiet(tmp_path: Path) -> None:
    told = listened(write(tmp_path / "e.mkv", {0.0: np.zeros(32_000)}))
    (block,) = told.blocks
    assert (block.windows == UNKNOWN).all()


def test_no_sound_and_no_model_give_no_blocks(tmp_path: Path) -> None:
    silent = write(tmp_path / "e.mkv", {})
    assert listened(silent).blocks == []
    loud = write(tmp_path / "f.mkv", {0.0: tone(1.0)})
    assert hear(loud, probe(loud), None, subtitles=True).blocks == []


def test_a_clock_that_begins_again_goes_on(tmp_path: Path) -> None:
    part = tmp_path / "part.ts"
    source = write(tmp_path / "e.mkv", {0.0: tone(2.0)})
    ffmpeg("-i", source, "-c:v", "copy", "-c:a", "mp2", "-ar", 16000, "-f", "mpegts", part)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part.read_bytes() * 2)
    windows = np.concatenate([block.windows for block in listened(joined).blocks])
    assert len(windows) == pytest.approx(4 * 16_000 / 512, abs=8)


def test_subtitles_inside_have_the_files_times(tmp_path: Path) -> None:
    source = write(tmp_path / "e.mkv", {0.0: tone(4.0)})
    text = tmp_path / "e.ass"
    text.write_text(
        "[Script Info]\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, "
        "MarginV, Effect, Text\n"
        "Dialogue: 0,0:00:01.00,0:00:02.00,Default,Ann,0,0,0,,{\\b1}Well, yes\\Nno\n"
    )
    for codec, ending, speaker in (
        ("ass", "mkv", "Ann"),
        ("srt", "mkv", None),
        ("webvtt", "mkv", None),
        ("mov_text", "mp4", None),
    ):
        film = tmp_path / f"{codec}.{ending}"
        streams = ["-map", "0:v", "-map", "0:a", "-map", "1", "-c:v", "copy", "-c:a", "aac"]
        ffmpeg("-i", source, "-i", text, *streams, "-c:s", codec, film)
        told = hear(film, probe(film), None, subtitles=True)
        (track,) = told.tracks
        (cue,) = told.lines[track.stream].cues
        assert (cue.text, cue.speaker) == ("Well, yes\nno", speaker), codec
        assert (cue.start, cue.end) == pytest.approx((1_000_000, 2_000_000), abs=25_000), codec
        assert hear(film, probe(film), None, subtitles=False).tracks == ()


needs_model = pytest.mark.skipif(voice.path() is None, reason=f"needs '{VOICE_INSTALL}'")


@needs_model
def test_the_published_model_hears_speech_and_not_tones(media_data: Path) -> None:
    film = media_data / "odd" / "black_static_subtitle.mp4"  # eleven seconds of a speech
    ears = Voice(voice.load_file())
    (block,) = hear(film, probe(film), ears, subtitles=True).blocks
    assert 0.4 < (block.windows > 100).mean() < 0.9
    ears.forget()
    assert ears.hear(tone(4.0)[: 512 * 100].astype(np.float32)).max() < 0.5


@needs_model
def test_how_sound_is_handed_over_makes_no_difference() -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 512 * 40).astype(np.float32)
    ears = Voice(voice.load_file())
    whole = ears.hear(samples)
    ears.forget()
    parts = [ears.hear(part) for part in np.split(samples, [512 * 7, 512 * 8])]
    assert np.abs(whole - np.concatenate(parts)).max() < 1e-5


def test_another_file_than_the_published_one_is_refused(tmp_path: Path, monkeypatch) -> None:
    other = tmp_path / "silero_vad_16k_sequence.onnx"
    other.write_bytes(b"x")
    monkeypatch.setattr(voice, "path", lambda: other)
    with pytest.raises(CaerError, match="not the published model"):
        voice.load_file()
    monkeypatch.setattr(voice, "path", lambda: None)
    with pytest.raises(CaerError, match="pip install --no-deps silero-vad"):
        voice.load_file()
