"""Film in interlaced frames is told from video by the beat of its repeated fields."""

from __future__ import annotations

from pathlib import Path

import numbered_video as numbered
import pytest
from odd_media import ffmpeg

from caer_data.media.decode import frames
from caer_data.media.probe import probe
from caer_data.media.telecine import Pulldown

_LAID = ["-flags", "+ildct+ilme", "-c:v", "mpeg2video", "-q:v", 3]


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        pytest.param("telecine=pattern=23", True, id="film"),
        pytest.param("tinterlace=interleave_top,fieldorder=tff", False, id="video"),
        pytest.param("setfield=tff", False, id="whole-frames-in-fields"),
    ],
)
def test_the_beat_of_film(tmp_path: Path, filters: str, told: bool) -> None:
    plain = numbered.write(tmp_path / "plain.mp4", 160)
    path = tmp_path / "a.mpg"
    ffmpeg("-r", "24000/1001", "-i", plain, "-vf", filters, *_LAID, "-r", "30000/1001", path)
    seen = Pulldown()
    for frame in frames(path, probe(path)):
        if frame.raw.interlaced_frame:
            seen.push(frame.index, frame.raw)
    assert seen.found() is told
    assert not Pulldown().found()
