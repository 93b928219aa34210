"""FFmpeg filters that display decoded pictures as `geometry` and `colour` define."""

from __future__ import annotations

from typing import Any, Final

from caer_data.media.colour import (
    HLG,
    KNEE,
    MATRICES,
    PEAK,
    PQ,
    PRIMARIES,
    TRANSFERS,
    WHITE,
    assumed,
)
from caer_data.media.fields import Fields
from caer_data.media.geometry import Crop
from caer_data.media.probe import VideoInfo

_TURNS: Final[dict[int, tuple[tuple[str, dict[str, str]], ...]]] = {
    0: (),
    90: (("transpose", {"dir": "clock"}),),
    180: (("hflip", {}), ("vflip", {})),
    270: (("transpose", {"dir": "cclock"}),),
}
_RANGE: Final = "tv"
_ORDERS: Final = {
    Fields.TOP: "tff",
    Fields.BOTTOM: "bff",
    Fields.FILM_TOP: "tff",
    Fields.FILM_BOTTOM: "bff",
}


def upright(stream: Any, info: VideoInfo, interlaced: bool) -> Any:
    """Return decoded pictures as displayed (but not resized), without combs.

    Args:
        stream: the decoded pictures.
        info: properties of the video.
        interlaced: whether some frames are flagged as two fields.
    """
    stream = _whole_frames(stream, info.fields, interlaced)
    # remove the rotation tag, so that players do not rotate again
    stream = stream.filter("sidedata", mode="delete", type="DISPLAYMATRIX")
    crop, turn = info.crop, info.turn
    if crop != Crop():
        width = info.stored_width - crop.left - crop.right
        height = info.stored_height - crop.top - crop.bottom
        stream = stream.filter("crop", width, height, crop.left, crop.top, exact=1)
    if turn.mirrored:
        stream = stream.filter("hflip")
    for name, options in _TURNS[turn.rotation]:
        stream = stream.filter(name, **options)
    return stream


def _whole_frames(stream: Any, fields: Fields, interlaced: bool) -> Any:
    """Return as many frames as there are, each of which shows one instant."""
    if fields is Fields.FLAGGED:
        if not interlaced:
            return stream
        return stream.filter("bwdif", mode="send_frame", deint="interlaced")
    if fields is Fields.WHOLE:
        return stream
    order = _ORDERS[fields]
    deinterlaced = "all"
    if fields in (Fields.FILM_TOP, Fields.FILM_BOTTOM):
        # the filter flags those frames whose other field cannot be found
        stream = stream.filter("fieldmatch", order=order, combmatch="full")
        deinterlaced = "interlaced"
    return stream.filter("bwdif", mode="send_frame", parity=order, deint=deinterlaced)


def scaled(stream: Any, info: VideoInfo, width: int, height: int) -> Any:
    """Return pictures at this size, in a tagged colour space that browsers support."""
    assumption = assumed(info.stored_height)
    if info.transfer in (PQ, HLG):
        stream = _tone_mapped(stream, width, height)
        tags = dict.fromkeys(("colorspace", "color_primaries", "color_trc"), "bt709")
    else:
        tags = {
            "colorspace": MATRICES.get(info.matrix) or MATRICES[assumption],
            "color_primaries": PRIMARIES.get(info.primaries) or PRIMARIES[assumption],
            "color_trc": TRANSFERS.get(info.transfer) or TRANSFERS[1 if assumption == 1 else 6],
        }
    return _finished(stream, width, height, tags, {"in_color_matrix": tags["colorspace"]})


def scaled_bgr(stream: Any, width: int, height: int) -> Any:
    """Return displayed BGR pictures from `decode` at this size, with colour tags."""
    tags = dict.fromkeys(("colorspace", "color_primaries", "color_trc"), "bt709")
    return _finished(stream, width, height, tags, {})


def _finished(
    stream: Any, width: int, height: int, tags: dict[str, str], reading: dict[str, str]
) -> Any:
    writing = {"out_range": _RANGE, "out_color_matrix": tags["colorspace"]}
    stream = stream.filter("scale", width, height, flags="bicubic", **reading, **writing)
    stream = stream.filter("setsar", 1).filter("format", "yuv420p")
    return stream.filter("setparams", range=_RANGE, **tags)


def _tone_mapped(stream: Any, width: int, height: int) -> Any:
    """Return HDR pictures tone-mapped to BT.709; scaled first, as floating point is slow."""
    light = {"transfer": "linear", "npl": WHITE}
    stream = stream.filter("zscale", width, height, filter="bicubic", **light)
    stream = stream.filter("format", "gbrpf32le").filter("zscale", primaries="bt709")
    stream = stream.filter("tonemap", "mobius", param=KNEE, desat=0, peak=f"{PEAK / WHITE:.4f}")
    stream = stream.filter("zscale", transfer="bt709", matrix="bt709", range=_RANGE)
    return stream.filter("format", "yuv420p")
