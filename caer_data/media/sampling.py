"""Frames of a clip at a lower rate, without decoding the frames between if that is possible.

In H.264, a picture whose `nal_ref_idc` is 0 is never used to predict another one (ITU-T H.264,
7.4.1), so the decoder can skip it without changing any other picture. In clips encoded by x264,
half of the pictures are of this kind. Other codecs have no such simple guarantee.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from caer_data.media.decode import frames
from caer_data.media.frame import DecodedFrame
from caer_data.media.packets import Damage, decoded, packets_of
from caer_data.media.probe import VideoInfo, open_container, pixel_aspect

_LARGEST: Final = 64 * 2**20
"""Maximum size in bytes of a file whose packets are held in memory."""
_PRESENTED: Final = ("mp4", "matroska")
"""Demuxers of formats that store when each picture is presented (AVI, for example, does not)."""

T = TypeVar("T")


def sampled_frames(path: Path, info: VideoInfo, fps: float) -> Iterator[DecodedFrame]:
    """Yield the frames nearest to 0, 1/fps, 2/fps, ... seconds after the first one.

    Frames are chosen by timestamp; where the rate is higher than the clip's, they repeat. They have
    the same pictures, indexes and timestamps as in `decode.frames`. Only the index may differ,
    namely after a damaged frame that is skipped here and not returned by the decoder there.

    Args:
        path: the clip.
        info: its properties.
        fps: frames per second.

    Raises:
        CaerError: the file can no longer be opened.
    """
    given = yield from _skipping(path, info, fps)
    if given is not None:
        timed = ((f.pts, f.duration, f) for f in frames(path, info, threads=1))
        yield from islice(_nearest(timed, info, fps), given, None)


def _nearest(timed: Iterable[tuple[int, int, T]], info: VideoInfo, fps: float) -> Iterator[T]:
    """Yield the items nearest to multiples of 1/fps, given with timestamps and durations."""
    before: tuple[float, T] | None = None
    taken, first, end = 0, None, 0.0
    for pts, duration, item in timed:
        first = pts if first is None else first
        time = float((pts - first) * info.time_base)
        end = time + float(duration * info.time_base)
        while before is not None and taken / fps <= (before[0] + time) / 2:
            taken += 1
            yield before[1]
        before = time, item
    while before is not None and (taken == 0 or taken / fps < end - 1e-6):
        taken += 1
        yield before[1]


def _skipping(path: Path, info: VideoInfo, fps: float) -> Generator[DecodedFrame, None, int | None]:
    """Yield the frames without decoding all others.

    Returns None if all were yielded. If the file is of another kind than is expected here, or
    anything unexpected is found, it returns how many were yielded.
    """
    given = 0
    if info.codec != "h264":
        return given
    with open_container(path, info.max_pixels) as container:
        named = any(name in container.format.name for name in _PRESENTED)
        if not named or container.size > _LARGEST:
            return given
        stream = container.streams[info.stream_index]
        damage = Damage()
        packets = list(packets_of(container, stream, damage))
        shown = _in_order(packets)
        if damage.packets or not shown:
            return given
        nominal = max(1, round(1 / (info.fps * info.time_base)))
        lasting = [packet.duration or nominal for packet in shown]
        timed = ((p.pts, d, i) for i, (p, d) in enumerate(zip(shown, lasting, strict=True)))
        chosen = list(_nearest(timed, info, fps))
        # the first one starts the clock, and the duration of the last one ends it
        needed = {shown[i].pts: i for i in (0, *chosen, len(shown) - 1)}
        context = stream.codec_context
        context.thread_count = 1
        context.options = {"max_pixels": str(info.max_pixels)}
        aspect, last = None, -1
        for raw in _decoded(context, packets, needed, damage):
            index = needed.get(raw.pts)
            if index is None:
                continue
            aspect = aspect or pixel_aspect(context.sample_aspect_ratio)
            ends = (raw.duration or nominal) == lasting[index] or index + 1 < len(shown)
            changed = pixel_aspect(context.sample_aspect_ratio) != aspect
            missed = index <= last or (given < len(chosen) and chosen[given] < index)
            if raw.is_corrupt or changed or missed or not ends or (last < 0 and index):
                return given
            last = index
            while given < len(chosen) and chosen[given] == index:
                given += 1
                yield DecodedFrame(index, raw.pts, lasting[index], raw, info, raw.pts)
        return given if damage.packets or given < len(chosen) else None


def _in_order(packets: list[Any]) -> list[Any]:
    """Return the packets with frames in presentation order; none if they are not one frame each."""
    full = [packet for packet in packets if packet.size]
    stamps = {packet.pts for packet in full}
    plain = full and None not in stamps and len(stamps) == len(full)
    if not plain or any(p.is_discard or p.is_corrupt for p in full):
        return []
    # frames before the first key frame cannot be decoded
    leads = not full[0].is_keyframe or full[0].pts != min(stamps)
    return [] if leads else sorted(full, key=lambda packet: packet.pts)


def _decoded(
    context: Any, packets: list[Any], needed: dict[int, int], damage: Damage
) -> Iterator[Any]:
    """Yield decoded frames: the needed ones, and others that frames are predicted from."""
    for packet in packets:
        wanted = not packet.size or packet.pts in needed
        context.skip_frame = "DEFAULT" if wanted else "NONREF"
        yield from decoded(context, packet, damage)
        if damage.packets:
            return
