"""Prepare media for raters' browsers: a playable clip, and a picture marking the person to judge.

Browsers play mp4 files with H.264 video (8-bit, 4:2:0) and AAC audio. With HEVC, Chromium plays the
sound without a picture and reports no error (label-studio issue 3647), so clips are checked here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import pandas as pd

from caer_data.curate.target_boxes import boxes_of_targets
from caer_data.engine.cores import cores
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path, inside
from caer_data.engine.progress import Reporter
from caer_data.media import decode
from caer_data.media.probe import FORMATS, open_container, probe

_POSTER_WIDTH = 480
_PIXEL_FORMATS = ("yuv420p", "yuvj420p")
_SOUND = ("aac", "mp3")


@dataclass(frozen=True)
class Shown:
    """Files shown for one clip.

    Attributes:
        clip_key: key of the clip.
        clip_id: its name, for messages.
        video: file that a browser can play.
        poster: picture of one frame with a box around the target person.
        fps: frame rate of the clip.
        problem: why a browser cannot play the clip; it then has no files.
    """

    clip_key: str
    clip_id: str
    video: Path
    poster: Path
    fps: float
    problem: str = ""


@dataclass(frozen=True)
class Presented:
    """One showing of a clip to one rater, as the server sees it.

    Attributes:
        name: the presentation, which reveals nothing about clip, show or file.
        shown: the files for the rater's browser.
    """

    name: str
    shown: Shown


def file_name(clip: Any) -> str:
    """Return the stem of a clip's files in `work/annotate`, which changes if the clip is recut."""
    return f"{clip.clip_key}-{clip.sha256[:10]}"


def prepare(dataset: Dataset, clips: pd.DataFrame, reporter: Reporter) -> list[Shown]:
    """Return the files to show for every clip; transcode clips and draw posters if needed.

    Args:
        dataset: its folder `work/annotate` stores posters and transcoded clips.
        clips: rows of `tables.CLIPS` that have a file.
        reporter: shows progress.

    Raises:
        CaerError: a clip's file is missing, or the disk is full.
    """
    folder = dataset.work_folder / "annotate"
    rows: list[Any] = list(clips.itertuples())
    missing = [c.path for c in rows if not inside(dataset.folder, c.path).is_file()]
    if missing:
        raise CaerError(
            f"{dataset.folder}: {len(missing)} clip file{'s are' if missing[1:] else ' is'} "
            f"missing, the first is {missing[0]}; run 'caer-data build' again"
        )
    todo = [c for c in rows if not (folder / f"{file_name(c)}.jpg").is_file()]
    problems: dict[str, str] = {}
    if todo:
        boxes = _Boxes(dataset, pd.DataFrame(todo))
        workers = max(1, cores() - 1)
        with (
            reporter.stage("check", total=len(todo), unit="clips") as bar,
            ThreadPoolExecutor(workers) as pool,
        ):
            for clip_id, problem in pool.map(lambda c: _make(dataset, c, boxes, folder), todo):
                problems[clip_id] = problem
                bar.advance()
    return list(_shown(dataset, rows, folder, problems))


def _shown(
    dataset: Dataset, clips: Sequence[Any], folder: Path, problems: dict[str, str]
) -> Iterator[Shown]:
    for clip in clips:
        stem = file_name(clip)
        transcoded = folder / f"{stem}.mp4"
        video = transcoded if transcoded.is_file() else inside(dataset.folder, clip.path)
        fps = float(Fraction(clip.fps))
        problem = problems.get(clip.clip_id, "")
        poster = folder / f"{stem}.jpg"
        yield Shown(clip.clip_key, clip.clip_id, video, poster, fps, problem)


def _make(dataset: Dataset, clip: Any, boxes: _Boxes, folder: Path) -> tuple[str, str]:
    """Write one clip's files, the poster last, because it marks the clip as checked."""
    source = inside(dataset.folder, clip.path)
    stem = file_name(clip)
    try:
        problem, fixable = examine(source)
        if problem and not fixable:
            return clip.clip_id, problem
        if problem:
            transcode(source, folder / f"{stem}.mp4")
        _draw_poster(source, clip, boxes, folder / f"{stem}.jpg")
    except CaerError as error:
        return clip.clip_id, str(error)
    return clip.clip_id, ""


