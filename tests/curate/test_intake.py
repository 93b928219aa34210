"""What the analysis of a video tells its row, and the user."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from caer_data.curate import intake
from caer_data.curate.setup import Video


@pytest.mark.parametrize(
    ("flags", "kind", "share", "fields", "said"),
    [
        ("progressive", "progressive", 0.0, "flagged", None),
        ("progressive", "unknown", None, "flagged", None),
        ("interlaced", "interlaced", 1.0, "top", None),
        ("interlaced", "interlaced", 0.9, "bottom",
         "its header names the wrong order of fields; deinterlaced with the bottom field first"),
        ("mixed", "interlaced", 0.9, "flagged", None),
        ("mixed", "interlaced", 0.9, "top",
         "90% of its frames with motion consist of two fields, though some are flagged as whole; "
         "all frames are deinterlaced"),
        ("mixed", "mixed", 0.3, "flagged",
         "30% of its frames with motion consist of two fields, though some are flagged as whole; "
         "those frames are deinterlaced that are flagged as two fields"),
        ("mixed", "progressive", 0.0, "whole",
         "some frames are flagged as two fields but are whole, so none are deinterlaced"),
        ("mixed", "progressive", 0.04, "top",
         "4% of its frames with motion consist of two fields, though some are flagged as whole; "
         "all frames are deinterlaced"),
        ("interlaced", "mixed", 0.5, "flagged",
         "50% of its frames with motion consist of two fields; those frames are deinterlaced that "
         "are flagged as two fields"),
        ("interlaced", "telecined", 0.8, "film_top", intake.TELECINED),
        ("progressive", "telecined", 0.8, "film_bottom", intake.TELECINED),
        ("progressive", "interlaced", 0.97, "top",
         "97% of its frames with motion consist of two fields, though they are flagged as whole; "
         "all frames are deinterlaced"),
        ("progressive", "mixed", 0.4, "bottom",
         "40% of its frames with motion consist of two fields, though they are flagged as whole; "
         "all frames are deinterlaced"),
        ("progressive", "mixed", 0.08, "flagged",
         "8% of its frames with motion consist of two fields, though they are flagged as whole; "
         "as most do not, none are deinterlaced, and some clips have combs"),
        ("interlaced", "progressive", 0.0, "whole",
         "its frames are flagged as two fields but are whole, so none are deinterlaced"),
    ],
)  # fmt: skip
def test_what_pictures_say_against_the_flags_is_said(
    monkeypatch: Any, flags: str, kind: str, share: float | None, fields: str, said: str | None
) -> None:
    values = {"scan_type": flags, "scan_measured": kind, "interlaced_share": share,
              "fields": fields}  # fmt: skip
    more = {"damage": "", "hurt": False}
    monkeypatch.setattr(intake, "measured", lambda job: values | more)
    warned: list[str] = []
    job: Any = SimpleNamespace(done=True, video_id="s.e", info=SimpleNamespace(duration_s=1.0))
    video = Video({"path": "S/e.mpg", "status": "ok", "field_order": "tt"}, job)
    setup: Any = SimpleNamespace(reporter=SimpleNamespace(warn=warned.append))
    intake.analyse_videos(setup, intake.Probed({}, [], [video], {}))
    assert warned == ([f"S/e.mpg: {said}"] if said else [])
    assert video.row.items() >= values.items()


@pytest.mark.parametrize(
    ("told", "fields", "wrong"),
    [("tt", "top", False), ("bb", "top", True), ("tt", "bottom", True), ("bb", "bottom", False),
     ("bt", "top", False), ("tb", "top", False), ("tb", "bottom", False), ("bt", "bottom", False),
     ("unknown", "top", False), ("progressive", "bottom", False)],
)  # fmt: skip
def test_only_headers_that_clearly_name_the_wrong_order_are_reported(
    told: str, fields: str, wrong: bool
) -> None:
    """Both tb and bt are written for either order."""
    values = {"scan_type": "interlaced", "scan_measured": "interlaced", "interlaced_share": 1.0,
              "field_order": told, "fields": fields}  # fmt: skip
    assert (intake.fields_note(values) is not None) == wrong
