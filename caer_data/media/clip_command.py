"""The ffmpeg command that cuts clips: exactly their frames, with sound, playable in any browser.

It is composed with ffmpeg-python. The file's timestamps are kept (`-copyts`), so that the trim
filters can use the same timestamps as the decode pass. Seeking only saves decoding earlier frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import ffmpeg
import imageio_ffmpeg

from caer_data.media import glimpse
from caer_data.media.frame_rate import Span
from caer_data.media.picture_filters import scaled, scaled_bgr, upright
from caer_data.media.probe import FORMATS, VideoInfo

# In containers without an index, a seek can end up to a few seconds past its target. In others, a
# seek to the start of a shot usually hits it, because encoders put a key frame at a cut.
_UNINDEXED = (".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".vob")
_SEEK_MARGIN_S = 3.0
_INTO_FRAME = Fraction(1, 4)
# x264's quickest presets do not use the macroblock tree, which takes almost no time and makes most
# files considerably smaller (performance/presets.py). The lookahead is in frames.
_WITHOUT_TREE = ("ultrafast", "superfast")
_TREE = "mbtree=1:rc-lookahead=10"
_RATE = 48_000  # sample rate of the sound, 1/s
_SOUND_ALONE = "nut"  # keeps the times of the sound
_TICK = 90_000  # time base of clips whose frames keep their timestamps, 1/s


class Encoding(Protocol):
    """How clips are encoded; the section `clips` of a recipe is an encoding.

    Attributes:
        max_height: maximum height of a clip, pixels; larger videos are scaled down.
        crf: x264's constant rate factor, 0 to 51.
        preset: x264's preset.
        audio_kbps: bit rate of the AAC sound, kbit/s.
    """

    @property
    def max_height(self) -> int: ...  # noqa: D102

    @property
    def crf(self) -> int: ...  # noqa: D102

    @property
    def preset(self) -> str: ...  # noqa: D102

    @property
    def audio_kbps(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class Source:
    """The video that clips are cut from, as the decode pass found it.

    Attributes:
        path: the file.
        info: its properties.
        first_pts: timestamp of its first frame, in the time base.
        fps: usual frame rate.
        handed_over: whether decoded frames must be piped to FFmpeg, since it cannot cut them by
            timestamp: some frames were retimed (see `retime`), or the pictures change shape.
        interlaced: whether some of its frames are flagged as two fields.
    """

    path: Path
    info: VideoInfo
    first_pts: int
    fps: Fraction
    handed_over: bool = False
    interlaced: bool = False


def clip_size(width: int, height: int, max_height: int) -> tuple[int, int]:
    """Return a clip's width and height, scaled down to `max_height` and even, as H.264 requires."""
    scale = min(1.0, max_height / height)
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))


def by_time(
    source: Source, clips: Sequence[tuple[Span, Path, Path]], settings: Encoding
) -> list[str]:
    """Return the ffmpeg arguments that cut clips by timestamp, in one decode.

    Args:
        source: the video.
        clips: the frames of each clip, the mp4 file to write, and the file to write glimpses of its
            first and last frame to (see `glimpse`), in the order of the video.
        settings: the recipe's section on clips.
    """
    info = source.info
    entry = ffmpeg.input("", **_opening(source, clips[0][0]))
    size = clip_size(info.width, info.height, settings.max_height)
    shown = upright(entry[str(info.stream_index)], info, source.interlaced)
    pictures = _copies(shown, "split", len(clips))
    sounds = _copies(entry[str(info.audio_index)], "asplit", len(clips)) if info.has_audio else []
    outputs = []
    for number, (span, _, _) in enumerate(clips):
        start, end = _seconds(source, span)
        streams = [_picture(pictures[number].filter("trim", start=start, end=end), span)]
        shown, seen = _copies(scaled(streams[0], info, *size), "split", 2)
        streams[0] = shown
        if sounds:
            streams.append(_sound(sounds[number], span, start, end))
        outputs.append(_output(streams, source, span, settings))
        outputs.append(_glimpses(seen, span))
    targets = [path for _, target, seen in clips for path in (target, seen)]
    return _compiled(ffmpeg.merge_outputs(*outputs), [source.path], targets, "-nostdin", "-copyts")