def examine(path: Path) -> tuple[str, bool]:
    """Return why browsers cannot play a file with picture and sound, and whether transcoding helps.

    The reason is empty if the browser can play it.

    Raises:
        CaerError: the file is not a video.
    """
    info = probe(path)
    if not info.has_audio:
        return "it has no sound track", False
    with open_container(path, info.max_pixels) as container:
        sound = container.streams.audio[0].codec_context.name
        formats = container.format.name.split(",")
    if info.codec != "h264":
        return f"its video codec is {info.codec}", True
    if info.pixel_format not in _PIXEL_FORMATS:
        return f"its pixel format is {info.pixel_format}", True
    if sound not in _SOUND:
        return f"its audio codec is {sound}", True
    if "mp4" not in formats or path.suffix.lower() != ".mp4":
        return f"its container is {formats[0]}", True
    return "", True


def transcode(source: Path, target: Path, timeout_s: float = 600) -> None:
    """Write a version of a clip that browsers can play, with all its frames.

    Raises:
        CaerError: ffmpeg fails; the message gives its reason.
    """
    with atomic_path(target) as temporary:
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error",
            "-protocol_whitelist", "file", "-format_whitelist", FORMATS, "-i", f"file:{source}",
            "-map", "0:v:0", "-map", "0:a:0",
            "-vf", "scale=trunc(iw/2)*2:trunc(ih/2)*2", "-fps_mode", "passthrough",
            "-c:v", "libx264", "-profile:v", "high", "-pix_fmt", "yuv420p", "-preset", "veryfast",
            "-crf", "20", "-c:a", "aac", "-movflags", "+faststart", "-f", "mp4",
            f"file:{temporary}",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                timeout=timeout_s,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as error:
            raise CaerError(f"{source}: transcoding took more than {timeout_s:.0f} s") from error
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise CaerError(f"{source}: cannot be transcoded ({said[-1] if said else 'ffmpeg'})")


class _Boxes:
    """Boxes of the target in each clip, scaled to the height of the clip."""

    def __init__(self, dataset: Dataset, clips: pd.DataFrame) -> None:
        faces = boxes_of_targets(clips, dataset.tracks, dataset.faces)
        self._faces = dict(iter(faces.groupby("clip_id", sort=False, observed=True)))
        self._heights = dict(zip(*(dataset.videos[c] for c in ("video_id", "height")), strict=True))

    def best(self, clip: Any) -> tuple[float, list[float]] | None:
        """Return the time (seconds in the clip) and the box at which the target is seen best."""
        faces = self._faces.get(clip.clip_id)
        if faces is None:
            return None
        detected = faces[~faces["interpolated"].astype(bool)]
        seen = detected if len(detected) else faces
        height = (seen["y2"] - seen["y1"]) * (1 + 0.001 * seen["score"].fillna(0))
        face = seen.iloc[int(height.argmax())]
        scale = clip.height / float(self._heights[clip.video_id])
        box = [float(face[edge]) * scale for edge in ("x1", "y1", "x2", "y2")]
        return float(face["time_s"]) - clip.start_s, box


def _draw_poster(source: Path, clip: Any, boxes: _Boxes, target: Path) -> None:
    found = boxes.best(clip)
    if found is None:
        raise CaerError(f"the clip has no face box of its target {clip.person_id}")
    time_s, box = found
    info = probe(source)
    index = min(max(0, round(time_s * float(Fraction(clip.fps)))), clip.frames - 1)
    picture = decode.read_frames(source, info, [index])[index]
    scale = min(1.0, _POSTER_WIDTH / picture.shape[1])
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    x1, y1, x2, y2 = (round(edge * scale) for edge in box)
    for colour, thickness in (((0, 0, 0), 5), ((0, 220, 255), 2)):
        cv2.rectangle(picture, (x1, y1), (x2, y2), colour, thickness, cv2.LINE_AA)
    good, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not good:
        raise CaerError(f"{source}: frame {index} cannot be written as a picture")
    with atomic_path(target) as temporary:
        temporary.write_bytes(coded.tobytes())
