"""Finds and describes the videos in a folder of shows.

The path determines show and episode: the first folder below the shows folder is the show, and the
rest of the path without its extension is the episode. Videos directly in the shows folder belong to
a show that is named after the folder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Set
from dataclasses import asdict, astuple, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from caer_data.curate.sidecars import Sidecar, share_out
from caer_data.curate.walk import Walked, is_season, listed, season_and_episode, title, walk
from caer_data.engine.artifacts import Store
from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error, identifier, sha256_of
from caer_data.engine.hashing import hash_of
from caer_data.engine.pool import Progress
from caer_data.engine.recipe import Videos
from caer_data.engine.sources import held
from caer_data.media.colour import MATRICES, PRIMARIES, TRANSFERS
from caer_data.media.geometry import Crop, Turn
from caer_data.media.probe import VideoInfo, probe
from caer_data.media.programmes import Programme
from caer_data.media.sound import SoundTrack, fits
from caer_data.media.subtitles import ENDINGS as SUBTITLES
from caer_data.media.unchanged import Stamp, stamp_of

VIDEOS_VERSION = 9

_ENDINGS = {ending.removeprefix(".") for ending in Videos().extensions}
_FRACTIONS = ("pixel_aspect", "fps", "time_base")


@dataclass(frozen=True)
class Found:
    """A video file and the names derived from its path.

    Attributes:
        path: the file.
        relative: its path below the shows folder, with `/`, as text that can be stored.
        show: name of the show.
        episode: name of the episode.
        video_id: identifier, unique among the videos found.
        season: number of the season from folder or name, 0 for specials; None if unknown.
        episode_number: number in the season; None if unknown.
        sidecars: its subtitle files.
    """

    path: Path
    relative: str
    show: str
    episode: str
    video_id: str
    season: int | None = None
    episode_number: int | None = None
    sidecars: tuple[Sidecar, ...] = ()


@dataclass(frozen=True)
class Described:
    """A row of `videos`, and the properties for decoding; None if the file is unusable."""

    row: dict[str, Any]
    path: Path
    info: VideoInfo | None
    stamp: Stamp | None = None


def find(
    shows: Path, settings: Videos, on_note: Callable[[str], None] = lambda _: None
) -> list[Found]:
    """Return the videos below a folder, in order of their paths, or the given single video.

    Hidden files and folders are skipped; `on_note` receives notes about other skipped files.

    Raises:
        CaerError: there is no such folder, or no video in it.
    """
    if not shows.exists():
        raise CaerError(f"{shows}: no such folder; give the folder that contains the shows")
    endings = {ending.lower() for ending in settings.extensions}
    root = shows if shows.is_dir() else shows.parent
    walked = walk(shows, endings, settings.exclude) if shows.is_dir() else _alone(shows)
    for note in walked.notes():
        on_note(note)
    if not walked.videos:
        why = "; ".join(walked.notes())
        raise CaerError(
            f"{shows}: contains no video with the extension {' '.join(sorted(endings))}"
            + (f"; {why}" if why else "")
        )
    sidecars, strays = share_out(walked.videos, walked.subtitles)
    if strays and shows.is_dir():
        names = listed([_text(path.relative_to(root).as_posix()) for path in strays])
        on_note(f"skipped because no video matches the names of these subtitles: {names}")
    found: list[Found] = []
    taken: set[str] = set()
    for path in walked.videos:
        item = replace(_named(path, root), sidecars=tuple(sidecars.get(path, ())))
        if item.video_id in taken:  # names that differ only in case
            digest = hashlib.sha256(os.fsencode(path.relative_to(root))).hexdigest()
            item = replace(item, video_id=f"{item.video_id}-{digest[:6]}")
        taken.add(item.video_id)
        found.append(item)
    return found


def _alone(video: Path) -> Walked:
    """Return a single video, and the subtitles in its folder."""
    files = sorted(path for path in video.parent.iterdir() if path.suffix.lower() in SUBTITLES)
    return Walked([video], subtitles=files)


def _named(path: Path, root: Path) -> Found:
    """Return a video with the names derived from its path."""
    parts = [_text(part) for part in path.relative_to(root).with_suffix("").parts]
    index, season, number = season_and_episode(parts)
    if len(parts) > 1:
        show, episode = parts[index], "/".join(parts[index + 1 :])
    else:
        show, episode = title(parts[0]) or _text(root.resolve().name or "shows"), parts[0]
    relative = _text(path.relative_to(root).as_posix())
    ending = path.suffix.lower().removeprefix(".")
    video_id = f"{identifier(show)}.{_episode_id(parts, index, ending)}"
    return Found(path, relative, show, episode, video_id, season, number)


def _episode_id(parts: list[str], index: int, ending: str) -> str:
    """Return the episode part of a video's identifier, derived only from the file's path.

    The folder of a season and extensions other than mp4 are included. If anything else would be
    lost, a part of a hash is added.

    Args:
        parts: folders and name below the shows folder, without the extension.
        index: index of the show among them.
        ending: extension without its dot.
    """
    own = parts[index + 1 :] or parts
    context = "/".join(parts[:index]) or (title(parts[0]) if len(parts) == 1 else "")
    name = " ".join(own) if len(own) == 2 and is_season(own[0]) else "/".join(own)
    words = name.lower().split(" ")
    if len(own) == 1 and any(is_season(" ".join(words[:n])) for n in (1, 2) if n < len(words)):
        context += "/"
    if ending != "mp4":
        name = f"{name} {ending}"
    elif words[-1] in _ENDINGS:
        context += "."
    return identifier(name, context)


def describe(
    found: Found, settings: Videos, audio: str, work: Path, progress: Progress
) -> Described:
    """Probe and hash a video, store the result, and return it."""
    try:
        subject, key = _record(found, settings, audio)
        with held(found.path, lambda: progress("videos", 0.0)):
            info = probe(found.path, settings.max_megapixels, audio)
            digest = sha256_of(found.path)
        values = {k: _plain(v) for k, v in asdict(info).items() if k != "fields"}
        record = {"info": values, "sha256": digest}
        Store(work).record("videos", subject, key, record)
    except CaerError as error:
        return failed(found, str(error))
    except OSError as error:
        return failed(found, explain_os_error(error, Path(found.relative)))
    remembered_now = remembered(found, settings, audio, work)
    return remembered_now or failed(found, "changed while it was being read; run the command again")


def look(path: Path, settings: Videos, audio: str, progress: Progress) -> VideoInfo:
    """Return the properties of a video without hashing it.

    Raises:
        CaerError: the video cannot be used.
    """
    with held(path, lambda: progress("videos", 0.0)):
        return probe(path, settings.max_megapixels, audio)


def remembered(found: Found, settings: Videos, audio: str, work: Path) -> Described | None:
    """Return an earlier result for a file of the same name, size and modification time, or None."""
    try:
        subject, key = _record(found, settings, audio)
    except OSError:
        return None
    values = Store(work).recorded("videos", subject, key)
    if values is None:
        return None
    stored: dict[str, Any] = values["info"]
    info = VideoInfo(
        **stored
        | {name: Fraction(stored[name]) for name in _FRACTIONS}
        | {
            "crop": Crop(**stored["crop"]),
            "turn": Turn(**stored["turn"]),
            "sounds": tuple(SoundTrack(**track) for track in stored["sounds"]),
            "opening": tuple((name, value) for name, value in stored["opening"]),
            "programmes": tuple(
                Programme(p["number"], p["name"], tuple(p["streams"])) for p in stored["programmes"]
            ),
        }
    )
    row = _row(found) | {
        "status": "ok",
        "sha256": values["sha256"],
        "width": info.width,
        "height": info.height,
        "rotation": info.turn.rotation,
        "mirrored": info.turn.mirrored,
        "crop": " ".join(map(str, astuple(info.crop))),
        "pixel_aspect": str(info.pixel_aspect),
        "fps": str(info.fps),
        "time_base": str(info.time_base),
        "video_codec": info.codec,
        "field_order": info.field_order,
        "color_primaries": PRIMARIES.get(info.primaries),
        "color_transfer": TRANSFERS.get(info.transfer),
        "color_matrix": MATRICES.get(info.matrix),
        "color_range": "full" if info.full_range else "limited",
        "has_audio": info.has_audio,
        "audio_language": next(
            (t.language for t in info.sounds if t.stream == info.audio_index), None
        ),
        "programmes": ", ".join(map(str, info.programmes)) or None,
    }
    return Described(row, found.path, info, stamp_of(found.path))


def unremember(found: Found, settings: Videos, audio: str, work: Path) -> None:
    """Remove an earlier result for a file."""
    Store(work).discard("videos", *_record(found, settings, audio))


def sound_rows(described: Described) -> list[dict[str, Any]]:
    """Return the rows of `audio_tracks` of a video."""
    info = described.info
    if info is None:
        return []
    return [
        {"video_id": described.row["video_id"], "chosen": track.stream == info.audio_index}
        | asdict(track)
        for track in info.sounds
    ]


def sound_notes(described: list[Described], wanted: str) -> list[str]:
    """Return notes on the sound tracks used, if there was a choice or the wanted one is missing."""
    notes = []
    for item in described:
        info = item.info
        if info is None or info.audio_index is None:
            continue
        taken = next(t for t in info.sounds if t.stream == info.audio_index)
        name = taken.language or taken.title or "of no stated language"
        if wanted != "default" and not fits(taken, wanted):
            notes.append(f"{item.row['path']}: has no sound track '{wanted}'; using '{name}'")
        elif len(info.sounds) > 1:
            notes.append(
                f"{item.row['path']}: using sound track '{name}' of {len(info.sounds)} tracks"
            )
    return notes


def programme_notes(described: list[Described]) -> list[str]:
    """Return notes on the programmes used and not used of broadcasts that contain several."""
    return [
        f"{item.row['path']}: using programme {item.info.programmes[0]}, not "
        + ", ".join(map(str, item.info.programmes[1:]))
        for item in described
        if item.info is not None and len(item.info.programmes) > 1
    ]


def film_notes(described: list[Described]) -> list[str]:
    """Return notes on files with several video streams, of which only one is used."""
    return [
        f"{item.row['path']}: using the video stream of {item.info.stored_width}x"
        f"{item.info.stored_height}, one of {item.info.films}"
        for item in described
        if item.info is not None and item.info.films > 1 and len(item.info.programmes) < 2
    ]


def failed(found: Found, reason: str | None) -> Described:
    """Return the description of a file that cannot be used."""
    why = (reason or "unknown").removeprefix(f"{found.path}: ")
    why = why.removeprefix(f"{found.relative}: ")
    return Described(_row(found) | {"status": "failed", "reason": _text(why)}, found.path, None)


def mark_duplicates(
    described: list[Described], before: Set[tuple[str, str]] = frozenset()
) -> list[Described]:
    """Mark all but one of several files with equal content as duplicates, and return all.

    Args:
        described: descriptions in the order of the dataset.
        before: path and hash of the videos of the last build. One of these stays the video, so that
            a copy added later removes nothing; otherwise the first file is the video.
    """
    videos: dict[str, str] = {}
    usable = [item.row for item in described if item.info is not None and item.row.get("sha256")]
    for row in sorted(usable, key=lambda row: (row["path"], row["sha256"]) not in before):
        videos.setdefault(row["sha256"], row["path"])
    result = []
    for item in described:
        video = None if item.info is None else videos.get(item.row.get("sha256") or "")
        if video is not None and video != item.row["path"]:
            changes = {"status": "duplicate", "reason": f"the same as {video}"}
            item = replace(item, row=item.row | changes)  # noqa: PLW2901
        result.append(item)
    return result


def _record(found: Found, settings: Videos, audio: str) -> tuple[str, str]:
    """Return the subject and key of the result for a file's name, size and modification time."""
    status = found.path.stat()
    size, time = status.st_size, status.st_mtime_ns
    identity = [VIDEOS_VERSION, found.relative, size, time, settings.max_megapixels, audio]
    return found.video_id, hash_of(identity, 16)


def _row(found: Found) -> dict[str, Any]:
    size = found.path.stat().st_size if found.path.exists() else 0
    return {
        "video_id": found.video_id,
        "show": found.show,
        "episode": found.episode,
        "season": found.season,
        "episode_number": found.episode_number,
        "path": found.relative,
        "bytes": size,
    }


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Fraction) else value


def _text(name: str) -> str:
    """Return a file name as text that tables can contain; bytes that are not UTF-8 are escaped."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
