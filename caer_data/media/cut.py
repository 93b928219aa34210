"""Cutting clips out of a video, and checking that they contain exactly the requested frames."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error, sha256_of, temporary_name
from caer_data.media.clip_command import (
    Encoding,
    Source,
    by_frames,
    by_time,
    sound_alone,
)
from caer_data.media.frame_rate import Span
from caer_data.media.glimpse import Ends, comparable
from caer_data.media.handover import Feed
from caer_data.media.probe import start_of

TIMEOUT_S = 540
"""Seconds after which ffmpeg is stopped; must be less than a worker's `stall_s`."""

_START_CODE, _PACK = b"\0\0\1", b"\xba"  # of MPEG video; what begins with a pack is a container
_AAC_SAMPLES = 1024  # samples in a packet
_LONGER_S = 0.1  # by which sound may outlast the pictures: the last packet is filled


_KILLED = {-signal.SIGKILL, -signal.SIGTERM} if hasattr(signal, "SIGKILL") else set()
_TOLD_TO_END = 255  # ffmpeg's exit code after SIGTERM or SIGINT; it then says nothing


class FfmpegKilledError(CaerError):
    """ffmpeg was killed from outside, which says nothing about the video."""


@dataclass(frozen=True)
class Media:
    """Properties of a cut file; `sound_s` is the length of its sound, s."""

    width: int
    height: int
    fps: Fraction
    frames: int
    has_audio: bool
    sound_s: float
    bytes: int
    sha256: str


def cut_clips(
    source: Source,
    clips: Mapping[Path, Span],
    settings: Encoding,
    on_try: Callable[[], None] = lambda: None,
    feed: Feed | None = None,
    ends: Mapping[Path, Ends] | None = None,
    check: Callable[[], None] = lambda: None,
) -> dict[Path, Media | CaerError]:
    """Cut neighbouring clips in one decode and check that they contain the requested frames.

    The number of frames is checked, and the first and last picture if `ends` are given. Clips with
    errors are cut again individually. If timestamps do not lead to the right frames
    (containers that seek inaccurately, bare video without a container, sound that changes its
    layout, retimed frames), the frames are decoded from the start and piped to ffmpeg.

    Args:
        source: the video.
        clips: the frames of each clip by the mp4 file to write, in the order of the video; all
            files are in one folder. A file appears only when it is complete and correct.
        settings: the recipe's section on clips.
        on_try: called as a sign of life, at least every `TIMEOUT_S`.
        feed: pipes the frames to ffmpeg; sharing one among calls avoids repeated decoding.
        ends: what the first and last picture of each clip look like according to the decode pass.
            Frames that are piped have been counted, and are not compared, and neither are those of
            interlaced video whose lower field comes first.
        check: called before each file appears, and raises a CaerError if it must not.

    Returns:
        Properties of each file, or the error that prevented cutting it.

    Raises:
        FfmpegKilledError: ffmpeg was killed. Other ways of cutting are not tried then, as they may
            give other bytes.
        CaerError: what `check` raised. Neither is raised after a file has appeared; it is then the
            error of the others.
    """
    if not comparable(source.info, source.interlaced):
        ends = None
    results: dict[Path, Media | CaerError] = {}
    groups = [] if source.handed_over or _is_bare(source.path) else [dict(clips)]
    if groups and len(clips) > 1:
        groups += [{target: span} for target, span in clips.items()]

    def left() -> dict[Path, Span]:
        return {t: span for t, span in clips.items() if not isinstance(results.get(t), Media)}

    try:
        for group in groups:
            if not left().keys().isdisjoint(group):
                on_try()
                results.update(_cut_by_time(source, group, settings, ends or {}, check))
        if left():
            feed = feed or Feed(source, on_try)
            results.update(_cut_by_frames(source, left(), settings, feed, check))
    except CaerError as error:
        if left().keys() == clips.keys():
            raise
        results |= dict.fromkeys(left(), error)
    return {target: results[target] for target in clips}


