"""Decodes that are made until fields are shown as the pictures ask, by whichever function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fields as film
import pandas as pd
import pytest

from caer_data import detect_shots
from caer_data.engine.recipe import Shots
from caer_data.media import attempts as module
from caer_data.media.attempts import attempts
from caer_data.media.fields import Fields
from caer_data.media.interlacing import Interlacing, Measured
from caer_data.media.probe import probe
from caer_data.shots import detect as shot_detection


def asks(monkeypatch: pytest.MonkeyPatch, *fields: Fields) -> None:
    """Let successive decodes ask for these."""
    left = list(fields)

    def begin(self: Any) -> None:
        self.asked = left.pop(0)

    def measured(self: Any) -> Measured:
        return Measured("interlaced", 1.0, "tt", self.asked)

    monkeypatch.setattr(Interlacing, "__init__", begin)
    monkeypatch.setattr(Interlacing, "push", lambda self, frame: None)
    monkeypatch.setattr(Interlacing, "measured", measured)


def made(damaged: bool = False) -> list[tuple[int, Fields]]:
    done = []
    for attempt in attempts(6):
        attempt.finish(damaged=damaged)
        done.append((attempt.threads, attempt.fields))
    return done


def test_a_video_whose_flags_are_right_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asks(monkeypatch, Fields.FLAGGED)
    assert made() == [(6, Fields.FLAGGED)]


def test_fields_that_contradict_the_flags_are_shown_in_another_decode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asks(monkeypatch, Fields.TOP, Fields.TOP)
    assert made() == [(6, Fields.FLAGGED), (6, Fields.TOP)]


def test_a_damaged_video_is_decoded_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    asks(monkeypatch, Fields.TOP, Fields.TOP)
    assert made(damaged=True) == [(6, Fields.FLAGGED), (1, Fields.TOP)]


def test_a_video_that_never_agrees_is_decoded_four_times(monkeypatch: pytest.MonkeyPatch) -> None:
    asks(monkeypatch, Fields.TOP, Fields.WHOLE, Fields.TOP, Fields.WHOLE)
    assert len(made()) == 4


def test_only_the_first_decode_stops_early(monkeypatch: pytest.MonkeyPatch) -> None:
    asks(monkeypatch, Fields.TOP, Fields.FLAGGED)
    monkeypatch.setattr(module, "_SOON", 3)
    counts = []
    for attempt in attempts(6):
        frames: list[Any] = [type("Frame", (), {"index": n}) for n in range(9)]
        counts.append(sum(1 for f in frames if attempt.goes_on_after(f)))
        if len(counts) == 2:
            break
    assert counts[0] < 9
    assert counts[1] == 9


def test_shots_are_detected_in_the_pictures_that_a_build_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film.write(tmp_path / "a.mkv", film.TOP)
    shown = []
    detector = shot_detection.ShotDetector

    def noted(settings: Shots, info: Any) -> Any:
        shown.append(info.fields)
        return detector(settings, info)

    monkeypatch.setattr(shot_detection, "ShotDetector", noted)
    found = detect_shots(path)
    assert shown == [Fields.FLAGGED, Fields.TOP]
    rows = shot_detection.detect(path, probe(path), Shots(), 1)
    assert pd.DataFrame(rows).equals(found)
