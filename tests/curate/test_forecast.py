"""What a build will take: parts spread over the videos, figures scaled up, nothing written."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import scale_builds as scale

from caer_data.api import build
from caer_data.curate.forecast import Forecast, Rates, forecast, spread
from caer_data.media.excerpt import excerpt
from caer_data.media.probe import VideoInfo, probe

RATES = Rates(
    parts=4,
    minutes=2.0,
    core_s_per_minute=30.0,
    core_s_per_video=6.0,
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


def test_figures_are_those_of_the_trial_scaled_by_length_and_number_of_videos() -> None:
    assert HUNDRED.core_hours == pytest.approx((60 * 60 * 30 + 60 * 6) / 3600)
    assert HUNDRED.seconds == pytest.approx(HUNDRED.core_hours * 3600 / 4)
    assert HUNDRED.bytes == pytest.approx(60 * 60 * 5e6)
    assert HUNDRED.clips == pytest.approx(60 * 60 * 4)
    assert HUNDRED.rating_hours == pytest.approx(14400 * 3 * 12 / 3600)


def test_one_long_video_is_not_quicker_with_more_processes() -> None:
    alone = replace(HUNDRED, videos_left=1)
    assert alone.seconds == pytest.approx(alone.core_hours * 3600)


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
    assert told.bytes > 10_000
    build(shows, tmp_path / "d", str(recipe), workers=2)
    done = subprocess.run(
        [*scale.command(shows, tmp_path / "d", recipe, "--dry-run"), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    values = json.loads(done.stdout.splitlines()[-1])
    assert (values["videos_left"], values["rates"], values["seconds"]) == (0, None, 0.0)
