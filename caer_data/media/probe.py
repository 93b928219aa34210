"""Reading the properties of untrusted video files.

Only regular files are opened, only with demuxers of single-file video formats, and only with the
`file` protocol. Playlists, session descriptions and concatenation scripts that pretend to be videos
are refused, and files that they refer to are never opened.
"""

from __future__ import annotations

import stat
from collections import Counter
from dataclasses import astuple, dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Final

import av
import av.sidedata.sidedata

from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error
from caer_data.media.fields import Fields
from caer_data.media.geometry import Crop, Turn, clean_aperture, displayed, matroska_crop, turn_of
from caer_data.media.packets import Damage, decoded, readable_packets
from caer_data.media.programmes import Programme, elsewhere, pictures_begin, programmes
from caer_data.media.sound import SoundTrack, choose, sound_tracks

# Demuxers that read only one file, so not hls, dash, concat, sdp, image2 and the like. The mov
# demuxer follows references to other files only if `enable_drefs` is set.
# https://ffmpeg.org/ffmpeg-formats.html#Format-Options
FORMATS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,flv,asf,ogg,mxf,dv,rm"
)
_PATIENT: Final = {"analyzeduration": "90000000", "probesize": "50000000"}
"""How much of a file is examined for the properties of pictures that begin late: microseconds and
bytes. FFmpeg gives up after seven seconds of a broadcast."""
_SKIP: Final = "skip_initial_bytes"
_OPENING: Final = (_SKIP, *_PATIENT)
_PACKETS_TRIED: Final = 1000
"""Maximum number of broken video packets before the first good frame."""

_STILLS: Final = ("mjpeg", "png", "bmp", "gif", "webp", "tiff", "jpeg2000", "jpegls", "jpegxl")
"""Codecs of pictures that may be covers; some are those of films, too."""

_REORDERED: Final = 16
"""Number of packets after which no earlier picture can follow."""

_FULL_RANGE: Final = 2
_FIELD_ORDERS: Final = {1: "progressive", 2: "tt", 3: "bb", 4: "tb", 5: "bt"}
_WIDEST_PIXEL: Final = 8
"""Sample aspect ratios beyond 1:8 and 8:1 are errors in the file, not anamorphic pictures."""


@dataclass(frozen=True)
class VideoInfo:
    """A video file whose first frame could be decoded.

    Attributes:
        width: displayed width (upright, square pixels), px.
        height: displayed height, px.
        stored_width: width of the decoded picture, before turning and stretching.
        stored_height: height of the decoded picture.
        crop: pixels of the decoded picture that are not displayed.
        turn: rotation and mirroring that make the decoded picture upright.
        pixel_aspect: width over height of a stored pixel.
        fps: average frame rate in the file's header; 25 if it has none.
        time_base: seconds of one timestamp unit.
        codec: name of the video codec.
        pixel_format: FFmpeg's name of the stored pixel format.
        primaries: number of its colour primaries (ITU-T H.273); 2 if unspecified.
        transfer: number of its transfer curve.
        matrix: number of its colour matrix.
        full_range: whether its values use the full range instead of the television range.
        field_order: progressive, tt, bb, tb, bt or unknown, by the header.
        audio_index: index, among all streams, of the sound track that clips are cut with (see
            `sound.choose`); None if none can be decoded.
        sounds: all sound tracks.
        duration_s: duration by the header, seconds; None if it has none.
        start_pts: timestamp of the first picture according to the file, or extrapolated from the
            first picture that has one; None if there is none.
        stream_index: index of the video stream among all streams of the file.
        max_pixels: maximum number of pixels of a stored picture.
        opening: options that FFmpeg needs to see all streams of the file, besides the usual ones.
        programmes: programmes of a broadcast, the one with the pictures first.
        films: number of video streams that are not covers.
        fields: how frames are shown that consist of two fields. By default, the flags are
            trusted; `interlacing` measures.
    """

    width: int
    height: int
    stored_width: int
    stored_height: int
    crop: Crop
    turn: Turn
    pixel_aspect: Fraction
    fps: Fraction
    time_base: Fraction
    codec: str
    pixel_format: str
    primaries: int
    transfer: int
    matrix: int
    full_range: bool
    field_order: str
    audio_index: int | None
    sounds: tuple[SoundTrack, ...]
    duration_s: float | None
    start_pts: int | None
    stream_index: int
    max_pixels: int
    opening: tuple[tuple[str, str], ...] = ()
    programmes: tuple[Programme, ...] = ()
    films: int = 1
    fields: Fields = Fields.FLAGGED

    @property
    def has_audio(self) -> bool:
        """Whether there is sound that can be decoded."""
        return self.audio_index is not None

    @property
    def part(self) -> tuple[object, ...]:
        """Which of the file's pictures are shown; empty if all are, as the file alone says it then.

        Keys of results contain it.
        """
        crop = (astuple(self.crop),) if self.crop != Crop() else ()
        return crop + (("stream", self.stream_index) if self.films > 1 else ())


