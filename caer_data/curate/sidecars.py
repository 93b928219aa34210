"""Sidecar files: subtitle files that belong to a video, recognised by their names.

`e1.srt`, `e1.en.srt` and `e1.en.forced.srt` belong to `e1.mkv` if they are in its folder or in a
subfolder called `Subs` or `Subtitles`. So do all subtitle files in a folder `Subs/e1`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from caer_data.media.sound import plain_language

_FOLDERS: Final = frozenset({"sub", "subs", "subtitle", "subtitles"})
_WORDS: Final = re.compile(r"[._\-\s\[\]()]+")


@dataclass(frozen=True)
class Sidecar:
    """A subtitle file that belongs to a video.

    Attributes:
        path: the file.
        language: ISO 639 code in its name; None if there is none.
        forced: whether its name marks it as forced.
    """

    path: Path
    language: str | None
    forced: bool


def share_out(
    videos: Sequence[Path], files: Iterable[Path]
) -> tuple[dict[Path, list[Sidecar]], list[Path]]:
    """Assign subtitle files to videos.

    Args:
        videos: all videos.
        files: all subtitle files.

    Returns:
        The files of each video, in order of their names, and the files that belong to none.
    """
    by_folder: dict[Path, list[Path]] = {}
    for video in videos:
        by_folder.setdefault(video.parent, []).append(video)
    found: dict[Path, list[Sidecar]] = {}
    strays: list[Path] = []
    for file in sorted(files):
        owner = _owner(file, by_folder)
        if owner is None:
            strays.append(file)
        else:
            found.setdefault(owner, []).append(_described(file, owner))
    return found, strays


def _owner(file: Path, by_folder: dict[Path, list[Path]]) -> Path | None:
    """Return the video whose name begins the file's name; of several, the one with the longest."""
    folder, name = file.parent, file.stem
    if folder.name.lower() in _FOLDERS:
        beside = by_folder.get(folder, []) or by_folder.get(folder.parent, [])
    elif folder.parent.name.lower() in _FOLDERS:
        beside, name = by_folder.get(folder.parent.parent, []), folder.name
    else:
        beside = by_folder.get(folder, [])
    fits = [v for v in beside if name == v.stem or name.startswith(f"{v.stem}.")]
    if not fits and folder.name.lower() in _FOLDERS and len(beside) == 1:
        return beside[0]  # a folder with one film, such as Subs/2_English.srt
    return max(fits, key=lambda v: len(v.stem), default=None)


def _described(file: Path, video: Path) -> Sidecar:
    suffix = file.stem.removeprefix(video.stem)
    words = [word for word in _WORDS.split(suffix) if word]
    languages = [language for word in words if (language := plain_language(word, known=True))]
    return Sidecar(
        path=file,
        language=languages[-1] if languages else None,
        forced=any(word.lower() == "forced" for word in words),
    )