def _is_bare(path: Path) -> bool:
    """Whether a file is MPEG video without a container, in which ffmpeg's times depend on the seek.

    Raises:
        CaerError: it can no longer be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_START_CODE) + 1)
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    return head.startswith(_START_CODE) and not head.endswith(_PACK)


def cut_clip(source: Source, span: Span, target: Path, settings: Encoding) -> Media:
    """Cut one clip as `cut_clips` does and return its properties.

    Raises:
        CaerError: it could not be cut.
    """
    result = cut_clips(source, {target: span}, settings)[target]
    if isinstance(result, CaerError):
        raise result
    return result


def examine(path: Path) -> Media:
    """Return the properties of a cut file, without decoding it."""
    size, sha256 = path.stat().st_size, sha256_of(path)
    with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
        if not container.streams.video:
            return Media(0, 0, Fraction(0), 0, bool(container.streams.audio), 0.0, size, sha256)
        video, sounds = container.streams.video[0], container.streams.audio
        frames = packets = 0
        for packet in container.demux([video, *sounds[:1]]):
            if packet.stream is video:
                frames += packet.size > 0
            else:
                packets += packet.size > 0
        return Media(
            width=video.codec_context.width,
            height=video.codec_context.height,
            fps=Fraction(video.average_rate or 0),
            frames=frames,
            has_audio=bool(sounds),
            # by what was coded, not by durations, which are cut where packets overlap
            sound_s=packets * _AAC_SAMPLES / sounds[0].sample_rate if sounds else 0.0,
            bytes=size,
            sha256=sha256,
        )


def _cut_by_time(
    source: Source,
    clips: Mapping[Path, Span],
    settings: Encoding,
    ends: Mapping[Path, Ends],
    check: Callable[[], None],
) -> Iterator[tuple[Path, Media | CaerError]]:
    """Cut clips with one command, by timestamp."""

    def make(made: dict[Path, Path]) -> dict[Path, str]:
        seen = {target: made[target].with_suffix(".glimpses") for target in clips}
        wanted = [(span, made[target], seen[target]) for target, span in clips.items()]
        problem = _run(by_time(source, wanted, settings))
        if problem:
            return dict.fromkeys(clips, problem)
        return {
            target: ends[target].amiss(seen[target].read_bytes(), span.frames)
            if target in ends
            else ""
            for target, span in clips.items()
        }

    return _published(source, clips, make, check)


def _cut_by_frames(
    source: Source,
    clips: Mapping[Path, Span],
    settings: Encoding,
    feed: Feed,
    check: Callable[[], None],
) -> Iterator[tuple[Path, Media | CaerError]]:
    """Cut clips by piping decoded frames to ffmpeg."""

    def make(made: dict[Path, Path]) -> dict[Path, str]:
        problems: dict[Path, str] = {}
        try:
            origin = start_of(source.path, source.info)
            for target, span in clips.items():
                sound = made[target].with_suffix(".sound")
                alone = sound_alone(source, span, sound, origin)
                problem = _run(alone) if source.info.has_audio else ""
                heard = sound if _is_heard(sound) else None
                arguments = by_frames(source, span, heard, made[target], settings)
                problems[target] = problem or _run(arguments, feed.pictures(span))
                sound.unlink(missing_ok=True)
        except FfmpegKilledError:
            raise
        except CaerError as error:
            return dict.fromkeys(clips, str(error)) | problems
        return problems

    return _published(source, clips, make, check)


def _is_heard(sound: Path) -> bool:
    """Whether a file that ffmpeg has written contains any sound."""
    if not sound.is_file():
        return False
    try:
        with av.open(str(sound), options={"protocol_whitelist": "file"}) as container:
            return any(packet.size for packet in container.demux(audio=0))
    except (av.FFmpegError, IndexError):  # nothing but a header
        return False


def _published(
    source: Source,
    clips: Mapping[Path, Span],
    make: Callable[[dict[Path, Path]], dict[Path, str]],
    check: Callable[[], None],
) -> Iterator[tuple[Path, Media | CaerError]]:
    """Call `make` to write clips to a temporary folder, and move the correct ones into place.

    Their properties are read before that: afterwards, another process may replace or remove them.
    Each is yielded as soon as it is in place, so that it is known even if the next one raises.
    """
    folder = next(iter(clips)).parent
    left = set(clips)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / temporary_name("clips")
        with _temporary_folder(temporary):
            made = {target: temporary / f"{n}.mp4" for n, target in enumerate(clips)}
            problems = make(made)
            for target, span in clips.items():
                problem = problems[target]
                if not problem:
                    media = examine(made[target])
                    problem = _amiss(media, span)
                if not problem:
                    check()
                    made[target].replace(target)
                left.remove(target)
                name = source.path.name
                failed = CaerError(f"{name}: a clip could not be cut: {problem}")
                yield target, failed if problem else media
    except OSError as error:
        for target in left:
            yield target, CaerError(explain_os_error(error, folder))


def _amiss(media: Media, span: Span) -> str:
    """Return what is wrong with a file; an empty text if it is as it should be."""
    if media.frames != span.frames:
        return f"it holds {media.frames} frames instead of {span.frames}"
    # where the layout of the sound changes, ffmpeg starts over and puts the rest after silence
    if media.sound_s > float(span.seconds) + _LONGER_S:
        return f"its sound lasts {media.sound_s:.2f} s, its pictures {float(span.seconds):.2f} s"
    return ""


@contextlib.contextmanager
def _temporary_folder(folder: Path) -> Iterator[None]:
    folder.mkdir()
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(arguments: list[str], pictures: Iterable[bytes] = ()) -> str:
    """Run ffmpeg with pictures as input; return an error message, or an empty text.

    Raises:
        FfmpegKilledError: it was killed by someone else.
    """
    pictures = iter(pictures)
    first = next(pictures, b"")  # may take long, which must not count towards ffmpeg's timeout
    process = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    overdue = threading.Event()

    def stop() -> None:
        overdue.set()
        process.kill()

    watch = threading.Timer(TIMEOUT_S, stop)
    watch.start()
    try:
        with contextlib.suppress(BrokenPipeError):  # ffmpeg ended early and printed why
            assert process.stdin is not None  # noqa: S101 - asked for above
            for data in itertools.chain([first], pictures):
                process.stdin.write(data)
        _, said = process.communicate()
    finally:
        watch.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()
    if overdue.is_set():
        return f"ffmpeg did not finish within {TIMEOUT_S} s"
    if process.returncode == 0:
        return ""
    told = process.returncode == _TOLD_TO_END and not said.strip()
    if told or process.returncode in _KILLED:
        raise FfmpegKilledError(
            "ffmpeg was killed from outside while it cut a clip, most likely because the machine "
            "ran out of memory; run the same command again with fewer workers"
        )
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"ffmpeg ended with code {process.returncode}"
