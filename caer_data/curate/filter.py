"""Decide which shots become clips: the paper's removal of shots without a face, of groups and of
ambiguous ones (section 4.1), each with its reason and scores.

Long shots are first divided into parts; every part is judged for itself. No decision here needs
the video: thresholds can change without decoding it again.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.engine import recipe as recipes
from caer_data.engine import tables

UNKNOWN: Final = "unknown"
"""Instead of the person who speaks, where somebody is heard and no face clearly fits."""


@dataclass(frozen=True)
class Timing:
    """Frame times of a video: its average rate and the timestamp of every frame."""

    fps: Fraction
    time_base: Fraction
    pts: npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Presence:
    """How one person appears in a part."""

    person_id: str
    track_id: str
    coverage: float
    face_height: float
    sharpness: float
    brightness: float

    @property
    def prominence(self) -> float:
        """Height of the face, reduced if it is visible only part of the time."""
        return self.face_height * math.sqrt(self.coverage)

    def is_clear(self, settings: recipes.Filter) -> bool:
        """Whether the face is in the light and in focus."""
        return (
            self.brightness >= settings.min_brightness and self.sharpness >= settings.min_sharpness
        )


def choose(
    video: pd.Series,
    shots: pd.DataFrame,
    tracks: pd.DataFrame,
    timing: Timing,
    settings: recipes.Filter,
    clips: recipes.Clips,
    speaker_of: Callable[[float, float], str | None] = lambda start_s, end_s: None,
) -> pd.DataFrame:
    """Judge every shot of one video; returns its rows of `clips`, not yet cut.

    Args:
        video: its row of `videos`.
        shots: its rows of `shots`.
        tracks: its rows of `tracks`, with `person_id`.
        timing: its frame times.
        settings: thresholds.
        clips: shortest and longest clip.
        speaker_of: who speaks between two times; see `speaking.Speakers.of`.
    """
    by_shot = dict(tuple(tracks.groupby("shot_id", sort=False)))
    rows: list[dict[str, Any]] = []
    for shot in tables.records(shots):
        seen = by_shot.get(shot["shot_id"], tracks.iloc[:0])
        for number, (start, end) in enumerate(_parts(shot, timing.fps, clips.max_seconds), 1):
            rows.append(
                {
                    "clip_id": f"{shot['shot_id']}.c{number}",
                    "shot_id": shot["shot_id"],
                    "video_id": shot["video_id"],
                    "show": video["show"],
                    "episode": video["episode"],
                    **_span(shot, start, end, timing),
                }
            )
            short = clips.too_short(end - start, rows[-1]["end_s"] - rows[-1]["start_s"])
            speaker = speaker_of(rows[-1]["start_s"], rows[-1]["end_s"])
            rows[-1] |= judge(seen, start, end, settings, short, speaker=speaker)
    return tables.frame(tables.CLIPS, rows)


def _parts(shot: dict[str, Any], fps: Fraction, max_seconds: float) -> list[tuple[int, int]]:
    """Divide a shot into the fewest equal parts, none of which is longer than `max_seconds`."""
    start, end = shot["start_frame"], shot["end_frame"]
    seconds = shot["end_s"] - shot["start_s"]
    # half a frame of tolerance: a shot of exactly max_seconds stays whole
    count = max(1, int(np.ceil((seconds - 0.5 / float(fps)) / max_seconds)))
    count = min(count, end - start)
    edges = [start + (end - start) * n // count for n in range(count + 1)]
    return list(itertools.pairwise(edges))


def _span(shot: dict[str, Any], start: int, end: int, timing: Timing) -> dict[str, Any]:
    start_pts = int(timing.pts[start])
    end_pts = shot["end_pts"] if end == shot["end_frame"] else int(timing.pts[end])
    first = int(timing.pts[0])
    return {
        "start_frame": start,
        "end_frame": end,
        "start_pts": start_pts,
        "end_pts": end_pts,
        "start_s": float((start_pts - first) * timing.time_base),
        "end_s": float((end_pts - first) * timing.time_base),
    }


def judge(
    tracks: pd.DataFrame,
    start: int,
    end: int,
    settings: recipes.Filter,
    short: bool,
    person: str | None = None,
    speaker: str | None = None,
) -> dict[str, Any]:
    """Status, reason, target and scores of one part.

    A dark or blurred person is the target only if nobody clear is seen, and never counts as a
    rival. For a part that is too short, `n_people` is None.

    Args:
        tracks: of its shot, with `person_id`.
        start: first frame.
        end: one past the last frame.
        settings: thresholds.
        short: whether it is too short.
        person: person chosen as target by hand; the checks for groups and rivals are then skipped.
        speaker: who speaks, or `unknown`; None if that was not asked, or nobody is heard.
    """
    people = _people(tracks, start, end)
    lasting = [
        p
        for p in people
        if p.coverage >= settings.min_presence and p.brightness >= settings.min_brightness
    ]
    clear = [p for p in people if p.is_clear(settings)]
    chosen = [p for p in people if p.person_id == person]
    target = max(chosen or clear or people, key=lambda p: p.prominence, default=None)
    dominance = _dominance(target, clear)
    if short:
        reason: str | None = "too_short"
    elif chosen:
        reason = _reason(target, 1, None, settings)
    else:
        reason = _reason(target, len(lasting), dominance, settings)
    speaks = next((p for p in clear if p.person_id == speaker), None)
    if reason == "ambiguous" and settings.speaker_decides and speaks is not None:
        target, dominance = speaks, _dominance(speaks, clear)
        reason = _reason(target, len(lasting), None, settings)
    row: dict[str, Any] = {"n_people": None if short else len(lasting)}
    if target:
        row |= {
            "person_id": target.person_id,
            "track_id": target.track_id,
            "coverage": target.coverage,
            "face_height": target.face_height,
            "dominance": dominance,
            "sharpness": target.sharpness,
            "brightness": target.brightness,
        }
    if speaker is not None and speaker != UNKNOWN:
        row["speaker"] = "target" if target and target.person_id == speaker else "other"
    elif speaker is not None:
        row["speaker"] = UNKNOWN
    return row | {"status": "dropped" if reason else "kept", "reason": reason}


def _dominance(target: _Presence | None, clear: list[_Presence]) -> float | None:
    """By how much the target is more prominent than the next person; None if nobody is next."""
    rivals = [p.prominence for p in clear if p is not target]
    return target.prominence / max(rivals) if target and rivals and max(rivals) > 0 else None


def _reason(
    target: _Presence | None, lasting: int, dominance: float | None, settings: recipes.Filter
) -> str | None:
    """The first reason that applies, from the plainest to the finest."""
    if target is None:
        return "no_face"
    checks = {
        "group": lasting > settings.max_people,
        "too_brief": target.coverage < settings.min_coverage,
        "ambiguous": dominance is not None and dominance < settings.min_dominance,
        "too_small": target.face_height < settings.min_face_height,
        "blurred": target.sharpness < settings.min_sharpness,
        "too_dark": target.brightness < settings.min_brightness,
    }
    return next((reason for reason, applies in checks.items() if applies), None)


def _people(tracks: pd.DataFrame, start: int, end: int) -> list[_Presence]:
    """Everybody with a face between two frames, in order of person_id."""
    inside = tracks[(tracks["start_frame"] < end) & (tracks["end_frame"] > start)]
    people = []
    for person_id, own in inside.groupby("person_id", sort=True):
        shown = np.zeros(end - start, bool)
        frames = []
        for first, last in zip(own["start_frame"], own["end_frame"], strict=True):
            a, b = max(first, start) - start, min(last, end) - start
            shown[a:b] = True
            frames.append(b - a)
        weights = np.array(frames, float)
        longest = own.iloc[int(np.argmax(weights))]
        people.append(
            _Presence(
                person_id=str(person_id),
                track_id=str(longest["track_id"]),
                coverage=float(shown.mean()),
                face_height=_mean(own["face_height"], weights),
                sharpness=_mean(own["sharpness"], weights),
                brightness=_mean(own["brightness"], weights),
            )
        )
    return people


def _mean(values: pd.Series, weights: npt.NDArray[np.float64]) -> float:
    return float(np.average(values.to_numpy(float), weights=weights))