def probe(path: Path, max_megapixels: float = 36.0, audio: str = "default") -> VideoInfo:
    """Return the properties of a video, after decoding a frame of its main video stream.

    Args:
        path: the file.
        max_megapixels: maximum size of a picture; larger ones are refused.
        audio: sound track to choose: `default`, `original` or a language.

    Raises:
        CaerError: the file cannot be read, is not a video, has no picture that can be decoded, or
            its picture is larger than `max_megapixels`.
    """
    max_pixels = int(max_megapixels * 1e6)
    with open_container(path, max_pixels) as container:
        stream, films = _main_stream(container, path, max_pixels)
        context = stream.codec_context
        _check_size(path, context.width, context.height, max_pixels)
        frame, stamped = _first_frame(container, stream, path)
        _check_size(path, frame.width, frame.height, max_pixels)
        aspect = pixel_aspect(stream.sample_aspect_ratio)
        turn, crop = _turn(frame), _crop(path, container, stream, frame)
        width, height = displayed(frame.width, frame.height, crop, aspect, turn.rotation)
        _check_size(path, width, height, max_pixels)
        sounds = sound_tracks(container)
        on_air = _programmes(path, container, stream)
        others = elsewhere(on_air, int(stream.id))
        beside = [t for t in sounds if int(container.streams[t.stream].id) not in others]
        sound = choose(beside, audio)
        return VideoInfo(
            width=width,
            height=height,
            stored_width=frame.width,
            stored_height=frame.height,
            crop=crop,
            turn=turn,
            pixel_aspect=aspect,
            fps=stream.average_rate or stream.guessed_rate or Fraction(25),
            time_base=stream.time_base,
            codec=context.codec.canonical_name,
            pixel_format=frame.format.name,
            primaries=int(frame.color_primaries),
            transfer=int(frame.color_trc),
            matrix=int(frame.colorspace),
            full_range=frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj"),
            field_order=_FIELD_ORDERS.get(int(context.field_order), "unknown"),
            audio_index=None if sound is None else sound.stream,
            sounds=sounds,
            duration_s=_duration(container, stream),
            start_pts=stream.start_time if stamped else _start(path, stream, max_pixels),
            stream_index=stream.index,
            max_pixels=max_pixels,
            opening=tuple((k, container.options[k]) for k in _OPENING if k in container.options),
            programmes=tuple(on_air),
            films=films,
        )


def _programmes(path: Path, container: Any, stream: Any) -> list[Programme]:
    """Return the programmes of a broadcast, the one with the pictures first."""
    if container.format.name != "mpegts":
        return []
    return sorted(programmes(path), key=lambda programme: int(stream.id) not in programme.streams)


