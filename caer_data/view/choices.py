"""Decisions made on the page, as rows of `engine.decisions`: names become anchors here.

The page names clips, persons, tracks and frames; a row identifies these by content, so that
it still applies after any rebuild.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import pandas as pd

from caer_data.curate import clean, corrections, keeping, sightings
from caer_data.engine import identity
from caer_data.engine.artifacts import Artifact, DamagedArtifactError
from caer_data.engine.decisions import Decision, Decisions
from caer_data.engine.errors import CaerError
from caer_data.engine.files import inside
from caer_data.engine.identity import Anchor, Box
from caer_data.view.catalogue import Catalogue

_SIDES: Final = ["x1", "y1", "x2", "y2"]
MAX_AT_ONCE: Final = 1000
"""Maximum number of clips decided in one step."""
_TRACKS_OF_A_PERSON: Final = 5
"""Number of anchors per person, from the longest tracks; finding one of them again is enough."""


def decide(catalogue: Catalogue, values: dict[str, Any]) -> Decision:
    """Write one decision of the page, and return it.

    Args:
        catalogue: what the page shows.
        values: `kind`, `who`, `why`, and what it is about: `clip` (keep, drop, target), `track`
            (target), `persons` (merge), `tracks` (split), `person` and `name` (name), `video`,
            `frame` and `to` (cut_add, cut_remove, cut_move), `key` (undo).

    Raises:
        CaerError: a value is missing or wrong.
        UnknownNameError: it names something that does not exist.
    """
    kind = _text(values, "kind")
    make = _KINDS.get(kind)
    if make is None:
        raise CaerError(f"'{kind[:40]}' cannot be decided here; choose from {', '.join(_KINDS)}")
    about, content = make(catalogue, values)
    return Decisions(catalogue.dataset.folder).append(
        Decision(
            kind,
            _text(values, "who"),
            about=about,
            value=json.dumps(content),
            why=_text(values, "why"),
        )
    )


def decide_all(catalogue: Catalogue, clips: list[str], values: dict[str, Any]) -> int:
    """Keep or drop clips, one row each, or none after an error; return their number.

    Args:
        catalogue: what the page shows.
        clips: their `clip_id`s.
        values: `kind` (keep or drop), `who` and `why`.

    Raises:
        CaerError: a value is missing or wrong, or there are no clips or too many.
    """
    kind, who, why = (_text(values, name) for name in ("kind", "who", "why"))
    if kind not in ("keep", "drop"):
        raise CaerError(f"'{kind[:40]}' cannot be decided here; choose from keep, drop")
    if not 0 < len(clips) <= MAX_AT_ONCE:
        raise CaerError(
            f"{len(clips):,} clips are found; filter until there are 1 to {MAX_AT_ONCE:,}"
        )
    about = [_clip_anchor(catalogue, catalogue.clip(clip)) for clip in clips]
    rows = [Decision(kind, who, about=(anchor,), why=why) for anchor in about]
    return len(Decisions(catalogue.dataset.folder).append_all(rows))


def undo_all(catalogue: Catalogue, values: dict[str, Any]) -> int:
    """Undo the rows with the given `keys` in one step; return their number.

    Raises:
        CaerError: a value is missing or wrong.
    """
    who, why = _text(values, "who"), _text(values, "why")
    keys = _texts(values, "keys")
    rows = [Decision("undo", who, value=json.dumps(key), why=why) for key in keys]
    return len(Decisions(catalogue.dataset.folder).append_all(rows))


def decided(catalogue: Catalogue, rows: list[Decision]) -> dict[str, str]:
    """Return the last decision in effect for each current clip: keep, drop or target, by `clip_id`.

    A clip is identified by its span alone, because its target may be what was decided.
    """
    clips = catalogue.clips
    found: dict[str, str] = {}
    about = [replace(row.about[0], box=None) for row in rows]
    of_video = catalogue.videos.loc[lambda v: v["status"] != "duplicate"]
    names = dict(zip(of_video["sha256"], of_video["video_id"], strict=True))
    asked = {names[a.video_key] for a in about if a.video_key in names}
    own = clips[clips["video_id"].isin(asked)]
    keys = own["video_id"].map(dict(zip(of_video["video_id"], of_video["sha256"], strict=True)))
    today = {
        clip["clip_id"]: Anchor(
            key,
            int(clip["start_pts"]),
            int(clip["end_pts"]),
            int(clip["end_frame"] - clip["start_frame"]),
            None,
        )
        for clip, key in zip(own.to_dict("records"), keys, strict=True)
    }
    for row, answer in zip(rows, identity.resolve(about, today), strict=True):
        if answer.verdict == "same" and answer.key is not None:
            found[answer.key] = row.kind
    return found


def listed(catalogue: Catalogue, decisions: Decisions) -> list[dict[str, Any]]:
    """Return all decisions for the page, newest first; `stands` says whether one is in effect."""
    videos = dict(zip(catalogue.videos["sha256"], catalogue.videos["video_id"], strict=True))
    standing = {row.key for row in decisions.standing()}
    return [
        {
            "key": row.key,
            "kind": row.kind,
            "who": row.who,
            "when": row.when,
            "why": row.why,
            "value": row.content,
            "videos": sorted({videos[a.video_key] for a in row.about if a.video_key in videos}),
            "stands": row.key in standing,
        }
        for row in reversed(decisions.rows)
    ]


About = tuple[tuple[Anchor, ...], Any]


def _about_clip(catalogue: Catalogue, values: dict[str, Any]) -> About:
    return (_clip_anchor(catalogue, catalogue.clip(_text(values, "clip"))),), None


def _about_target(catalogue: Catalogue, values: dict[str, Any]) -> About:
    clip = catalogue.clip(_text(values, "clip"))
    track = catalogue.row("tracks", _text(values, "track"))
    if track["shot_id"] != clip["shot_id"]:
        raise CaerError(f"{track['track_id']} is not seen in {clip['clip_id']}; choose another box")
    middle = (int(clip["start_frame"]) + int(clip["end_frame"])) // 2
    box = _box_near(catalogue, track, middle)
    return (_clip_anchor(catalogue, clip),), [box.x1, box.y1, box.x2, box.y2]


def _about_merge(catalogue: Catalogue, values: dict[str, Any]) -> About:
    persons = [catalogue.row("people", name)["person_id"] for name in _texts(values, "persons")]
    return corrections.about_merge(catalogue.dataset, persons), None


def _about_split(catalogue: Catalogue, values: dict[str, Any]) -> About:
    tracks = [catalogue.row("tracks", name)["track_id"] for name in _texts(values, "tracks")]
    if not tracks:
        raise CaerError("choose the faces that show somebody else")
    return corrections.about_split(catalogue.dataset, tracks), None


def _about_name(catalogue: Catalogue, values: dict[str, Any]) -> About:
    person = _text(values, "person")
    return tuple(_person_anchors(catalogue, person, _TRACKS_OF_A_PERSON)), _text(values, "name")


def _about_cut(catalogue: Catalogue, values: dict[str, Any]) -> About:
    video = catalogue.row("videos", _text(values, "video"))
    cut = _cut_anchor(catalogue, video, _whole(values, "frame"))
    if values["kind"] != "cut_move":
        return (cut,), None
    return (cut,), _cut_anchor(catalogue, video, _whole(values, "to")).start_pts


def _about_undo(catalogue: Catalogue, values: dict[str, Any]) -> About:
    return (), _text(values, "key")


_KINDS: Final[dict[str, Callable[[Catalogue, dict[str, Any]], About]]] = {
    "keep": _about_clip,
    "drop": _about_clip,
    "target": _about_target,
    "merge": _about_merge,
    "split": _about_split,
    "name": _about_name,
    "cut_add": _about_cut,
    "cut_remove": _about_cut,
    "cut_move": _about_cut,
    "undo": _about_undo,
}


def _clip_anchor(catalogue: Catalogue, clip: dict[str, Any]) -> Anchor:
    video = catalogue.row("videos", clip["video_id"])
    tracks = catalogue.tracks[catalogue.tracks["shot_id"] == clip["shot_id"]]
    rows = catalogue.clips.iloc[[clip["place"]]]
    faces = catalogue.boxes(clip["shot_id"])
    return keeping.middle_anchors(rows, video, tracks.reset_index(drop=True), faces)[0]


def _person_anchors(catalogue: Catalogue, person_id: str, count: int) -> list[Anchor]:
    catalogue.row("people", person_id)
    own = catalogue.tracks[catalogue.tracks["person_id"] == person_id]
    order = (own["start_s"] - own["end_s"]).sort_values(kind="stable").index
    rows = own.loc[order].head(count).to_dict("records")
    return [_track_anchor(catalogue, {str(k): v for k, v in row.items()}) for row in rows]


def _track_anchor(catalogue: Catalogue, track: dict[str, Any]) -> Anchor:
    video = catalogue.row("videos", track["video_id"])
    if pd.isna(video["first_pts"]):
        raise CaerError(
            f"{video['video_id']}: nothing is known of its timestamps; build it again first"
        )
    name = track["track_id"]
    boxes = catalogue.boxes(track["shot_id"])
    found = sightings.of_tracks(video, catalogue.tracks.loc[[name]], _of_track(boxes, name))
    return found[name]


def _of_track(faces: pd.DataFrame, track_id: str) -> pd.DataFrame:
    return faces[faces["track_id"] == track_id]


def _box_near(catalogue: Catalogue, track: dict[str, Any], frame: int) -> Box:
    """Return the box of a track in the frame nearest to `frame`, as shares of the frame."""
    video = catalogue.row("videos", track["video_id"])
    own = _of_track(catalogue.boxes(track["shot_id"]), track["track_id"])
    nearest = own.iloc[int((own["frame"] - frame).abs().to_numpy().argmin())]
    return sightings.share(nearest[_SIDES].astype(float).tolist(), video)


def _cut_anchor(catalogue: Catalogue, video: dict[str, Any], frame: int) -> Anchor:
    if not 0 < frame < int(video["frames"]):
        raise CaerError(f"a cut lies between two frames: 1 to {int(video['frames']) - 1}")
    pts = _frame_pts(catalogue, video, frame)
    return Anchor(video["sha256"], pts, pts, 0, None)


def _frame_pts(catalogue: Catalogue, video: dict[str, Any], frame: int) -> int:
    """Return a frame's timestamp as recorded in decoding, else interpolated within its shot."""
    artifacts = clean.noted(catalogue.dataset.work_folder).get(video["video_id"], {})
    names = [name for name in artifacts.get("pieces", []) if name.startswith("shots/")]
    try:
        times = Artifact(inside(catalogue.dataset.work_folder, names[0])).array("pts.npy")
        return int(times[frame])
    except (IndexError, KeyError, DamagedArtifactError):
        pass
    shots = catalogue.shots[catalogue.shots["video_id"] == video["video_id"]]
    shot = shots[(shots["start_frame"] <= frame) & (shots["end_frame"] > frame)].iloc[0]
    step = Fraction(
        int(shot["end_pts"] - shot["start_pts"]), int(shot["end_frame"] - shot["start_frame"])
    )
    return int(shot["start_pts"]) + round((frame - int(shot["start_frame"])) * step)


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value.strip():
        raise CaerError(_MISSING.get(name, f"'{name}' is missing"))
    return value.strip()


_MISSING: Final = {
    "who": "give your name first: it goes with every decision",
    "why": "give a reason: somebody will ask for it",
    "name": "give the person's name",
}


def _texts(values: dict[str, Any], name: str) -> list[str]:
    found = values.get(name)
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise CaerError(f"'{name}' must be a list of identifiers")
    return list(dict.fromkeys(found))


def _whole(values: dict[str, Any], name: str) -> int:
    value = values.get(name)
    if type(value) is not int:
        raise CaerError(f"'{name}' must be a frame number")
    return value
