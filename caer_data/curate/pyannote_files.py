"""Files with shots and tracks from pyannote.video, which can replace a build's own analysis.

All files are in one folder and named after the videos: for `Show/S01E01.mp4` below the shows
folder, they are `Show/S01E01.shots.json` and `Show/S01E01.track.txt`. Either may be missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from caer_data.curate import pyannote_import
from caer_data.engine.errors import CaerError
from caer_data.engine.files import inside, sha256_of
from caer_data.faces.tracking import Track
from caer_data.media.probe import VideoInfo


@dataclass(frozen=True)
class Imported:
    """The files with a video's shots and tracks, and their hashes."""

    shots: Path | None = None
    tracks: Path | None = None
    shots_sha256: str | None = None
    tracks_sha256: str | None = None

    def read_tracks(self, times: npt.NDArray[np.float64], info: VideoInfo) -> list[Track] | None:
        """Return the imported tracks; None if there are none and faces must be detected.

        Raises:
            CaerError: a line of the file cannot be read, or is outside the video.
        """
        if self.tracks is None:
            return None
        return [*pyannote_import.read_tracks(self.tracks, times, info.width, info.height).values()]


def imported_for(folder: Path, video: str) -> Imported:
    """Return the result files of one video, given by its path below the shows folder."""
    stem = str(PurePosixPath(video).with_suffix(""))
    files = [inside(folder, stem + ending) for ending in (".shots.json", ".track.txt")]
    shots, tracks = (file if file.is_file() else None for file in files)
    hashes = (sha256_of(file) if file else None for file in (shots, tracks))
    return Imported(shots, tracks, *hashes)


def require_some(folder: Path, found: Sequence[Imported]) -> None:
    """Raise a CaerError if the folder does not exist or has no file for any of the videos."""
    if not folder.is_dir():
        raise CaerError(f"{folder}: no such folder; give the folder of pyannote.video's results")
    if not any(item.shots or item.tracks for item in found):
        raise CaerError(
            f"{folder}: contains no results for these videos; for Show/S01E01.mp4 they are named "
            "Show/S01E01.shots.json and Show/S01E01.track.txt"
        )
