"""Find the videos of a folder of shows, and say what each is.

Show and episode come from the path: the first folder below the shows folder is the show, the rest
of the path without its extension the episode; videos straight in the folder belong to a show of
the folder's own name.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, astuple, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error, sha256_of, slug
from caer_data.engine.pieces import Store
from caer_data.engine.pool import Progress
from caer_data.engine.recipe import Videos
from caer_data.media.colour import MATRICES, PRIMARIES, TRANSFERS
from caer_data.media.geometry import Crop, Turn
from caer_data.media.probe import VideoInfo, probe

VIDEOS_VERSION = 2

_FRACTIONS = ("pixel_aspect", "fps", "time_base")


@dataclass(frozen=True)
class Found:
    """A video file and the names that follow from its path.

    Attributes:
        path: the file.
        relative: its path below the shows folder, with `/`, as text that can be stored.
        show: name of the show.
        episode: name of the episode.
        video_id: identifier, unique among those found together.
    """

    path: Path
    relative: str
    show: str
    episode: str
    video_id: str


@dataclass(frozen=True)
class Described:
    """A row of `videos`, and what decoding needs to know unless the file is no good."""

    row: dict[str, Any]
    path: Path
    info: VideoInfo | None


def find(shows: Path, settings: Videos) -> list[Found]:
    """List the videos below a folder, in order of their paths; a single file is taken as it is.

    Hidden files and folders are passed over.

    Raises:
        CaerError: no such folder, or no video in it.
    """
    if not shows.exists():
        raise CaerError(f"{shows}: no such folder; give the folder that holds the shows")
    endings = {ending.lower() for ending in settings.extensions}
    root = shows if shows.is_dir() else shows.parent
    paths = _walk(shows, endings) if shows.is_dir() else [shows]
    if not paths:
        raise CaerError(f"{shows}: holds no video; looked for {' '.join(sorted(endings))}")
    found: list[Found] = []
    taken: set[str] = set()
    for path in paths:
        parts = [_text(part) for part in path.relative_to(root).with_suffix("").parts]
        show = parts[0] if len(parts) > 1 else _text(root.resolve().name or "shows")
        episode = "/".join(parts[1:] or parts)
        relative = _text(path.relative_to(root).as_posix())
        video_id = f"{slug(show)}.{slug(episode)}"
        if video_id in taken:
            video_id += f"-{hashlib.sha256(os.fsencode(path.relative_to(root))).hexdigest()[:6]}"
        taken.add(video_id)
        found.append(Found(path, relative, show, episode, video_id))
    return found


def describe(found: Found, settings: Videos, work: Path, progress: Progress) -> Described:
    """Probe one video and hash it, and remember what was found."""
    try:
        subject, key = _record(found, settings)
        values = {
            k: _plain(v) for k, v in asdict(probe(found.path, settings.max_megapixels)).items()
        }
        record = {"info": values, "sha256": sha256_of(found.path)}
        Store(work).record("videos", subject, key, record)
    except CaerError as error:
        return failed(found, str(error))
    except OSError as error:
        return failed(found, explain_os_error(error, Path(found.relative)))
    remembered_now = remembered(found, settings, work)
    return remembered_now or failed(found, "changed while it was being read; run again")


def remembered(found: Found, settings: Videos, work: Path) -> Described | None:
    """What an earlier run found out about a file of this name, size and time of change."""
    try:
        subject, key = _record(found, settings)
    except OSError:
        return None
    values = Store(work).recorded("videos", subject, key)
    if values is None:
        return None
    stored: dict[str, Any] = values["info"]
    info = VideoInfo(
        **stored
        | {name: Fraction(stored[name]) for name in _FRACTIONS}
        | {"crop": Crop(**stored["crop"]), "turn": Turn(**stored["turn"])}
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
    }
    return Described(row, found.path, info)


def failed(found: Found, reason: str | None) -> Described:
    """Row of a file that cannot be used."""
    why = (reason or "unknown").removeprefix(f"{found.path}: ")
    why = why.removeprefix(f"{found.relative}: ")
    return Described(_row(found) | {"status": "failed", "reason": _text(why)}, found.path, None)


def mark_duplicates(described: list[Described]) -> list[Described]:
    """Of files with equal content the first is the video, the others are duplicates of it."""
    first: dict[str, str] = {}
    result = []
    for item in described:
        digest = item.row.get("sha256")
        if item.info is None or not digest:
            result.append(item)
        elif digest in first:
            told = {"status": "duplicate", "reason": f"the same as {first[digest]}"}
            result.append(replace(item, row=item.row | told))
        else:
            first[digest] = item.row["path"]
            result.append(item)
    return result


def _record(found: Found, settings: Videos) -> tuple[str, str]:
    """Subject and key of what is remembered of a file of this name, size and time of change."""
    status = found.path.stat()
    size, time = status.st_size, status.st_mtime_ns
    identity = [VIDEOS_VERSION, found.relative, size, time, settings.max_megapixels]
    digest = hashlib.sha256(repr(identity).encode()).hexdigest()[:16]
    return found.video_id, digest


def _walk(folder: Path, endings: set[str]) -> list[Path]:
    """Videos at any depth; linked folders are entered, each folder once."""
    paths = []
    seen: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths += [
            Path(place, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in endings
        ]
    return sorted(paths, key=lambda path: path.relative_to(folder).parts)


def _refuse(error: OSError) -> None:
    raise CaerError(explain_os_error(error, Path(error.filename))) from error


def _row(found: Found) -> dict[str, Any]:
    size = found.path.stat().st_size if found.path.exists() else 0
    return {
        "video_id": found.video_id,
        "show": found.show,
        "episode": found.episode,
        "path": found.relative,
        "bytes": size,
    }


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Fraction) else value


def _text(name: str) -> str:
    """A file name as text that tables can hold: bytes that are not UTF-8 become escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