def open_container(path: Path, max_pixels: int) -> Any:
    """Open a regular file with FFmpeg in such a way that no other file is ever read.

    If its pictures begin too late for FFmpeg to see their properties, more of it is examined.

    Raises:
        CaerError: it is not a regular file, not readable, or not in a known video format.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    if not stat.S_ISREG(status.st_mode):
        raise CaerError(f"{path}: is not a regular file; give a video file")
    if status.st_size == 0:
        raise CaerError(f"{path}: the file is empty")
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": FORMATS,
        "max_pixels": str(max_pixels),
    }
    container = _opened(path, options)
    if more := _missed(path, container):
        container.close()
        container = _opened(path, options | more)
    return container


def _opened(path: Path, options: dict[str, str]) -> Any:
    try:
        # The explicit protocol keeps a name such as "concat:a|b.mp4" from being read as a URL.
        # Without `metadata_errors`, titles that are not UTF-8 would raise an error.
        return av.open(f"file:{path}", options=options, metadata_errors="replace")
    except PermissionError as error:
        raise CaerError(f"{path}: permission denied") from error
    except (av.FFmpegError, ValueError) as error:
        raise CaerError(
            f"{path}: is not a video that can be opened (damaged, incomplete, or another format)"
        ) from error


def _missed(path: Path, container: Any) -> dict[str, str]:
    """Return the options that make FFmpeg see pictures that it has missed; empty if it has not."""
    films = _films(container)
    known = [s for s in films if s.codec_context is not None]
    if known:
        return {} if any(s.codec_context.width for s in known) else _PATIENT
    if container.format.name != "mpegts" or films:
        return {}
    place = pictures_begin(path)
    return {_SKIP: str(place), **_PATIENT} if place else {}


def start_of(path: Path, info: VideoInfo) -> float:
    """Return the timestamp at which a file begins, s; FFmpeg's command line counts from there.

    Raises:
        CaerError: the file can no longer be opened.
    """
    with open_container(path, info.max_pixels) as container:
        return (container.start_time or 0) / float(av.time_base)


def _films(container: Any) -> list[Any]:
    """Return the video streams that are not marked as cover art."""
    hidden = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    return [s for s in container.streams.video if not s.disposition & hidden]


def _main_stream(container: Any, path: Path, max_pixels: int) -> tuple[Any, int]:
    """Return the stream to read, and how many films there are; never cover art.

    This is the stream marked as default. Of several, or if none is marked, it is the first one that
    is more than half as wide or as high as the largest, as smaller ones are previews; in broadcasts
    the first one. A cover need not be marked as one: a stream of one picture is no film if there is
    another.
    """
    streams = _films(container)
    if not streams:
        kind = "sound but no pictures" if container.streams.audio else "no video stream"
        raise CaerError(f"{path}: has {kind}")
    known = [s for s in streams if s.codec_context is not None]
    if not known:
        raise CaerError(f"{path}: its video codec is unknown, so no frame can be decoded")
    # a broadcast may list pictures of which none were recorded
    known = [s for s in known if s.codec_context.width] or known
    covers = _covers(path, known, max_pixels)
    films = [s for s in known if s.index not in covers] or known
    marked = [s for s in films if s.disposition & av.stream.Disposition.default] or films
    if container.format.name == "mpegts":
        return marked[0], len(films)
    wide, high = (
        max(getattr(s.codec_context, side) for s in marked) for side in ("width", "height")
    )
    full = (
        s for s in marked if 2 * s.codec_context.width > wide or 2 * s.codec_context.height > high
    )
    return next(full, marked[0]), len(films)


def _covers(path: Path, streams: list[Any], max_pixels: int) -> set[int]:
    """Return the indices of those streams of still pictures that have only one."""
    stills = [s.index for s in streams if s.codec_context.codec.canonical_name in _STILLS]
    if not stills or len(streams) == 1:
        return set()
    counts: Counter[int] = Counter()
    with open_container(path, max_pixels) as container:
        packets = readable_packets(container, [container.streams[s.index] for s in streams])
        for packet in islice(packets, _PACKETS_TRIED):
            counts[packet.stream.index] += packet.size > 0
    return {index for index in stills if counts[index] <= 1}


def _first_frame(container: Any, stream: Any, path: Path) -> tuple[Any, bool]:
    """Return the first frame, and whether the first packet has a presentation or decode time."""
    why, stamped = "damaged, or holding none", None
    for packet in islice(readable_packets(container, stream), _PACKETS_TRIED):
        if stamped is None:
            stamped = packet.pts is not None or packet.dts is not None
        if packet.has_sidedata("encryption_info"):
            why = "it is encrypted"
            break
        if frames := decoded(stream.codec_context, packet, Damage()):
            return frames[0], bool(stamped)
    raise CaerError(f"{path}: no frame can be decoded ({why})")


def _start(path: Path, of: Any, max_pixels: int) -> int | None:
    """Return the timestamp of the first picture, extrapolated if the first pictures have none.

    In Matroska, FFmpeg reads no timestamps before zero; such pictures are assumed to be evenly
    spaced.
    """
    with open_container(path, max_pixels) as container:
        stream = container.streams[of.index]
        unstamped, stamps = 0, list[int]()
        for packet in islice(readable_packets(container, stream), _PACKETS_TRIED):
            if not packet.size:
                break
            if packet.pts is not None:
                stamps.append(packet.pts)
            elif packet.dts is None:
                unstamped += 1
            if not unstamped or len(stamps) == _REORDERED:
                break
    start: int | None = of.start_time
    if not unstamped or not stamps:
        return start
    rate = of.average_rate or of.guessed_rate or Fraction(25)
    back: int = round(unstamped / (rate * of.time_base))
    return int(min(stamps)) - back


def _turn(frame: Any) -> Turn:
    matrix = frame.side_data.get(av.sidedata.sidedata.Type.DISPLAYMATRIX)
    return Turn() if matrix is None else turn_of(bytes(matrix))


def _crop(path: Path, container: Any, stream: Any, frame: Any) -> Crop:
    if "matroska" in container.format.name:
        crop = matroska_crop(path, list(container.streams.video).index(stream))
    elif "mp4" in container.format.name:
        crop = clean_aperture(path, int(stream.id), frame.width, frame.height)
    else:
        return Crop()
    return crop if crop.fits(frame.width, frame.height) else Crop()


def _check_size(path: Path, width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise CaerError(
            f"{path}: a picture of {width}x{height} is larger than the recipe's "
            f"videos.max_megapixels of {max_pixels / 1e6:g}"
        )


def pixel_aspect(stored: Fraction | None) -> Fraction:
    """Return a pixel's width over its height; 1 if the file's value is missing or implausible."""
    if not stored or not Fraction(1, _WIDEST_PIXEL) <= stored <= _WIDEST_PIXEL:
        return Fraction(1)
    return Fraction(stored.numerator, stored.denominator)


def _duration(container: Any, stream: Any) -> float | None:
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / av.time_base
