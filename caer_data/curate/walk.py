"""Walk a folder of shows: which files are videos, and what is passed over, by name.

One folder that cannot be read costs itself alone. Datasets and releases below the shows folder are
left out: their clips are no shows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error
from caer_data.engine.ownership import is_dataset, is_release

_SEASON: Final = re.compile(
    r"(?:season|series|staffel|saison|temporada|stagione|seizoen)[ ._-]*(\d{1,4})|(specials)", re.I
)
_NUMBERED: Final = re.compile(r"(?:^|[ ._\-\[(])s(\d{1,4})[ ._-]?e(\d{1,4})(?!\d)", re.I)
_CROSSED: Final = re.compile(r"(?:^|[ ._\-\[(])(\d{1,2})x(\d{2,3})(?!\d)", re.I)


@dataclass
class Walked:
    """What lies below a folder.

    Attributes:
        videos: files to be taken, in order of their paths.
        unreadable: folders that could not be read, each with the reason.
        datasets: folders of datasets and releases.
        excluded: files and folders that a pattern of the recipe leaves out.
    """

    videos: list[Path] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    datasets: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """Sentences on what was passed over."""
        found = [f"passed over, for it cannot be read: {why}" for why in self.unreadable]
        found += [
            f"passed over, for it is a dataset or a release: {name}" for name in self.datasets
        ]
        if self.excluded:
            some = ", ".join(self.excluded[:_NAMED])
            more = len(self.excluded) - _NAMED
            found.append(
                f"passed over by videos.exclude: {some}" + (f" and {more} more" if more > 0 else "")
            )
        return found


_NAMED: Final = 5


def walk(folder: Path, endings: set[str], exclude: Sequence[str]) -> Walked:
    """Videos at any depth; linked folders are entered, each folder once."""
    found = Walked()
    seen: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        place = Path(error.filename)
        if place == folder:
            raise CaerError(explain_os_error(error, folder)) from error
        found.unreadable.append(f"{place.relative_to(folder)}: {error.strerror}")

    def left_out(path: Path) -> bool:
        relative = path.relative_to(folder).as_posix()
        hit = any(_matches(relative, path.name, pattern) for pattern in exclude)
        if hit:
            found.excluded.append(relative)
        return hit

    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        here = Path(place)
        status = here.stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        if here != folder and _is_ours(here):
            found.datasets.append(here.relative_to(folder).as_posix())
            folders.clear()
            continue
        visible = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [name for name in visible if not left_out(here / name)]
        found.videos += [
            here / name
            for name in sorted(names)
            if not name.startswith(".")
            and Path(name).suffix.lower() in endings
            and not left_out(here / name)
        ]
    found.videos.sort(key=lambda path: path.relative_to(folder).parts)
    return found


def season_and_episode(parts: Sequence[str]) -> tuple[int, int | None, int | None]:
    """What a path says in the manner of Plex and Kodi.

    Args:
        parts: folders and name below the shows folder, without the extension.

    Returns:
        Position of the show's folder among the parts, season, number of the episode.
    """
    numbered = _NUMBERED.search(parts[-1]) or _CROSSED.search(parts[-1])
    season, episode = (int(n) for n in numbered.groups()) if numbered else (None, None)
    for position, part in enumerate(parts[1:-1], 1):
        named = _SEASON.fullmatch(part.strip())
        if named:
            of_folder = int(named[1]) if named[1] else 0
            return position - 1, of_folder if season is None else season, episode
    return 0, season, episode


def title(name: str) -> str:
    """The show in the name of an episode that lies straight in the shows folder; else nothing."""
    numbered = _NUMBERED.search(name)
    return re.sub(r"[ ._]+", " ", name[: numbered.start()]).strip(" -") if numbered else ""


def _matches(relative: str, name: str, pattern: str) -> bool:
    """Patterns with a slash are for the path below the shows folder, others for the name."""
    return fnmatch((relative if "/" in pattern else name).lower(), pattern.lower())


def _is_ours(folder: Path) -> bool:
    try:
        return is_dataset(folder) or is_release(folder)
    except CaerError:  # of a later version
        return True
