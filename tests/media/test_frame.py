"""Pictures of decoded frames: upright, in the right colours, of the size that was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import stress_shots
from odd_media import ffmpeg

from caer_data.media import frame as frame_module
from caer_data.media.decode import frames
from caer_data.media.frame import DecodedFrame, averaged, fitted
from caer_data.media.geometry import Turn
from caer_data.media.probe import probe


def test_pictures_are_upright_with_square_pixels(media_data: Path) -> None:
    path = media_data / "odd" / "rotated90_face.mov"
    info = probe(path)
    frame = next(iter(frames(path, info)))
    assert frame.picture().shape == (640, 480, 3)
    assert frame.picture(320).shape == (320, 240, 3)
    assert frame.small(48, 64).shape == (64, 48, 3)
    stored = frame.raw.reformat(format="bgr24").to_ndarray()
    assert np.abs(np.rot90(stored, -1).astype(int) - frame.picture()).mean() < 4
    wide = media_data / "odd" / "sar_2by3.mp4"
    assert next(iter(frames(wide, probe(wide)))).picture().shape == (360, 427, 3)


@pytest.mark.parametrize(
    ("pixels", "range_", "space"),
    [
        ("yuv420p", 1, 5),
        ("yuv420p", 1, 1),
        ("yuvj420p", 2, 5),
        ("yuv422p", 1, 1),
        ("yuv444p", 1, 5),
        ("yuv420p10le", 1, 1),
        ("yuv444p12le", 1, 9),
        ("gray", 2, 2),
        ("rgb24", 2, 0),
    ],
)
def test_colours_are_those_that_were_filmed(pixels: str, range_: int, space: int) -> None:
    colours = np.array(
        [[200, 30, 60], [20, 180, 90], [40, 60, 220], [128, 128, 128], [250, 240, 230]], np.uint8
    )
    rgb = np.repeat(np.repeat(colours[None], 32, axis=0), 32, axis=1)
    if pixels == "gray":
        rgb = np.repeat(rgb.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    source = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    frame = source.reformat(
        format=pixels,
        dst_colorspace=space if space not in (0, 2) else None,
        dst_color_range=range_,
    )
    if space not in (0, 2):
        frame.colorspace = space
    frame.color_range = range_
    bgr = frame_module._to_bgr(frame, (160, 32), frame_module._linear, frame_module._WEIGHTS_601)
    centres = bgr[16, 16::32, ::-1].astype(int)
    assert np.abs(centres - rgb[16, 16::32].astype(int)).max() <= 4


@pytest.mark.parametrize("space", [None, 1, 5], ids=["untagged", "bt709", "bt601"])
def test_small_pictures_are_those_of_opencv(tmp_path: Path, space: int | None) -> None:
    photograph = cv2.resize(stress_shots.photographs()[0], (1280, 720))
    path = tmp_path / "hd.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        if space:
            stream.codec_context.colorspace = space
        frame = av.VideoFrame.from_ndarray(photograph, format="bgr24")
        container.mux([*stream.encode(frame), *stream.encode()])
    _, theirs = cv2.VideoCapture(str(path)).read()
    theirs = cv2.resize(theirs, (256, 144), interpolation=cv2.INTER_LINEAR)
    ours = next(iter(frames(path, probe(path)))).small(256, 144)
    difference = theirs.astype(int) - ours
    assert np.abs(difference).max() <= 8, "whiter than white is clipped before, not after"
    assert np.abs(difference.mean(axis=(0, 1))).max() <= 1.2, "FFmpeg rounds green down twice"


def photograph_as(path: Path, pixels: str, *options: object) -> np.ndarray:
    """A photograph of 322 x 242 as a video of one frame, which needs no multiple of a block."""
    picture = cv2.resize(stress_shots.photographs()[0], (322, 242))
    cv2.imwrite(str(path.with_suffix(".png")), picture)
    more = ["-pix_fmt", pixels, "-c:v", "libx264"]
    ffmpeg("-loop", 1, "-t", 0.04, "-i", path.with_suffix(".png"), *more, *options, path)
    return picture


ODD_PICTURES = {
    "plain": ["yuv420p"],
    "444": ["yuv444p"],
    "10 bit": ["yuv422p10le"],
    "turned": ["yuv420p", "-vf", "setsar=1"],
    "wide pixels": ["yuv420p", "-vf", "setsar=4/3"],
    "fields": ["yuv420p", "-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ildct+ilme"],
}


def odd_picture(path: Path, name: str) -> DecodedFrame:
    photograph_as(path, *ODD_PICTURES[name])
    info = probe(path)
    if name == "turned":
        info = replace(info, turn=Turn(90), width=info.height, height=info.width)
    return next(iter(frames(path, info)))


@pytest.mark.parametrize("name", ODD_PICTURES)
def test_parts_are_those_of_the_whole_picture(tmp_path: Path, name: str) -> None:
    frame = odd_picture(tmp_path / "one.mkv", name)
    whole = frame.picture()
    height, width = whole.shape[:2]
    for x1, y1, x2, y2 in [(0, 0, width, height), (101, 57, 140, 99), (width - 9, 0, width, 5)]:
        part = frame.part(x1, y1, x2, y2)
        assert part.shape == (y2 - y1, x2 - x1, 3)
        assert np.abs(part.astype(int) - whole[y1:y2, x1:x2]).max() <= 1


@pytest.mark.parametrize("name", ["plain", "10 bit", "wide pixels"])
@pytest.mark.parametrize("size", [(57, 43), (400, 300)])
def test_shrunk_pictures_are_the_whole_resized(
    tmp_path: Path, name: str, size: tuple[int, int]
) -> None:
    path = tmp_path / "one.mkv"
    photograph_as(path, *ODD_PICTURES[name])
    frame = next(iter(frames(path, probe(path))))
    how = cv2.INTER_AREA if size[0] < 100 else cv2.INTER_LINEAR
    whole = cv2.resize(frame.picture(), size, interpolation=how).astype(int)
    difference = np.abs(frame.shrunk(*size) - whole)
    assert difference.mean() < 1
    if size[0] < 100:  # enlarged, single pixels at edges of colours differ
        assert difference.max() <= 12


def exact_average(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The mean over the area of every pixel of the result, in double precision."""

    def weights(count: int, fewer: int) -> np.ndarray:
        edges = np.arange(fewer + 1) * (count / fewer)
        starts = np.maximum(edges[:-1, None], np.arange(count))
        ends = np.minimum(edges[1:, None], np.arange(count) + 1)
        return np.clip(ends - starts, 0, None) * (fewer / count)

    width, height = size
    return weights(plane.shape[0], height) @ plane @ weights(plane.shape[1], width).T


