"""What the analysis of a video tells its row, and the user."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from caer_data.curate import intake
from caer_data.curate.setup import Video


@pytest.mark.parametrize(("scan", "warned"), [("telecined", True), ("interlaced", False)])
def test_film_that_was_telecined_is_named(monkeypatch: Any, scan: str, warned: bool) -> None:
    values = {"damage": "", "hurt": False, "scan_type": scan}
    monkeypatch.setattr(intake, "measured", lambda job: dict(values))
    said: list[str] = []
    job: Any = SimpleNamespace(done=True, video_id="s.e", info=SimpleNamespace(duration_s=1.0))
    video = Video({"path": "S/e.mpg", "status": "ok"}, job)
    setup: Any = SimpleNamespace(reporter=SimpleNamespace(warn=said.append))
    intake.analyse_videos(setup, intake.Probed({}, [], [video], {}))
    assert said == ([f"S/e.mpg: {intake.TELECINED}"] if warned else [])
    assert video.row["scan_type"] == scan
