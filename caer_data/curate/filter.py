"""The filter, which decides which shots become clips, with reasons and scores.

As in the paper (section 4.1), shots without a face, group shots and ambiguous shots are dropped.
Long shots are first divided into parts, which are judged separately. No decision needs the video,
so that thresholds can be changed without decoding it again.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.engine import recipe as recipes
from caer_data.engine import tables

UNKNOWN: Final = "unknown"
"""Value for the speaker if somebody is heard but no face clearly matches."""

# Share of a part from which a rival counts in full: seen that long, they could be a target. A rival
# of the target's height thus makes a part ambiguous if they are seen in a third of it.
_IN_FULL: Final = 0.6

# Share of the sharpness of another face below which a face of equal height is out of focus; less
# for a smaller one, down to half the height, whose resolution is lower. People out of focus had .07
# to .13 of the sharpness of others in focus. A man of .6 of another's height in a small picture had
# .15, other people at least .27.
_IN_FOCUS: Final = 0.2


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
        """Height of the face times the square root of its coverage."""
        return self.face_height * math.sqrt(self.coverage)

    @property
    def rivalry(self) -> float:
        """Prominence beside a target: as if a face that is seen long enough were always seen."""
        return self.face_height * math.sqrt(min(1.0, self.coverage / _IN_FULL))

    def is_clear(self, settings: recipes.Filter) -> bool:
        """Whether the face is bright and sharp enough."""
        return (
            self.brightness >= settings.min_brightness and self.sharpness >= settings.min_sharpness
        )

    def is_blurred_beside(self, other: _Presence) -> bool:
        """Whether the face is out of focus while another one is not."""
        # without dividing by a height, which is 0 if an imported box is almost outside the picture
        height = min(self.face_height, other.face_height)
        return (
            2 * self.face_height >= other.face_height
            and self.sharpness * other.face_height < _IN_FOCUS * height * other.sharpness
        )


def choose(
    video: Mapping[Any, Any],
    shots: pd.DataFrame,
    tracks: pd.DataFrame,
    timing: Timing,
    settings: recipes.Filter,
    clips: recipes.Clips,
    speaker_of: Callable[[float, float], str | None] = lambda start_s, end_s: None,
) -> list[dict[str, Any]]:
    """Judge every shot of one video; return its rows of `clips`, not yet cut, for `tables.frame`.

    Args:
        video: its row of `videos`.
        shots: its rows of `shots`.
        tracks: its rows of `tracks`, with `person_id`.
        timing: its frame times.
        settings: thresholds.
        clips: minimum and maximum length of clips.
        speaker_of: returns who speaks between two times; see `speaking.Speakers.of`.
    """
    by_shot = dict(tuple(tracks.groupby("shot_id", sort=False, observed=True)))
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
    return rows


def _parts(shot: dict[str, Any], fps: Fraction, max_seconds: float) -> list[tuple[int, int]]:
    """Divide a shot into as few equal parts as possible, each at most `max_seconds` long."""
    start, end = shot["start_frame"], shot["end_frame"]
    seconds = shot["end_s"] - shot["start_s"]
    # half a frame of tolerance, so that a shot of exactly max_seconds is not divided
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
    """Return status, reason, target and scores of one part.

    A dark or blurred person is the target only if nobody is clearly visible, and never counts as a
    rival. The same is true of a person who is much less sharp than another of similar height. Such
    a person and people in the dark are not counted. For a part that is too short, `n_people` is
    None.

    Args:
        tracks: tracks of its shot, with `person_id`.
        start: first frame.
        end: one past the last frame.
        settings: thresholds.
        short: whether it is too short.
        person: target chosen by hand; the checks for groups and rivals are then skipped.
        speaker: who speaks, or `unknown`; None if this was not determined or nobody is heard.
    """
    people = _people(tracks, start, end)
    bright = [
        p
        for p in people
        if p.coverage >= settings.min_presence and p.brightness >= settings.min_brightness
    ]
    focused = [p for p in people if not any(p.is_blurred_beside(other) for other in bright)]
    lasting = [p for p in bright if p in focused]
    clear = [p for p in focused if p.is_clear(settings)]
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
    """Return the target's prominence over the strongest rival's; None if there is no rival."""
    rivals = [p.rivalry for p in clear if p is not target]
    return target.prominence / max(rivals) if target and rivals and max(rivals) > 0 else None


def _reason(
    target: _Presence | None, lasting: int, dominance: float | None, settings: recipes.Filter
) -> str | None:
    """Return the first reason for dropping that applies; None if there is none."""
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
    """Return all persons whose face is visible between two frames, in order of `person_id`."""
    # a shot has few tracks, for which arrays are much faster than groups of a data frame
    first, last = (tracks[name].to_numpy(np.int64) for name in ("start_frame", "end_frame"))
    names, ids = tracks["person_id"].tolist(), tracks["track_id"].tolist()
    looks = tracks[["face_height", "sharpness", "brightness"]].to_numpy(float)
    members: dict[str, list[int]] = {}
    for n in np.flatnonzero((first < end) & (last > start)).tolist():
        if isinstance(names[n], str):
            members.setdefault(names[n], []).append(n)
    people = []
    for person_id, own in sorted(members.items()):
        shown = np.zeros(end - start, bool)
        frames = []
        for n in own:
            a, b = max(int(first[n]), start) - start, min(int(last[n]), end) - start
            shown[a:b] = True
            frames.append(b - a)
        weights = np.array(frames, float)
        height, sharpness, brightness = (
            float(np.average(values, weights=weights)) for values in looks[own].T.copy()
        )
        people.append(
            _Presence(
                person_id=person_id,
                track_id=str(ids[own[int(np.argmax(weights))]]),
                coverage=float(shown.mean()),
                face_height=height,
                sharpness=sharpness,
                brightness=brightness,
            )
        )
    return people
