from __future__ import annotations

import subprocess
from pathlib import Path

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest
import stress_shots
from fields import combs
from odd_media import cut, ffmpeg

from caer_data.media.colour import HLG, PQ, tone_mapped
from caer_data.media.decode import frames
from caer_data.media.probe import probe

_TO_HDR = (
    "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setparams=colorspace=bt709:"
    "color_primaries=bt709:color_trc=bt709:range=tv,zscale=t=linear:npl=203,format=gbrpf32le,"
    "zscale=p=bt2020:t={0}:m=bt2020nc:r=tv:npl=203,format=yuv420p10le"
)


def photograph(folder: Path) -> tuple[Path, np.ndarray]:
    picture = cv2.resize(stress_shots.photographs()[0], (640, 360))
    cv2.imwrite(str(folder / "picture.png"), picture)
    return folder / "picture.png", picture


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_high_dynamic_range_is_brought_down_in_analysis_and_clips(
    tmp_path: Path, transfer: str
) -> None:
    filters = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-filters"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    if "zscale" not in filters:
        pytest.skip("this FFmpeg has no zscale filter")
    still, picture = photograph(tmp_path)
    path = tmp_path / "hdr.mp4"
    tags = f"log-level=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    coding = ["-c:v", "libx265", "-preset", "ultrafast", "-crf", 10, "-x265-params", tags]
    picture_filters = ["-vf", _TO_HDR.format(transfer)]
    ffmpeg("-loop", 1, "-r", 25, "-t", 2, "-i", still, *picture_filters, *coding, path)
    info = probe(path)
    assert info.transfer == {"smpte2084": PQ, "arib-std-b67": HLG}[transfer]
    seen = next(iter(frames(path, info))).picture()
    clip = cut(path, tmp_path / "clip.mp4", 5, 45)
    shown = list(frames(clip, probe(clip)))[10].picture()
    for made in (seen, shown):
        assert np.abs(made.astype(int) - picture).mean() < 6
        assert np.abs((made.astype(int) - picture).mean(axis=(0, 1))).max() < 8


def test_black_stays_black_and_highlights_are_rolled_off() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    for transfer in (PQ, HLG):
        mapped = tone_mapped(ramp, transfer)[0, :, 1].astype(int)
        assert mapped[0] == 0
        assert mapped[-1] == 255
        assert (np.diff(mapped) >= 0).all()


@pytest.mark.parametrize(
    ("height", "tags", "expected"),
    [
        (720, "unknown", (1, 1, 1)),
        (480, "unknown", (6, 6, 6)),
        (576, "unknown", (5, 5, 6)),
        (720, "smpte170m", (6, 6, 6)),
    ],
    ids=["hd", "ntsc", "pal", "tagged"],
)  # fmt: skip
def test_clips_say_what_their_colours_are(
    tmp_path: Path, height: int, tags: str, expected: tuple[int, int, int]
) -> None:
    path = tmp_path / "a.mkv"
    picture = f"format=yuv420p,setparams=colorspace={tags}:color_primaries={tags}:color_trc={tags}"
    test_picture = f"testsrc2=s=1024x{height}:r=25:d=2"
    ffmpeg("-f", "lavfi", "-i", test_picture, "-vf", picture, "-crf", 10, path)
    source = next(iter(frames(path, probe(path)))).picture()
    clip = cut(path, tmp_path / "clip.mp4", 0, 40)
    info = probe(clip)
    assert (info.matrix, info.primaries, info.transfer) == expected
    assert not info.full_range
    shown = next(iter(frames(clip, info))).picture()
    size = (shown.shape[1], shown.shape[0])
    scaled = cv2.resize(source, size, interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs((shown - scaled).mean(axis=(0, 1))).max() < 3


def test_two_fields_become_one_instant(tmp_path: Path) -> None:
    still, _ = photograph(tmp_path)
    path = tmp_path / "a.mpg"
    # a picture that jumps to and fro with every field is torn into combs unless deinterlaced
    moving = "scroll=horizontal=0.05,fps=50,scale=720:576,tinterlace=interleave_top,fieldorder=tff"
    ffmpeg("-loop", 1, "-r", 50, "-t", 3, "-i", still, "-vf", moving, "-r", 25,
           "-flags", "+ildct+ilme", "-c:v", "mpeg2video", "-q:v", 2, "-f", "vob", path)  # fmt: skip
    info = probe(path)
    reader = frames(path, info)
    pictures = [f.picture() for f in reader]
    assert reader.interlaced == len(pictures)
    clip = cut(path, tmp_path / "clip.mp4", 10, 50)
    with av.open(str(path)) as container:
        raw = [f.to_ndarray(format="gray") for f in container.decode(video=0)]
    torn = combs(raw[20])
    assert combs(pictures[20].mean(axis=2)) < torn / 2
    shown = [f.picture() for f in frames(clip, probe(clip))]
    assert len(shown) == 40
    assert combs(cv2.resize(shown[10], (1024, 576)).mean(axis=2)) < torn / 2
