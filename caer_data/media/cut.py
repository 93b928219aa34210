"""Cut clips out of a video and check that they hold exactly the frames asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av

from caer_data.errors import CaerError
from caer_data.files import atomic_path
from caer_data.media.clip_command import Source, Span, clip_frames, command
from caer_data.recipe import Clips


@dataclass(frozen=True)
class Media:
    """What a cut file holds."""

    width: int
    height: int
    fps: Fraction
    frames: int
    has_audio: bool


def cut_clips(
    source: Source, clips: Mapping[Path, Span], settings: Clips, timeout_s: float = 600
) -> dict[Path, Media | CaerError]:
    """Cut neighbouring clips in one decode; those that come out wrong are cut by themselves.

    Args:
        source: the video.
        clips: the frames of each clip by the mp4 file to write, in the order of the video; all
            files in one folder. A file appears only when it is whole and right.
        settings: the recipe's section on clips.
        timeout_s: seconds for each clip, after which ffmpeg is stopped.

    Returns:
        What each file holds, or why it could not be cut.
    """
    results: dict[Path, Media | CaerError] = {}
    if len(clips) > 1:
        results.update(_cut_together(source, clips, settings, timeout_s * len(clips)))
    for target, span in clips.items():
        if target not in results:
            try:
                results[target] = cut_clip(source, span, target, settings, timeout_s)
            except CaerError as error:
                results[target] = error
    return results


def cut_clip(
    source: Source, span: Span, target: Path, settings: Clips, timeout_s: float = 600
) -> Media:
    """Cut one clip and check that it holds exactly the frames asked for.

    Args:
        source: the video.
        span: the frames, by timestamp.
        target: the mp4 file to write; appears only when it is whole and right.
        settings: the recipe's section on clips.
        timeout_s: seconds after which ffmpeg is stopped.

    Raises:
        CaerError: ffmpeg failed, or the file does not hold the frames asked for.
    """
    wanted = clip_frames(source, span)
    problem = ""
    with atomic_path(target) as temporary:
        # Containers may seek badly (MPEG-TS) or restart their timestamps: then frames are counted
        # from the start of the file.
        for seek in (True, False):
            problem = _run(command(source, [(span, temporary)], settings, seek), timeout_s)
            if problem:
                continue
            media = examine(temporary)
            if media.frames == wanted:
                return media
            problem = f"it holds {media.frames} frames instead of {wanted}"
        raise CaerError(f"{source.path.name}: a clip could not be cut: {problem}")


def examine(path: Path) -> Media:
    """Read size, rate, number of frames and sound of a cut file without decoding it."""
    with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
        video = container.streams.video[0]
        frames = sum(1 for packet in container.demux(video) if packet.size)
        return Media(
            width=video.codec_context.width,
            height=video.codec_context.height,
            fps=Fraction(video.average_rate or 0),
            frames=frames,
            has_audio=bool(container.streams.audio),
        )


def _cut_together(
    source: Source, clips: Mapping[Path, Span], settings: Clips, timeout_s: float
) -> dict[Path, Media]:
    """Cut clips with one command; those that came out right."""
    folder = next(iter(clips)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".clips.", suffix=".part", dir=folder) as name:
            made = {target: Path(name) / f"{n}.mp4" for n, target in enumerate(clips)}
            pairs = [(span, made[target]) for target, span in clips.items()]
            if _run(command(source, pairs, settings), timeout_s):
                return {}
            right = {}
            for target, span in clips.items():
                media = examine(made[target])
                if media.frames == clip_frames(source, span):
                    made[target].replace(target)
                    right[target] = media
            return right
    except (OSError, av.FFmpegError):
        return {}  # cutting them one by one says what is wrong


def _run(arguments: list[str], timeout_s: float) -> str:
    """Run ffmpeg; return what went wrong, or nothing."""
    try:
        done = subprocess.run(
            arguments, capture_output=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return f"ffmpeg did not finish within {timeout_s:.0f} s"
    if done.returncode == 0:
        return ""
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"ffmpeg ended with code {done.returncode}"
