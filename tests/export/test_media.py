from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import imageio_ffmpeg
import numbered_video as numbered
import numpy as np
import pytest
from export_fixtures import FACE, HEIGHT, WIDTH, box_at, write_clip

from caer_data.engine.errors import CaerError
from caer_data.engine.files import sha256_of
from caer_data.export import media


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path, 5, 48, Fraction(25))
    return path


@pytest.fixture
def work(clip, tmp_path):
    boxes = np.array([[i, *box_at(i)] for i in range(2, 48)], np.float32)
    return media.Work("c", clip, sha256_of(clip), 48, tmp_path, boxes=boxes)


def decoded(path, form="yuv420p"):
    with av.open(str(path)) as container:
        return [f.to_ndarray(format=form) for f in container.decode(video=0)]


def test_the_sharpest_frame_of_each_stretch_is_taken(work, clip):
    spans = [(0, 12), (12, 24), (36, 48)]
    pictures = tuple(media.Picture(f"CAER-S/{a}.png", a, b) for a, b in spans)
    files = media.make(replace(work, pictures=pictures))["files"]
    for (start, end), picture in zip(spans, pictures, strict=True):
        told = files[picture.path]
        assert start <= told["frame"] < end
        assert told["frame"] % 6 == 3  # where the generated face is sharp
        assert (told["x1"], told["y1"]) == box_at(told["frame"])[:2]
        assert told["x2"] - told["x1"] == FACE
        image = cv2.imread(str(work.root / picture.path))
        assert image.shape == (HEIGHT, WIDTH, 3)
        with av.open(str(clip)) as container:
            frames = list(container.decode(video=0))
        assert (image[..., ::-1] == frames[told["frame"]].to_ndarray(format="rgb24")).all()
        assert told["sha256"] == sha256_of(work.root / picture.path)
        assert told["framehash"] == hashlib.sha256(image[..., ::-1].tobytes()).hexdigest()


def test_mp4_is_copied_byte_for_byte(work, clip):
    result = media.make(replace(work, copies=("CAER/train/a.mp4",)))
    assert (work.root / "CAER/train/a.mp4").read_bytes() == clip.read_bytes()
    assert result["files"]["CAER/train/a.mp4"]["sha256"] == result["sha256"] == sha256_of(clip)


def test_avi_holds_the_same_pictures_and_sound_without_encoding(work, clip):
    media.make(replace(work, copies=("a.avi",)))
    avi = work.root / "a.avi"
    assert all((a == b).all() for a, b in zip(decoded(clip), decoded(avi), strict=True))
    with av.open(str(clip)) as one, av.open(str(avi)) as other:
        assert other.format.name == "avi"
        assert [s.codec_context.name for s in other.streams] == ["h264", "aac"]
        assert other.streams.video[0].average_rate == one.streams.video[0].average_rate
        heard = [sum(f.samples for f in c.decode(audio=0)) for c in (one, other)]
        assert heard[0] == heard[1]


def test_avi_is_read_without_a_complaint(work, clip):
    media.make(replace(work, copies=("a.avi",)))
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "warning", "-i", work.root / "a.avi"]
    said = subprocess.run([*ffmpeg, "-f", "null", "-"], capture_output=True, text=True, check=True)
    assert said.stderr == ""


def test_readers_of_an_avi_learn_its_number_of_pictures_from_its_header(work, clip):
    media.make(replace(work, copies=("a.avi",)))
    opened = cv2.VideoCapture(str(work.root / "a.avi"))
    assert opened.get(cv2.CAP_PROP_FRAME_COUNT) == len(list(decoded(clip)))
    with av.open(str(work.root / "a.avi")) as other, av.open(str(clip)) as one:
        assert float(other.duration - one.duration) / av.time_base == pytest.approx(0, abs=0.1)


def test_avi_of_a_clip_with_uneven_steps_shows_each_picture_once_and_in_time(tmp_path):
    times = [n * 20 for n in range(40)] + [800 + n * 55 for n in range(20)]
    clip = numbered.write(tmp_path / "clip.mp4", 60, pts=times, time_base=Fraction(1, 600))
    work = media.Work("c", clip, None, 60, tmp_path, copies=("a.avi",), hash_frames=False)
    media.make(work)
    assert [numbered.number_of(p) for p in decoded(tmp_path / "a.avi", "rgb24")] == list(range(60))
    with av.open(str(tmp_path / "a.avi")) as container:
        beats = [float(p.dts * p.time_base) for p in container.demux(video=0) if p.size]
    assert beats == pytest.approx([time / 600 for time in times], abs=0.01)


def test_parameter_sets_get_start_codes():
    record = bytes([1, 100, 0, 10, 0xFF, 0xE1, 0, 3]) + b"sps" + bytes([1, 0, 2]) + b"pp"
    assert media.with_start_codes(record) == b"\0\0\0\1sps\0\0\0\1pp"
    assert media.with_start_codes(b"") == b""


def test_the_frame_hash_is_that_of_the_decoded_planes(work, clip):
    digest = hashlib.sha256(b"".join(picture.tobytes() for picture in decoded(clip)))
    assert media.make(work)["framehash"] == digest.hexdigest()


def test_nothing_is_written_without_media(work):
    picture = media.Picture("p.png", 0, 12)
    told = media.make(replace(work, pictures=(picture,), copies=("a.mp4",), write=False))
    assert list(work.root.iterdir()) == []
    assert told["files"]["p.png"]["frame"] % 6 == 3
    assert "sha256" not in told["files"]["p.png"]


def test_a_stretch_without_a_box_gives_no_picture(work):
    assert media.make(replace(work, pictures=(media.Picture("p.png", 0, 2),)))["files"] == {}


def test_flat_pictures_have_no_perceptual_hash():
    assert media.perceptual_hash(np.full((90, 160), 7, np.uint8)) == ""
    assert len(media.perceptual_hash(np.tile(np.arange(160, dtype=np.uint8), (90, 1)))) == 16


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"sha256": "0" * 64}, "changed since it was built", id="changed"),
        pytest.param({"frames": 47}, "has 48 frames instead of 47", id="frames"),
    ],
)
def test_a_clip_that_is_not_what_the_tables_say(work, change, said):
    with pytest.raises(CaerError, match=said):
        media.make(replace(work, **change))


def test_a_missing_clip(work, tmp_path):
    with pytest.raises(CaerError, match=r"gone\.mp4"):
        media.make(replace(work, source=tmp_path / "gone.mp4"))


def test_a_damaged_clip(work, tmp_path):
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(b"no video" * 99)
    with pytest.raises(CaerError, match="cannot be decoded"):
        media.make(replace(work, source=damaged, sha256=None))


def test_sound_that_begins_before_the_pictures_does_not_delay_those_of_an_avi(tmp_path):
    """Encoders of AAC put a frame of silence before time 0, which an edit list hides in mp4."""
    clip = tmp_path / "clip.mp4"
    source = ["-f", "lavfi", "-i", "testsrc=r=25:d=2:s=192x108", "-f", "lavfi", "-i", "sine=d=2"]
    coded = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", str(clip)]
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *source, *coded]
    subprocess.run(ffmpeg, check=True, timeout=60)
    with av.open(str(clip)) as container:
        assert min(p.dts for p in container.demux(audio=0) if p.size) < 0
    work = media.Work("c", clip, None, 50, tmp_path, copies=("a.avi",), hash_frames=False)
    media.make(work)
    with av.open(str(tmp_path / "a.avi")) as container:
        video = container.streams.video[0]
        assert video.frames == 50
        assert [p.dts for p in container.demux(video) if p.size] == list(range(50))
