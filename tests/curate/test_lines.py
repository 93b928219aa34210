"""Lines of subtitles in the video's time, with the clips that have them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from caer_data.curate import lines
from caer_data.curate.sidecars import Sidecar
from caer_data.media.hearing import Heard
from caer_data.media.subtitle_tracks import SubtitleTrack
from caer_data.media.subtitles import Cue, Subtitles


def stream(number: int, codec: str, readable: bool) -> SubtitleTrack:
    return SubtitleTrack(number, codec, readable, "eng", None, False)


def test_the_start_of_the_video_is_subtracted(tmp_path: Path) -> None:
    side = tmp_path / "e.srt"
    side.write_text(
        "00:00:01,000 --> 00:00:02,000\nbeside\n\n00:10:00,000 --> 00:10:01,000\nafter the end\n"
    )
    inside = Subtitles([Cue(12_000_000, None, "until the next"), Cue(13_000_000, None, "last")])
    told = Heard(
        origin=10_000_000,
        tracks=(stream(2, "subrip", True), stream(3, "hdmv_pgs_subtitle", False)),
        lines={2: inside},
    )
    # the file begins at 10 s, its first frame is shown at 10.5 s
    tracks, notes = lines.tracks_of(told, [("S/e.srt", Sidecar(side, "eng", True))], 10.5, 60.0)
    assert [(t.name, t.forced, t.cues) for t in tracks] == [
        ("stream 2", False, [(1.5, 2.5, "until the next", None), (2.5, 10.5, "last", None)]),
        ("S/e.srt", True, [(0.5, 1.5, "beside", None)]),
    ]
    assert any("hdmv_pgs_subtitle" in note for note in notes)
    assert any("S/e.srt" in note and "outside" in note for note in notes)
    (row, _) = lines.rows(tracks[0], 10.5, Fraction(1, 1000))
    assert (row["start_s"], row["start_pts"], row["end_pts"]) == (1.5, 12_000, 13_000)


def test_what_cannot_be_read_is_named_by_its_own_name(tmp_path: Path) -> None:
    side = tmp_path / "e.srt"
    side.write_text("nothing")
    tracks, notes = lines.tracks_of(Heard(), [("S/e.srt", Sidecar(side, None, False))], 0.0, 9.0)
    assert tracks == []
    assert notes == ["S/e.srt: holds no line with times"]


def test_a_line_has_the_clip_that_has_most_of_it() -> None:
    rows = pd.DataFrame(
        {"video_id": ["v", "v", "w", "v"], "start_s": [1.0, 3.5, 1.0, 8.0], "end_s": [2, 5, 2, 9]}
    )
    clips = pd.DataFrame(
        {
            "video_id": ["v", "v", "v"],
            "start_s": [0.0, 4.0, 7.0],
            "end_s": [4.0, 6.0, 9.0],
            "clip_key": ["a", "b", None],
        }
    )
    assert lines.with_clips(rows, clips)["clip_key"].tolist() == ["a", "b", None, None]


@pytest.mark.parametrize(("early", "found"), [(0.0, None), (3.0, 3.0), (-12.0, -12.0)])
def test_a_clear_offset_is_said_and_a_right_track_is_not(early: float, found: float | None) -> None:
    rng = np.random.default_rng(1)
    starts = np.cumsum(rng.uniform(1.5, 7.0, 60)) + 20
    spoken = [
        (float(s), float(s + d)) for s, d in zip(starts, rng.uniform(0.6, 1.4, 60), strict=True)
    ]
    shown = [(a - early - 0.1, b - early + 0.3) for a, b in spoken[::2] + spoken[1::4]]
    assert lines.offset(sorted(shown), spoken, 300.0) == (
        None if found is None else pytest.approx(found, abs=0.3)
    )


def test_an_offset_needs_evidence() -> None:
    few = [(float(n * 5), n * 5 + 1.0) for n in range(10)]
    assert lines.offset(few, [(a + 2, b + 2) for a, b in few], 300.0) is None
    regular = [(float(n * 5), n * 5 + 1.0) for n in range(60)]  # fits at every five seconds
    assert lines.offset(regular, [(a + 2, b + 2) for a, b in regular], 300.0) is None


def test_lines_in_a_forgotten_span_are_found() -> None:
    rows = pd.DataFrame({"start_pts": [0, 10, 20], "end_pts": [10, 20, 30]})
    assert lines.during(rows, [(12, 20)]).tolist() == [False, True, False]
    assert lines.during(rows, []).tolist() == [False, False, False]