@pytest.mark.parametrize("size", [(171, 128), (96, 96), (32, 24), (224, 224), (350, 390)])
@pytest.mark.parametrize("stored", [(712, 400), (1280, 720), (401, 433)])
def test_shrinking_averages_areas_to_within_rounding(
    stored: tuple[int, int], size: tuple[int, int]
) -> None:
    width, height = stored
    noise = np.random.default_rng(0).integers(0, 256, (height + 9, width + 30), np.uint8)
    plane = noise[4 : 4 + height, 7 : 7 + width]  # rows are apart in memory
    error = averaged(plane, size) - exact_average(plane, size)
    assert np.abs(error).max() < 1.2
    assert np.abs(error).mean() < 0.27, "rounding alone: 0.25"
    assert abs(error.mean()) < 0.02


@pytest.mark.parametrize("name", ODD_PICTURES)
def test_parts_can_be_shrunk_at_once(tmp_path: Path, name: str) -> None:
    frame = odd_picture(tmp_path / "one.mkv", name)
    for edges in [(0, 0, 200, 200), (101, 57, 140, 99), (13, 8, 64, 48), (50, 50, 62, 90)]:
        size = (20, 24)
        expected = averaged(frame.part(*edges), size).astype(int)
        difference = np.abs(frame.part_at(*edges, *size) - expected)
        assert difference.mean() < 1
        assert difference.max() <= 16  # at edges of colours


def test_shrunk_parts_are_as_close_to_the_original_as_resized_ones(tmp_path: Path) -> None:
    path = tmp_path / "one.mkv"
    original = photograph_as(path, "yuv420p", "-qp", 0)
    frame = next(iter(frames(path, probe(path))))
    errors = {"at once": 0.0, "converted, then resized": 0.0}
    for x in range(60, 80):
        edges = (x, x - 20, x + 151, x + 110)
        true = averaged(original[edges[1] : edges[3], edges[0] : edges[2]], (96, 96)).astype(int)
        errors["at once"] += np.abs(frame.part_at(*edges, 96, 96) - true).mean()
        resized = averaged(frame.part(*edges), (96, 96))
        errors["converted, then resized"] += np.abs(resized - true).mean()
    assert errors["at once"] <= 1.02 * errors["converted, then resized"]


@pytest.mark.parametrize(
    ("size", "max_side", "expected"),
    [
        ((1920, 1080), 960, (960, 540)),
        ((1080, 1920), 960, (540, 960)),
        ((320, 180), 960, (320, 180)),
        ((320, 180), None, (320, 180)),
        ((1, 1), 960, (1, 1)),
        ((5000, 1), 100, (100, 1)),
    ],
)
def test_pictures_are_made_smaller_never_larger(
    size: tuple[int, int], max_side: int | None, expected: tuple[int, int]
) -> None:
    assert fitted(*size, max_side) == expected
