"""Who speaks: from a video with two faces and a model of the user's to a clip's column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
from tiny_onnx import speaking

from caer_data.curate import analysis_results, speaker_pass
from caer_data.curate import filter as filter_stage
from caer_data.curate.job import Job
from caer_data.curate.pyannote_files import Imported
from caer_data.curate.speaker_pass import Scores
from caer_data.curate.speaking import Speakers
from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.engine.artifacts import write_json
from caer_data.media.decode import THREADS, VideoReader
from caer_data.media.probe import VideoInfo, probe


def film(path: Path, frames: int = 100) -> Path:
    """A dark face on the left, a bright one on the right, and a tone."""
    picture = np.full((120, 240, 3), 20, np.uint8)
    picture[:, 120:] = 220
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 240, 120, "yuv420p"
        sound = container.add_stream("aac", rate=48000, layout="mono")
        for _ in range(frames):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        tone = (0.3 * np.sin(np.arange(frames * 1920) / 20)).astype(np.float32)
        for at in range(0, len(tone), 1024):
            part = av.AudioFrame.from_ndarray(tone[None, at : at + 1024], "fltp", "mono")
            part.sample_rate, part.pts = 48000, at
            container.mux(sound.encode(part))
        container.mux(sound.encode())
    return path


@pytest.fixture
def job(tmp_path: Path) -> Job:
    path, model = film(tmp_path / "a.mp4"), tmp_path / "asd.onnx"
    model.write_bytes(speaking())
    recipe = recipes.parse(f"speech: {{speaker: lr-asd, speaker_model: {model}}}", "x.yaml")
    made = Job(path, "show.a", "ab" * 32, probe(path), recipe, tmp_path / "work", 1, Imported())
    boxes = [
            {
                "track_id": f"s0001.t{track}", "frame": n, "time_s": n / 25, "x1": left,
                "y1": 10.0, "x2": left + 80, "y2": 110.0, "interpolated": False,
            }
            for n in range(100)
            for track, left in ((1, 20.0), (2, 140.0))
        ]  # fmt: skip

    def see(folder: Path) -> None:
        tables.write(tables.FACES, tables.frame(tables.FACES, boxes), folder / "faces.parquet")

    def shots(folder: Path) -> None:
        np.save(folder / "pts.npy", np.arange(100) * made.info.time_base.denominator // 25)
        values = {"first_pts": 0, "duration_s": 4.0, "fields": "flagged", "hurt": False}
        write_json(folder / "video.json", values)

    def sound(folder: Path) -> None:
        np.save(folder / "windows.npy", np.full(125, 190, np.uint8))
        told = {"blocks": [[0, 125]], "listened": True, "origin": 0, "lost": 0}
        write_json(folder / "sound.json", told | {"tracks": [], "lines": {}})

    made.store.make("faces", made.subject, made.faces_key, see)
    made.store.make("shots", made.subject, made.shots_key, shots)
    made.store.make("sound", made.subject, made.sound_key, sound)
    return made


def test_the_face_that_the_model_picks_speaks(job: Job) -> None:
    assert not job.done or job.speakers is None
    job.store.make(
        "speakers", job.subject, job.speakers_key,
        lambda folder: speaker_pass.fill(folder, job, lambda: None),
    )  # fmt: skip
    found = speaker_pass.scores_of(job)
    means = pd.Series(found.scores).groupby(found.tracks).mean()
    assert means["s0001.t1"] < 0 < means["s0001.t2"]
    assert found.times.max() == pytest.approx(99 / 25, abs=0.05)
    people = pd.Series({"s0001.t1": "one", "s0001.t2": "two"})
    assert Speakers(found, [(0.0, 4.0)], people).of(0.0, 4.0) == "two"


def test_only_the_sound_of_the_pictures_is_in_memory(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = speaker_pass.RATE
    plain = speaker_pass._sound(job, 0, 5 * rate)
    assert np.abs(plain[: 4 * rate]).max() > 0.2 * 2**15
    assert not plain[4 * rate + rate // 10 :].any()
    packets = speaker_pass._frames
    late = 90_000 * 48_000  # broadcasts begin anywhere on a clock of 26 hours

    def later(container: Any, stream: Any) -> Iterator[Any]:
        for frame in packets(container, stream):
            frame.pts += late
            yield frame
        frame.pts = 2**62  # damage
        yield frame

    monkeypatch.setattr(speaker_pass, "_frames", later)
    begin = 90_000 * rate
    assert not speaker_pass._sound(job, 0, 5 * rate).any()
    found = speaker_pass._sound(job, begin, begin + 5 * rate)
    assert len(found) == len(plain)
    np.testing.assert_array_equal(found[: 4 * rate], plain[: 4 * rate])
    half = speaker_pass._sound(job, begin + rate // 2, begin + 2 * rate)
    np.testing.assert_array_equal(half, plain[rate // 2 : 2 * rate])


@pytest.mark.parametrize("jump", [26 * 3600, -80_000])
def test_sound_behind_a_fall_of_the_clock_is_where_it_belongs(
    job: Job, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    rate, begin = speaker_pass.RATE, 80_000
    packets = speaker_pass._frames
    fallen = 0

    def falling(container: Any, stream: Any) -> Iterator[Any]:
        for frame in packets(container, stream):
            frame.pts += (begin + fallen * (frame.pts >= 2 * 48_000)) * 48_000
            yield frame

    monkeypatch.setattr(speaker_pass, "_frames", falling)
    plain = speaker_pass._sound(job, begin * rate, (begin + 5) * rate)
    assert plain[3 * rate : 4 * rate].any()
    fallen = jump
    found = speaker_pass._sound(job, begin * rate, (begin + 5) * rate)
    np.testing.assert_array_equal(found, plain)


@pytest.mark.parametrize(
    ("hurt", "cores", "threads"), [(False, 1, THREADS), (False, 6, 6), (True, 6, 1)]
)
def test_a_damaged_video_is_decoded_as_its_analysis_saw_it(
    job: Job, monkeypatch: pytest.MonkeyPatch, hurt: bool, cores: int, threads: int
) -> None:
    used: list[int] = []
    frames, values = speaker_pass.frames, analysis_results.measured(job) | {"hurt": hurt}

    def noted(path: Path, info: VideoInfo, threads: int) -> VideoReader:
        used.append(threads)
        return frames(path, info, threads)

    monkeypatch.setattr(speaker_pass, "frames", noted)
    monkeypatch.setattr(speaker_pass, "measured", lambda _: values)
    assert len(list(speaker_pass._faces(replace(job, threads=cores), lambda: None))) == 2
    assert used == [threads]


def told(one: float, two: float, spoken: float = 4.0) -> str | None:
    """Who speaks, of two faces with these scores that are seen for four seconds."""
    times = np.tile(np.arange(100) / 25, 2)
    scores = np.repeat(np.array([one, two], np.float32), 100)
    tracks = np.repeat(np.array(["t1", "t2"]), 100)
    spans = [(0.0, spoken)] if spoken else []
    people = pd.Series({"t1": "one", "t2": "two"})
    return Speakers(Scores(tracks, times, scores), spans, people).of(0.0, 4.0)


def test_unknown_is_an_honest_answer() -> None:
    assert told(1.0, -1.0) == "one"
    assert told(-0.2, -1.0) == "unknown", "nobody's lips move: it may come from off screen"
    assert told(1.0, 0.9) == "unknown", "two that are about as likely"
    assert told(1.0, -1.0, spoken=2.0) == "unknown", "too short to tell"
    assert told(1.0, -1.0, spoken=0.0) is None


def test_the_speaker_is_the_target_of_an_equal_pair_if_the_recipe_says_so() -> None:
    shared = {"shot_id": "s", "start_frame": 0, "end_frame": 100, "sharpness": 0.5}
    tracks = pd.DataFrame(
        [
            shared | {"track_id": name, "person_id": name, "face_height": high, "brightness": 0.5}
            for name, high in (("one", 0.31), ("two", 0.3))
        ]
    )

    def judge(speaker: str | None, decides: bool) -> tuple[object, ...]:
        settings = recipes.Filter(speaker_decides=decides)
        row = filter_stage.judge(tracks, 0, 100, settings, short=False, speaker=speaker)
        return row["status"], row["reason"], row["person_id"], row.get("speaker")

    assert judge("two", True) == ("kept", None, "two", "target")
    assert judge("two", False) == ("dropped", "ambiguous", "one", "other")
    assert judge("unknown", True) == ("dropped", "ambiguous", "one", "unknown")
    assert judge(None, True) == ("dropped", "ambiguous", "one", None)