def by_frames(
    source: Source, span: Span, sound: Path | None, target: Path, settings: Encoding
) -> list[str]:
    """Return the ffmpeg arguments that make a clip of pictures from standard input.

    The pictures are displayed frames in BGR: raw if they are evenly spaced, otherwise in NUT, which
    keeps their timestamps.

    Args:
        source: the video.
        span: the clip's frames.
        sound: file written by `sound_alone`; None if the clip is silent.
        target: the mp4 file to write.
        settings: the recipe's section on clips.
    """
    info = source.info
    bare = {
        "pix_fmt": "bgr24",
        "s": f"{info.width}x{info.height}",
        "framerate": str(span.rate),
    }
    form: dict[str, Any] = {"format": "rawvideo", **bare} if span.even else {"format": "nut"}
    pipe = ffmpeg.input("pipe:0", protocol_whitelist="pipe", **form)
    size = clip_size(info.width, info.height, settings.max_height)
    # these pictures are already timed from the clip's start
    pictures = pipe["v:0"] if span.even else pipe["v:0"].filter("settb", f"1/{_TICK}")
    streams = [scaled_bgr(pictures, *size)]
    paths: list[Path] = []
    if sound is not None:
        entry = ffmpeg.input("", protocol_whitelist="file", format=_SOUND_ALONE)
        streams.append(_as_long(entry["a:0"], span))
        paths.append(sound)
    elif info.has_audio:
        silence = ffmpeg.input(f"anullsrc=r={_RATE}:cl=stereo", format="lavfi")
        streams.append(_as_long(silence["a:0"], span))
    made = _output(streams, source, span, settings)
    return _compiled(made, paths, [target], "-copyts")


def sound_alone(source: Source, span: Span, target: Path, origin_s: float) -> list[str]:
    """Return the ffmpeg arguments that write only the sound of a clip, from the clip's start.

    The sound is decoded from the start of the file, where ffmpeg repairs timestamps that restart.
    If the layout of the sound changes, ffmpeg restarts its filter graph, so that only filters
    without a state are used here.

    Args:
        source: the video, which has sound.
        span: the clip's frames.
        target: the file to write.
        origin_s: timestamp of the start of the file, s.
    """
    opening = dict(source.info.opening)
    entry = ffmpeg.input("", protocol_whitelist="file", format_whitelist=FORMATS, **opening)
    start, end = (f"{float(time) - origin_s:.6f}" for time in _seconds(source, span))
    stream = (
        entry[str(source.info.audio_index)]
        .filter("atrim", start=start, end=end)
        .filter("asetpts", f"PTS-({start}/TB)")
        .filter("aresample", _RATE)
        .filter("aformat", sample_fmts="flt", channel_layouts="stereo")
    )
    made = ffmpeg.output(stream, "", format=_SOUND_ALONE, acodec="pcm_f32le", fflags="+bitexact")
    return _compiled(made, [source.path], [target], "-nostdin")


def x264_params(preset: str) -> str:
    """Return the options of x264 besides its preset.

    One thread is used, because the bytes of a clip must not depend on the number of cores. Scene
    cut detection is off, since a clip is one shot; files are about 5 % smaller.
    """
    params = "threads=1:lookahead-threads=1:scenecut=0"
    return f"{params}:{_TREE}" if preset in _WITHOUT_TREE else params


def _compiled(output: Any, inputs: list[Path], targets: list[Path], *more: str) -> list[str]:
    """Return the arguments; file names are inserted last, since they may not be valid text."""
    arguments: list[str] = ffmpeg.compile(
        output.global_args("-v", "error", "-y", *more), cmd=imageio_ffmpeg.get_ffmpeg_exe()
    )
    names = iter([f"file:{path}" for path in [*inputs, *targets]])
    return [argument if argument else next(names) for argument in arguments]


