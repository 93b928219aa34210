"""Walks a folder of shows and sorts its files: videos, subtitles, and skipped files.

Unreadable folders are skipped. Datasets and releases below the shows folder are skipped, too,
because their clips are not shows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import Final

from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error
from caer_data.engine.ownership import is_dataset, is_release
from caer_data.media.subtitles import ENDINGS as SUBTITLES

_SEASON: Final = re.compile(
    r"(?:season|series|staffel|saison|temporada|stagione|seizoen)[ ._-]*(\d{1,4})|(specials)", re.I
)
_NUMBERED: Final = re.compile(r"(?:^|[ ._\-\[(])s(\d{1,4})[ ._-]?e(\d{1,4})(?!\d)", re.I)
_CROSSED: Final = re.compile(r"(?:^|[ ._\-\[(])(\d{1,2})x(\d{2,3})(?!\d)", re.I)


@dataclass
class Walked:
    """The content of a folder.

    Attributes:
        videos: video files, in order of their paths.
        unreadable: folders that could not be read, each with the reason.
        datasets: folders of datasets and releases.
        excluded: files and folders that a pattern of the recipe excludes.
        subtitles: subtitle files.
        others: every other file, relative to the folder.
        hidden: hidden files and folders, relative to the folder.
    """

    videos: list[Path] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    datasets: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    subtitles: list[Path] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """Return notes about what was skipped."""
        found = [f"skipped because it cannot be read: {why}" for why in self.unreadable]
        found += [f"skipped because it is a dataset or a release: {name}" for name in self.datasets]
        for why, names in (
            ("skipped by videos.exclude", self.excluded),
            ("skipped because the extension is not in videos.extensions", self.others),
            ("skipped because it is hidden", self.hidden),
        ):
            if names:
                found.append(f"{why}: {listed(names)}")
        return found


_NAMED: Final = 5


def listed(names: Sequence[str]) -> str:
    """Return some names in one line: a few of each extension, so that every extension appears."""
    by_ending: dict[str, list[str]] = {}
    for name in names:
        by_ending.setdefault(Path(name).suffix.lower(), []).append(name)
    some = [name for own in by_ending.values() for name in own[: max(1, _NAMED // len(by_ending))]]
    more = len(names) - len(some)
    return ", ".join(some) + (f" and {more} more" if more > 0 else "")


def walk(folder: Path, endings: set[str], exclude: Sequence[str]) -> Walked:
    """Return the content of a folder at any depth; links are followed, each folder once."""
    found = Walked()
    seen: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        path = Path(error.filename)
        if path == folder:
            raise CaerError(explain_os_error(error, folder)) from error
        found.unreadable.append(f"{path.relative_to(folder)}: {error.strerror}")

    def left_out(path: Path) -> bool:
        relative = path.relative_to(folder).as_posix()
        hit = any(_matches(relative, path.name, pattern) for pattern in exclude)
        if hit:
            found.excluded.append(relative)
        return hit

    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        here = Path(parent)
        status = here.stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        if here != folder and _is_ours(here):
            found.datasets.append(here.relative_to(folder).as_posix())
            folders.clear()
            continue
        hidden = sorted(name for name in (*folders, *names) if name.startswith("."))
        found.hidden += [(here / name).relative_to(folder).as_posix() for name in hidden]
        visible = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [name for name in visible if not left_out(here / name)]
        for name in sorted(name for name in names if not name.startswith(".")):
            if not left_out(here / name):
                _sort_in(found, here / name, endings, folder)
    found.videos.sort(key=lambda path: _order(path.relative_to(folder)))
    return found


def _order(path: PurePath) -> tuple[str, ...]:
    """Return a sort key by which `S01E02.mp4` comes before `S01E02 again.mp4`."""
    return (*path.parent.parts, path.stem, path.suffix)


def _sort_in(found: Walked, path: Path, endings: set[str], folder: Path) -> None:
    """Add a file to the videos, the subtitles or the others."""
    ending = path.suffix.lower()
    if ending in endings:
        found.videos.append(path)
    elif ending in SUBTITLES:
        found.subtitles.append(path)
    else:
        found.others.append(path.relative_to(folder).as_posix())


def season_and_episode(parts: Sequence[str]) -> tuple[int, int | None, int | None]:
    """Return the season and episode of a path that follows the naming of Plex and Kodi.

    Args:
        parts: folders and name below the shows folder, without the extension.

    Returns:
        Index of the show's folder among the parts, season, number of the episode.
    """
    numbered = _NUMBERED.search(parts[-1]) or _CROSSED.search(parts[-1])
    season, episode = (int(n) for n in numbered.groups()) if numbered else (None, None)
    for position, part in enumerate(parts[1:-1], 1):
        named = _SEASON.fullmatch(part.strip())
        if named:
            of_folder = int(named[1]) if named[1] else 0
            return position - 1, of_folder if season is None else season, episode
    return 0, season, episode


def is_season(part: str) -> bool:
    """Whether a name is that of a season's folder."""
    return _SEASON.fullmatch(part) is not None


def title(name: str) -> str:
    """Return the show in an episode's file name, for files directly in the shows folder; or ""."""
    numbered = _NUMBERED.search(name)
    return re.sub(r"[ ._]+", " ", name[: numbered.start()]).strip(" -") if numbered else ""


def _matches(relative: str, name: str, pattern: str) -> bool:
    """Whether a pattern matches: with a slash the path below the shows folder, else the name."""
    return fnmatch((relative if "/" in pattern else name).lower(), pattern.lower())


def _is_ours(folder: Path) -> bool:
    try:
        return is_dataset(folder) or is_release(folder)
    except CaerError:  # a dataset of a later version
        return True
