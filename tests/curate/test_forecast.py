"""What a build will take: parts spread over the videos, figures scaled up, nothing written."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import scale_builds as scale

from caer_data.api import build
from caer_data.curate.forecast import (
    Forecast,
    Rates,
    _counted,
    _edges,
    _weights,
    forecast,
    spread,
)
from caer_data.media.excerpt import excerpt
from caer_data.media.probe import VideoInfo, probe

RATES = Rates(
    parts=4,
    minutes=2.0,
    core_s_per_minute=30.0,
    wall_per_core=1.5,
    once_s=7.0,
    once_core_s=5.0,
    bytes_per_minute=5e6,
    clips=8,
    clip_s=2.0,
)
HUNDRED = Forecast(
    dataset=Path("d"),
    videos=100,
    hours=100.0,
    videos_left=60,
    hours_left=60.0,
    workers=4,
    raters_per_clip=3,
    rates=RATES,
    free_bytes=10**9,
)


def test_figures_are_those_of_the_trial_scaled_by_length() -> None:
    assert HUNDRED.core_hours == pytest.approx((60 * 60 * 30 + 5) / 3600)
    assert HUNDRED.seconds == pytest.approx(7 + 60 * 60 * 30 * 1.5 / 4)
    assert HUNDRED.bytes == pytest.approx(60 * 60 * 5e6)
    assert HUNDRED.clips == pytest.approx(60 * 60 * 4)
    assert HUNDRED.rating_hours == pytest.approx(14400 * 3 * 12 / 3600)


def test_one_long_video_is_not_quicker_with_more_processes() -> None:
    alone = replace(HUNDRED, videos_left=1)
    assert alone.seconds == pytest.approx(7 + 60 * 60 * 30 * 1.5)


def test_clips_that_an_end_of_a_part_cuts_off_do_not_count() -> None:
    videos = pd.DataFrame(
        {"video_id": ["a", "b", "c"], "path": ["t/0.mkv", "t/1.mkv", "t/2.mkv"], "frames": 90}
    )
    clips = pd.DataFrame(
        [
            ("a", 0, 30), ("a", 30, 60), ("a", 60, 90), ("b", 0, 90),
            ("c", 0, 30), ("c", 30, 60), ("c", 60, 90),
        ],
        columns=["video_id", "start_frame", "end_frame"],
    )  # fmt: skip
    edges = {"0.mkv": (False, True), "1.mkv": (True, True), "2.mkv": (True, True)}
    weights = _weights(videos, clips, edges).tolist()
    assert weights == pytest.approx([1.2, 1.2, 0, 0, 0, 1.5, 0])
    assert _weights(videos, clips[:0], edges).tolist() == []
    alone = dict.fromkeys(edges, (False, False))
    assert _weights(videos, clips, alone).tolist() == [1] * 7
    infos = _infos(whole=20.0, long=100.0)
    assert _edges(infos["whole"], 0.0) == (False, False)
    assert [_edges(infos["long"], at) for at in (0.0, 30.0, 70.0)] == [
        (False, True), (True, True), (True, False),
    ]  # fmt: skip


@pytest.mark.parametrize("start", [0, 1, 40], ids=["cut-off", "nearly-whole", "short"])
def test_clips_are_never_longer_than_the_footage(start) -> None:
    parts = {"video_id": ["a"], "path": ["t/0.mkv"], "frames": [90], "duration_s": [30.0]}
    clip = {"video_id": ["a"], "start_frame": [start], "end_frame": [89]}
    clips = pd.DataFrame(clip | {"start_s": [start / 3], "end_s": [89 / 3]})
    count, seconds = _counted(pd.DataFrame(parts), clips, {"0.mkv": (True, True)})
    assert 0.5 <= count < 3
    assert 0 < seconds <= 30
    assert seconds / count == pytest.approx((89 - start) / 3)
    assert _counted(pd.DataFrame(parts), clips[:0], {"0.mkv": (True, True)}) == (0, 0)


@pytest.mark.parametrize("least", [1, 40], ids=["all-kept", "short-dropped"])
def test_parts_tell_how_many_clips_their_videos_have(least) -> None:
    draw = random.Random(5)
    cuts = sorted({0, 200_000, *(draw.randrange(200_000) for _ in range(1999))})
    shots = list(itertools.pairwise(cuts))
    starts = range(50, 200_000 - 1000, 450)  # parts of 400 frames
    seen = [
        (f"{at}", start, end)
        for at in starts
        for start, end in ((max(a, at) - at, min(b, at + 400) - at) for a, b in shots)
        if end - start >= least
    ]
    clips = pd.DataFrame(seen, columns=["video_id", "start_frame", "end_frame"])
    names = [f"{at}" for at in starts]
    videos = pd.DataFrame({"video_id": names, "path": [f"t/{n}" for n in names], "frames": 400})
    count = _weights(videos, clips, dict.fromkeys(names, (True, True))).sum()
    truth = sum(b - a >= least for a, b in shots) / 200_000
    assert count / (400 * len(starts)) == pytest.approx(truth, rel=0.05)
    assert len(clips) > 1.1 * count  # what it would be without


def test_what_the_figures_rest_on_is_said() -> None:
    said = HUNDRED.summary()
    assert "4 parts of the videos, 2.0 min in total" in said
    assert "10 s per answer" in said
    assert "Assumes" in said
    assert "With so few clips" in said
    assert "The disk of d is too small" in said


def _infos(**seconds: float) -> dict[str, VideoInfo]:
    made = {}
    for name, length in seconds.items():
        made[name] = object.__new__(VideoInfo)  # of which only the length counts here
        made[name].__dict__["duration_s"] = length
    return made


def test_parts_are_spread_over_all_footage_and_end_before_a_video_does() -> None:
    parts = spread(_infos(a=1000.0, b=100.0, c=900.0), 4)
    assert parts == [("a", 250.0), ("a", 750.0), ("c", 150.0), ("c", 650.0)]
    assert spread(_infos(a=200.0, b=10.0), 5)[-1] == ("a", 170.0)


def test_of_little_footage_every_video_is_tried() -> None:
    assert spread(_infos(a=20.0, b=15.0), 4) == [("a", 0.0), ("b", 0.0)]


def test_a_part_is_copied_with_its_sound(media_data, tmp_path) -> None:
    video = media_data / "shots_gt" / "composite_open_44s.mp4"
    excerpt(video, probe(video), 20.0, 10.0, tmp_path / "part.mkv")
    part = probe(tmp_path / "part.mkv")
    assert 9.0 < (part.duration_s or 0) < 16.0  # it begins at a key frame
    assert part.has_audio


@pytest.mark.slow
def test_a_trial_writes_nothing_and_knows_what_is_done(media_data, tmp_path) -> None:
    shows = scale.write_shows(media_data, tmp_path / "raw")
    recipe = scale.write_recipe(tmp_path)
    told = forecast(shows, tmp_path / "d", str(recipe), workers=2)
    assert not (tmp_path / "d").exists()
    assert (told.videos, told.videos_left, list(told.failed)) == (3, 3, ["Two/broken.mp4"])
    assert told.rates is not None
    assert told.rates.parts == 3
    assert told.rates.minutes == pytest.approx(told.hours * 60, rel=0.1)
    assert told.rates.core_s_per_minute > 0
    assert told.rates.wall_per_core > 0
    assert told.rates.once_s > 0
    assert told.rates.once_core_s > 0
    assert told.bytes > 10_000
    build(shows, tmp_path / "d", str(recipe), workers=2)
    done = subprocess.run(
        [*scale.command(shows, tmp_path / "d", recipe, "--dry-run"), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    values = json.loads(done.stdout.splitlines()[-1])
    assert (values["videos_left"], values["rates"], values["seconds"]) == (0, None, 0.0)
