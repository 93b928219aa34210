"""JPEG pictures of shots and faces, from artifacts, or created once from a clip's file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path, inside
from caer_data.engine.hashing import digest
from caer_data.report.pictures import Pictures
from caer_data.view.catalogue import Catalogue, UnknownNameError

_WIDTH: Final = 320
_QUALITY: Final = 80


class Thumbnails:
    """Finds the pictures of a catalogue's clips, shots and tracks."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._pictures = Pictures(catalogue.dataset)

    def shot(self, shot_id: str) -> bytes:
        """Return a shot's picture.

        Raises:
            UnknownNameError: there is no such shot, or no picture of it.
        """
        shot = self._catalogue.row("shots", shot_id)
        return _found(self._pictures.shot(shot["video_id"], shot_id), shot_id)

    def face(self, track_id: str) -> bytes:
        """Return a track's clearest face.

        Raises:
            UnknownNameError: there is no such track, or no picture of it.
        """
        track = self._catalogue.row("tracks", track_id)
        return _found(self._pictures.face(track["video_id"], track_id), track_id)

    def clip(self, clip_id: str) -> bytes:
        """Return a clip's picture: that of its shot or, if missing, its file's middle frame.

        Raises:
            UnknownNameError: there is no such clip, or neither picture nor file.
        """
        clip = self._catalogue.clip(clip_id)
        known = self._pictures.shot(clip["video_id"], clip["shot_id"])
        return _found(known or self._made(clip), clip_id)

    def _made(self, clip: dict[str, Any]) -> bytes | None:
        """Return the middle frame of a clip's file, cached in `work/view/`."""
        if not isinstance(clip["path"], str):
            return None
        dataset = self._catalogue.dataset
        name = digest(str(clip["sha256"]), 32)
        kept = dataset.work_folder / "view" / f"{name}.jpg"
        with suppress(OSError):
            return kept.read_bytes()
        made = _middle_of(inside(dataset.folder, clip["path"]))
        if made is not None:
            with suppress(CaerError), atomic_path(kept) as temporary:  # folder may be read-only
                temporary.write_bytes(made)
        return made


def _middle_of(path: Path) -> bytes | None:
    """Return a JPEG of a file's middle frame, `_WIDTH` wide; None if it cannot be read."""
    import av
    import cv2

    with suppress(OSError, av.FFmpegError, IndexError):
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            stream = container.streams.video[0]
            container.seek((stream.duration or 0) // 2, stream=stream)
            frame = next(container.decode(stream))
        height = max(2, round(_WIDTH * frame.height / frame.width))
        picture = frame.to_ndarray(format="bgr24", width=_WIDTH, height=height)
        done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        return data.tobytes() if done else None
    return None


def _found(picture: bytes | None, name: str) -> bytes:
    if picture is None:
        raise UnknownNameError(f"there is no stored picture of {name}")
    return picture