def _opening(source: Source, first: Span) -> dict[str, Any]:
    """Return the options of the input: allowed protocols and formats, and where to seek."""
    info = source.info
    # One thread: clips are cut in parallel, and what is recovered from damage depends on it.
    options: dict[str, Any] = {
        "protocol_whitelist": "file",
        "format_whitelist": FORMATS,
        "threads": 1,
        "noautorotate": None,
        "apply_cropping": "codec",
        **dict(info.opening),
    }
    start = float(first.start_pts * info.time_base)
    margin = _SEEK_MARGIN_S if source.path.suffix.lower() in _UNINDEXED else 0.0
    if start - margin > float(source.first_pts * info.time_base):
        options |= {
            "seek_timestamp": 1,
            "noaccurate_seek": None,  # the trim filters are exact
            # slightly after the first frame, as rounding could otherwise miss its key frame
            "ss": f"{start + float(_INTO_FRAME / source.fps) - margin:.6f}",
        }
    return options


def _copies(stream: Any, split: str, count: int) -> list[Any]:
    """Return one copy of the stream per clip."""
    if count == 1:
        return [stream]
    node = stream.filter_multi_output(split, count)
    return [node[number] for number in range(count)]


def _picture(stream: Any, span: Span) -> Any:
    """Return the stream of a clip's frames, at the clip's rate or with their own times."""
    if span.even:
        return stream.filter("setpts", f"N/({span.rate})/TB")
    return stream.filter("setpts", "PTS-STARTPTS").filter("settb", f"1/{_TICK}")


def _sound(stream: Any, span: Span, start: str, end: str) -> Any:
    """Return the sound of a clip."""
    cut = stream.filter("atrim", start=start, end=end).filter("asetpts", f"PTS-({start}/TB)")
    return _as_long(cut, span)


def _as_long(stream: Any, span: Span) -> Any:
    """Return sound exactly as long as the pictures of a clip, padded with silence."""
    length = f"{float(span.seconds):.6f}"
    return (
        stream.filter("aresample", _RATE, **{"async": 1, "first_pts": 0})
        .filter("apad", whole_dur=length)
        .filter("atrim", end=length)
    )


def _output(streams: list[Any], source: Source, span: Span, settings: Encoding) -> Any:
    """Return the output of one clip."""
    codec: dict[str, Any] = {
        "vcodec": "libx264",
        "profile:v": "high",
        "preset": settings.preset,
        "crf": settings.crf,
        "threads": 1,
        "x264-params": x264_params(settings.preset),
    }
    if span.even:
        codec["r"] = str(span.rate)
    else:
        codec |= {
            "fps_mode:v": "passthrough",
            "enc_time_base:v": f"1/{_TICK}",
            "video_track_timescale": _TICK,
        }
    if source.info.has_audio:
        codec |= {"acodec": "aac", "ac": 2, "audio_bitrate": f"{settings.audio_kbps}k"}
    return ffmpeg.output(
        *streams,
        "",
        format="mp4",
        movflags="+faststart",
        map_metadata=-1,
        map_chapters=-1,
        fflags="+bitexact",
        **{"flags:v": "+bitexact", "flags:a": "+bitexact"},
        **codec,
    )


def _glimpses(pictures: Any, span: Span) -> Any:
    """Return the output of the tiny pictures of a clip's first and last frame."""
    raw = {"format": "rawvideo", "vcodec": "rawvideo", "fps_mode": "passthrough"}
    return ffmpeg.output(glimpse.filtered(pictures, span.frames), "", **raw)


def _seconds(source: Source, span: Span) -> tuple[str, str]:
    """Return the start and end of a span as texts, in whole microseconds.

    Filters have no finer time unit. Both are rounded down, so that no frame at a border is lost or
    added.
    """
    start, end = (
        f"{math.floor(pts * source.info.time_base * 1_000_000) / 1_000_000:.6f}"
        for pts in (span.start_pts, span.end_pts)
    )
    return start, end
