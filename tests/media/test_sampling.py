"""Frames at a lower rate: the same as when every frame is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from odd_media import ffmpeg

from caer_data.media import sampling
from caer_data.media.decode import frames
from caer_data.media.probe import VideoInfo, probe
from caer_data.media.sampling import sampled_frames

MOVING = ("-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25:duration=2")
X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")
FILES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "bframes.mp4": ("clip.mp4", (*X264, "-bf", 3)),
    "pyramid.mkv": ("clip.mkv", (*X264, "-bf", 8, "-x264-params", "b-pyramid=strict:ref=6")),
    "open groups.mp4": ("clip.mp4", (*X264, "-g", 7, "-x264-params", "open-gop=1:bframes=3")),
    "no bframes.mp4": ("clip.mp4", (*X264, "-bf", 0)),
    "interlaced.mp4": ("clip.mp4", (*X264, "-flags", "+ildct+ilme", "-x264-params", "tff=1")),
    "started late.ts": ("clip.ts", (*X264, "-output_ts_offset", 7)),
    "variable.mp4": (
        "clip.mp4",
        (*X264, "-vf", "select='not(eq(mod(n,7),3))'", "-fps_mode", "vfr"),
    ),
    "edited.mp4": ("clip.mp4", (*X264, "-ss", 0.34)),
    "h264.avi": ("clip.avi", (*X264, "-bf", 3)),
    "mpeg4.mp4": ("clip.mp4", ("-c:v", "mpeg4", "-bf", 2)),
}


def pictures(found: Any) -> list[Any]:
    return [(f.index, f.pts, f.duration, f.aspect, *map(bytes, f.raw.planes)) for f in found]


def by_decoding_all(path: Path, info: VideoInfo, fps: float) -> list[Any]:
    timed = ((f.pts, f.duration, f) for f in frames(path, info, threads=1))
    return pictures(sampling._nearest(timed, info, fps))


def skipped(path: Path, info: VideoInfo, fps: float) -> int | None:
    """What `_skipping` returns: None if it gave all frames."""
    found = sampling._skipping(path, info, fps)
    while True:
        try:
            next(found)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


@pytest.mark.parametrize("fps", [2.5, 10.0, 40.0])
@pytest.mark.parametrize("name", FILES)
def test_skipping_changes_no_frame(tmp_path: Path, name: str, fps: float) -> None:
    file, how = FILES[name]
    path = tmp_path / file
    ffmpeg(*MOVING, *how, path)
    info = probe(path)
    assert pictures(sampled_frames(path, info, fps)) == by_decoding_all(path, info, fps)
    quick = name.endswith((".mp4", ".mkv")) and name not in ("mpeg4.mp4",)
    assert (skipped(path, info, fps) is None) == quick


def test_pictures_that_nothing_needs_are_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    ffmpeg(*MOVING, *X264, "-bf", 3, "-g", 25, path)
    info = probe(path)
    received: list[Any] = []
    decode = sampling._decoded

    def watched(*given: Any) -> Any:
        for raw in decode(*given):
            received.append(raw)
            yield raw

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "_decoded", watched)
        given = list(sampled_frames(path, info, 2.5))
    assert len(given) == 5
    assert len(received) < 40, "of 50 frames, every second one is not used by others"


@pytest.mark.parametrize("at", [0.3, 0.5, 0.7, 0.9])
def test_damaged_clips_give_what_decoding_all_of_them_gives(tmp_path: Path, at: float) -> None:
    path = tmp_path / "clip.mkv"
    ffmpeg(*MOVING, *X264, "-bf", 2, path)
    content = bytearray(path.read_bytes())
    start = int(len(content) * at)
    content[start : start + 900] = bytes(900)
    path.write_bytes(content)
    info = probe(path)
    expected = by_decoding_all(path, info, 25.0)
    assert pictures(sampled_frames(path, info, 25.0)) == expected


def test_where_skipping_stops_the_rest_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    ffmpeg(*MOVING, *X264, "-bf", 3, path)
    info = probe(path)
    expected = by_decoding_all(path, info, 10.0)
    decode = sampling._decoded

    def stopping(*given: Any) -> Any:
        for number, raw in enumerate(decode(*given)):
            if number == 12:
                return
            yield raw

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "_decoded", stopping)
        assert 0 < (skipped(path, info, 10.0) or 0) < len(expected)
        assert pictures(sampled_frames(path, info, 10.0)) == expected
