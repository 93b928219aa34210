"""Cut a clip out of a video: exactly its frames, with sound, as mp4 that every browser plays.

ffmpeg (the program that imageio-ffmpeg ships) is driven through ffmpeg-python. Timestamps are kept
as they are in the file (`-copyts`), so that the trim filters can be given the very timestamps
that decoding saw; a seek only saves decoding what lies before.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import ffmpeg
import imageio_ffmpeg

from caer_data.errors import CaerError
from caer_data.files import atomic_path
from caer_data.media.probe import FORMATS, VideoInfo
from caer_data.recipe import Clips

# Containers without an index seek past their target by up to a few seconds. In the others a seek to
# the very start of a shot mostly lands on it, because encoders put a key frame at a cut.
_UNINDEXED = (".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".vob")
_SEEK_MARGIN_S = 3.0
_INTO_FRAME = Fraction(1, 4)
# x264's quickest presets leave out the macroblock tree, which costs next to no time and makes the
# files of most footage a good deal smaller (benchmarks/presets.py). Its lookahead is in frames.
_WITHOUT_TREE = ("ultrafast", "superfast")
_TREE = "mbtree=1:rc-lookahead=10"
_STANDARD_RATES = tuple(
    Fraction(n, d)
    for n, d in (
        (24000, 1001),
        (24, 1),
        (25, 1),
        (30000, 1001),
        (30, 1),
        (50, 1),
        (60000, 1001),
        (60, 1),
    )
)


@dataclass(frozen=True)
class Source:
    """The video a clip is cut from, as the decode pass saw it.

    Attributes:
        path: the file.
        info: what it is.
        first_pts: timestamp of its first frame, in the time base.
        fps: average frame rate.
        variable_rate: its frames last differently long.
    """

    path: Path
    info: VideoInfo
    first_pts: int
    fps: Fraction
    variable_rate: bool


@dataclass(frozen=True)
class Span:
    """Frames to cut: numbers and timestamps of the first frame and one past the last."""

    start_frame: int
    end_frame: int
    start_pts: int
    end_pts: int

    @property
    def frames(self) -> int:
        """Number of source frames."""
        return self.end_frame - self.start_frame


@dataclass(frozen=True)
class Media:
    """What a cut file holds."""

    width: int
    height: int
    fps: Fraction
    frames: int
    has_audio: bool


def clip_size(width: int, height: int, max_height: int) -> tuple[int, int]:
    """Size of a clip: at most `max_height` high, never enlarged, even sides as H.264 needs."""
    scale = min(1.0, max_height / height)
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))


def clip_rate(source: Source) -> Fraction:
    """Constant frame rate of the source's clips.

    A constant source keeps its rate; of a variable one the next standard rate is taken, so that
    no frame is lost in its faster parts.
    """
    if not source.variable_rate:
        return source.fps
    slack = Fraction(98, 100)
    return next((r for r in _STANDARD_RATES if r >= source.fps * slack), source.fps)


def clip_frames(source: Source, span: Span) -> int:
    """Number of frames a clip of this span has."""
    if not source.variable_rate:
        return span.frames
    seconds = (span.end_pts - span.start_pts) * source.info.time_base
    return max(1, round(seconds * clip_rate(source)))


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
            problem = _run(_command(source, span, temporary, settings, seek), timeout_s)
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


def _command(source: Source, span: Span, target: Path, settings: Clips, seek: bool) -> list[str]:
    """Arguments of ffmpeg for one clip; by timestamp after a seek, or by counting frames."""
    info = source.info
    start, end = (float(pts * info.time_base) for pts in (span.start_pts, span.end_pts))
    options: dict[str, object] = {
        "protocol_whitelist": "file",
        "format_whitelist": FORMATS,
        "copyts": None,
    }
    margin = _SEEK_MARGIN_S if source.path.suffix.lower() in _UNINDEXED else 0.0
    if seek and start - margin > float(source.first_pts * info.time_base):
        options |= {
            "seek_timestamp": 1,
            "noaccurate_seek": None,  # the trim filters below are exact
            # a little after the first frame, which rounding would else put before its key frame
            "ss": f"{start + float(_INTO_FRAME / source.fps) - margin:.6f}",
        }
    entry = ffmpeg.input(f"file:{source.path}", **options)
    rate = clip_rate(source)
    picture = entry[str(info.stream_index)]
    if seek:
        picture = picture.filter("trim", start=f"{start:.6f}", end=f"{end:.6f}")
    else:
        picture = picture.filter("trim", start_frame=span.start_frame, end_frame=span.end_frame)
    if source.variable_rate:
        # The last frame lasts until the end of the span, so it is repeated before counting off.
        picture = (
            picture.filter("setpts", "PTS-STARTPTS")
            .filter("fps", fps=str(rate), start_time=0)
            .filter("tpad", stop=-1, stop_mode="clone")
            .filter("trim", end_frame=clip_frames(source, span))
        )
    else:
        picture = picture.filter("setpts", f"N/({rate})/TB")
    width, height = clip_size(info.width, info.height, settings.max_height)
    picture = picture.filter("scale", width, height, flags="bicubic").filter("setsar", 1)
    streams = [picture.filter("format", "yuv420p")]
    codec: dict[str, object] = {
        "vcodec": "libx264",
        "profile:v": "high",
        "preset": settings.preset,
        "crf": settings.crf,
        "r": str(rate),
        "threads": 1,
        "x264-params": x264_params(settings.preset),
    }
    if info.has_audio:
        seconds = float(clip_frames(source, span) / rate)
        streams.append(
            entry["a:0"]
            .filter("atrim", start=f"{start:.6f}", end=f"{end:.6f}")
            .filter("asetpts", f"PTS-({start:.6f}/TB)")
            .filter("aresample", 48000, **{"async": 1, "first_pts": 0})
            .filter("apad", whole_dur=f"{seconds:.6f}")
            .filter("atrim", end=f"{seconds:.6f}")
        )
        codec |= {"acodec": "aac", "ac": 2, "audio_bitrate": f"{settings.audio_kbps}k"}
    output = ffmpeg.output(
        *streams,
        f"file:{target}",
        format="mp4",
        movflags="+faststart",
        map_metadata=-1,
        map_chapters=-1,
        fflags="+bitexact",
        **{"flags:v": "+bitexact", "flags:a": "+bitexact"},
        **codec,
    )
    command: list[str] = ffmpeg.compile(
        output.global_args("-nostdin", "-v", "error", "-y"), cmd=imageio_ffmpeg.get_ffmpeg_exe()
    )
    return command


def x264_params(preset: str) -> str:
    """What is asked of x264 beside its preset.

    Clips are cut side by side, and their bytes must not depend on the number of cores: one thread.
    """
    threads = "threads=1:lookahead-threads=1"
    return f"{threads}:{_TREE}" if preset in _WITHOUT_TREE else threads


def _run(command: list[str], timeout_s: float) -> str:
    """Run ffmpeg; return what went wrong, or nothing."""
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return f"ffmpeg did not finish within {timeout_s:.0f} s"
    if done.returncode == 0:
        return ""
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"ffmpeg ended with code {done.returncode}"
