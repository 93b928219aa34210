"""A clip never begins or ends with other frames than those that were analysed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numbered_video as numbered
import numpy as np
import pytest
from odd_media import ffmpeg

from caer_data.engine.recipe import Clips
from caer_data.media import cut
from caer_data.media.clip_command import Source, by_time
from caer_data.media.decode import frames
from caer_data.media.frame_rate import Span, span_of
from caer_data.media.glimpse import Ends, of_frame
from caer_data.media.probe import probe

FAST = "scroll=h=.03:v=.02"
SETTINGS = Clips(preset="ultrafast", crf=12)


def looked_at(path: Path) -> tuple[Source, np.ndarray, np.ndarray]:
    """A video, the timestamps of its frames, and their glimpses."""
    info = probe(path)
    reader = frames(path, info, for_analysis=True)
    pts, seen = zip(*((f.pts, of_frame(f)) for f in reader), strict=True)
    source = Source(path, info, pts[0], info.fps, interlaced=reader.interlaced > 0)
    return source, np.array(pts), np.stack(seen)


def span(source: Source, pts: np.ndarray, start: int, end: int) -> Span:
    return span_of(pts, start, end, int(pts[end]), source.info.time_base, source.fps)


def moved(wanted: Span, source: Source, frames: int) -> Span:
    """As many frames, some frames later."""
    ticks = round(frames / (source.fps * source.info.time_base))
    return replace(wanted, start_pts=wanted.start_pts + ticks, end_pts=wanted.end_pts + ticks)


@pytest.mark.parametrize("shift", [-20, -1, 1, 20])
def test_a_clip_of_other_frames_is_cut_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shift: int
) -> None:
    source, pts, seen = looked_at(numbered.write(tmp_path / "a.mp4", 100, sound=True))
    wanted = span(source, pts, 30, 60)
    monkeypatch.setattr(
        cut, "by_time", lambda src, clips, settings: by_time(
            src, [(moved(w, src, shift), *paths) for w, *paths in clips], settings)
    )  # fmt: skip
    clip = tmp_path / "clip.mp4"
    unchecked = cut.cut_clips(source, {clip: wanted}, SETTINGS)[clip]
    assert unchecked.frames == 30
    assert numbers(clip) == list(range(30 + shift, 60 + shift))
    ends = {clip: Ends.of(seen, 30, 60)}
    assert cut.cut_clips(source, {clip: wanted}, SETTINGS, ends=ends)[clip].frames == 30
    assert numbers(clip) == list(range(30, 60))


def numbers(path: Path) -> list[int]:
    return [numbered.number_of(f.picture()) for f in frames(path, probe(path))]


@pytest.mark.parametrize(
    "made",
    [
        ("-c:v", "libx264"),
        ("-c:v", "mpeg4", "-q:v", 2),
        ("-pix_fmt", "yuvj420p", "-color_range", "pc"),
        ("-vf", "scale=1280:720:flags=neighbor", "-preset", "ultrafast"),
        ("-vf", "transpose=clock", "-pix_fmt", "yuv422p10le"),
        ("-vf", "setsar=2"),
        ("-c:v", "ffv1", "-pix_fmt", "bgr0"),
        ("-c:v", "mpeg2video", "-q:v", 2, "-flags", "+ilme+ildct", "-vf", "interlace"),
        ("-c:v", "ffv1", "-vf", f"{FAST},interlace=scan=bff:lowpass=off,setfield=bff"),
        ("-c:v", "ffv1", "-vf", f"{FAST},interlace=scan=tff:lowpass=off,setfield=tff"),
    ],
    ids=[
        "h264",
        "mpeg4",
        "full-range",
        "large",
        "turned",
        "anamorphic",
        "rgb",
        "interlaced",
        "lower-field-first",
        "upper-field-first",
    ],
)
def test_the_right_frames_are_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: tuple[object, ...]
) -> None:
    path = tmp_path / "a.mkv"
    ffmpeg("-i", numbered.write(tmp_path / "plain.mp4", 100), *made, path)
    source, pts, seen = looked_at(path)
    monkeypatch.setattr(cut, "by_frames", lambda *_: pytest.fail("it was cut again"))
    places = [(0, 1), (1, 3), (5, 30), (len(pts) - 20, len(pts) - 1)]
    spans = {tmp_path / f"{a}.mp4": span(source, pts, a, b) for a, b in places}
    ends = {target: Ends.of(seen, *place) for target, place in zip(spans, places, strict=True)}
    results = cut.cut_clips(source, spans, SETTINGS, ends=ends)
    assert [media.frames for media in results.values()] == [b - a for a, b in places]


def test_too_few_pictures_are_amiss() -> None:
    seen = np.zeros((10, 4, 8), np.uint8)
    ends = Ends.of(seen, 2, 6)
    black = bytes([16] * 32 + [128] * 16)
    assert ends.amiss(black * 2, 4) == ""
    assert ends.amiss(black, 4) == "its first and last frame cannot be compared"
    assert Ends.of(seen, 2, 3).amiss(black, 1) == ""
    bright = bytes([235] * 32 + [128] * 16)
    assert ends.amiss(bright + black, 4) == "its first frame is another one"
    assert ends.amiss(black + bright, 4) == "its last frame is another one"
