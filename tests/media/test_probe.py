from __future__ import annotations

import os
import socket
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numbered_video as numbered
import numpy as np
import pytest
from odd_media import ffmpeg

from caer_data.curate.videos import Described, film_notes
from caer_data.engine.errors import CaerError
from caer_data.media.probe import probe

# file below odd/: displayed width and height, clockwise turn, codec, sound
GOOD = {
    "av1.mkv": (640, 360, 0, "av1", False),
    "cover_art_mjpeg.mp4": (640, 360, 0, "h264", True),
    "delayed_start.mp4": (480, 320, 0, "mpeg4", False),
    "derived/face_gray.mp4": (640, 360, 0, "h264", False),
    "derived/face_mjpeg.avi": (640, 360, 0, "mjpeg", True),
    "derived/face_vp9.webm": (640, 360, 0, "vp9", False),
    "derived/interlaced_tff.mpg": (320, 180, 0, "mpeg2video", False),
    "derived/no_extension": (640, 360, 0, "h264", True),
    "derived/rotated_face_90.mp4": (640, 360, 270, "h264", True),
    "derived/späce & ünïcode 日本 'quote'.mp4": (640, 360, 0, "h264", True),
    "derived/truncated_moov_first.mp4": (640, 360, 0, "h264", False),
    "h264_10bit.mp4": (200, 200, 0, "h264", False),
    "one_pixel.mp4": (1, 1, 0, "h264", False),
    "rotated180_vfr.mp4": (1280, 720, 180, "h264", True),
    "rotated90_face.mov": (480, 640, 90, "h264", True),
    "sar_2by3.mp4": (427, 360, 0, "h264", True),
    "two_video_streams.mp4": (320, 180, 0, "h264", True),
}

# file below odd/: words of the sentence that says what is wrong
BAD = {
    "atom_too_big.mp4": "not a video that can be opened",
    "audio_only.mp4": "sound but no pictures",
    "broken.mp4": "not a video that can be opened",
    "derived/random_bytes.mp4": "not a video that can be opened",
    "derived/text_renamed.mp4": "not a video that can be opened",
    "derived/truncated_moov_missing.mp4": "not a video that can be opened",
    "derived/zero_bytes.mp4": "the file is empty",
    "empty_13bytes.flv": "not a video that can be opened",
    "mp4parse_amr_nb_1f.3gp": "sound but no pictures",
    "mp4parse_chunk_out_of_range.mp4": "not a video that can be opened",
    "mp4parse_invalid_userdata.mp4": "no frame can be decoded",
    "mp4parse_short-cenc.mp4": "encrypted",
    "mp4parse_sine-3s-xhe-aac-44khz-mono.mp4": "sound but no pictures",
    "zero_bytes.avi": "the file is empty",
    "zero_bytes.webm": "the file is empty",
}


@pytest.mark.parametrize("name", GOOD)
def test_odd_but_good_videos_are_described(media_data: Path, name: str) -> None:
    info = probe(media_data / "odd" / name)
    assert (info.width, info.height, info.turn.rotation, info.codec, info.has_audio) == GOOD[name]
    assert info.fps > 0
    assert info.time_base > 0


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_one_sentence(media_data: Path, name: str) -> None:
    with pytest.raises(CaerError, match=BAD[name]) as caught:
        probe(media_data / "odd" / name)
    assert "\n" not in str(caught.value)


def test_no_odd_file_raises_anything_else(media_data: Path) -> None:
    refused = 0
    for path in sorted((media_data / "odd").rglob("*")):
        if path.is_file():
            try:
                probe(path)
            except CaerError as error:
                assert str(path) in str(error)
                refused += 1
    assert refused > 3


def test_exact_rate_is_a_fraction(tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "ntsc.mp4", 30, Fraction(24000, 1001))
    assert probe(path).fps == Fraction(24000, 1001)


def test_wide_pixels_widen_the_displayed_picture(tmp_path: Path) -> None:
    path = tmp_path / "anamorphic.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 720, 576, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(64, 45)
        picture = np.zeros((576, 720, 3), np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    info = probe(path)
    assert (info.width, info.height) == (1024, 576)
    assert (info.stored_width, info.stored_height) == (720, 576)
    assert info.pixel_aspect == Fraction(64, 45)


@pytest.mark.parametrize(
    ("suffix", "width", "height", "limit"),
    [
        (".mkv", 15360, 8640, 36),
        (".mp4", 640, 480, 0.3),
        (".avi", 640, 480, 0.3),
        (".ts", 640, 480, 0.3),
    ],
)
def test_too_large_a_picture_is_refused(
    tmp_path: Path, suffix: str, width: int, height: int, limit: float
) -> None:
    path = tmp_path / f"large{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg" if width > 640 else "mpeg4", rate=25)
        pixels = "yuvj420p" if width > 640 else "yuv420p"
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        container.mux(stream.encode(av.VideoFrame(width, height, pixels)))
        container.mux(stream.encode())
    with pytest.raises(CaerError, match=f"{width}x{height} is larger than .*of {limit:g}"):
        probe(path, limit)


@pytest.fixture
def listener():
    """A server on the loopback that notes whether anybody connects."""
    calls: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                calls.append("connected")
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], calls
        stop.set()
        thread.join()


SCRIPTS = {
    "hls-net": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n",
    "hls-file": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n",
    "concat-file": "ffconcat version 1.0\nfile {other}\n",
    "concat-net": "ffconcat version 1.0\nfile http://127.0.0.1:{port}/a.mp4\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    "<Period><AdaptationSet><Representation id='1' bandwidth='1' mimeType='video/mp4'>"
    "<BaseURL>http://127.0.0.1:{port}/a.mp4</BaseURL></Representation></AdaptationSet></Period>"
    "</MPD>",
    "asx": "<asx version='3.0'><entry><ref href='http://127.0.0.1:{port}/a.mp4'/></entry></asx>",
    "redirect": "[Reference]\nRef1=http://127.0.0.1:{port}/a.mp4\n",
}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_playlist_dressed_up_as_a_video_is_not_followed(
    tmp_path: Path, listener: tuple[int, list[str]], script: str, suffix: str
) -> None:
    port, calls = listener
    other = numbered.write(tmp_path / "other.mp4", 5)
    os.utime(other, (1, 1))
    path = tmp_path / f"film{suffix}"
    path.write_text(SCRIPTS[script].format(port=port, other=other))
    with pytest.raises(CaerError, match="not a video that can be opened"):
        probe(path)
    assert calls == []
    assert other.stat().st_atime_ns == 10**9, "the other file was read"


@pytest.mark.parametrize("name", ["concat:a|b.mp4", "http:x.mp4", "-i.mp4", "a\nb.mp4", "%d.mp4"])
def test_a_name_that_looks_like_something_else_is_a_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    numbered.write(tmp_path / "plain.mp4", 5).rename(path)
    assert probe(path).codec == "h264"


def test_a_relative_name_that_looks_like_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbered.write(tmp_path / "plain.mp4", 5).rename(tmp_path / "pipe:0.mp4")
    monkeypatch.chdir(tmp_path)
    assert probe(Path("pipe:0.mp4")).codec == "h264"


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    numbered.write(tmp_path / "plain.mp4", 5).rename(path)
    assert probe(path).codec == "h264"


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    loop = tmp_path / "loop.mp4"
    loop.symlink_to(loop)
    folder = tmp_path / "folder.mp4"
    folder.mkdir()
    for path in (pipe, folder, Path("/dev/zero")):
        with pytest.raises(CaerError, match="not a regular file"):
            probe(path)
    with pytest.raises(CaerError, match="symbolic links"):
        probe(loop)
    with pytest.raises(CaerError, match="No such file"):
        probe(tmp_path / "absent.mp4")


@pytest.mark.parametrize("default", ["0", "default"])
@pytest.mark.parametrize("name", ["a.mkv", "a.mov"])
def test_a_cover_that_is_not_marked_as_one_is_no_film(
    tmp_path: Path, name: str, default: str
) -> None:
    film = numbered.write(tmp_path / "plain.mp4", 30)
    cover, path = tmp_path / "cover.jpg", tmp_path / name
    ffmpeg("-i", film, "-frames:v", 1, cover)
    ffmpeg("-i", cover, "-i", film, "-map", "0:v", "-map", "1:v", "-c", "copy",
           "-disposition:v:0", default, "-disposition:v:1", "0", path)  # fmt: skip
    info = probe(path)
    assert (info.stream_index, info.codec) == (1, "h264")
    alone = tmp_path / "alone.mov"
    ffmpeg("-i", film, "-c:v", "mjpeg", alone)
    assert probe(alone).codec == "mjpeg"


@pytest.mark.parametrize("marked", [(), (0,), (0, 1)], ids=["none", "small", "both"])
def test_a_preview_is_not_read_unless_it_alone_is_marked(
    tmp_path: Path, marked: tuple[int, ...]
) -> None:
    plain, path = numbered.write(tmp_path / "plain.mp4", 30), tmp_path / "a.mkv"
    flags = [f"-disposition:v:{n}={'default' if n in marked else '0'}" for n in (0, 1)]
    ffmpeg("-i", plain, "-filter_complex", "[0:v]split[a][b];[b]scale=96:48[c]", "-map", "[c]",
           "-map", "[a]", *(part for flag in flags for part in flag.split("=")), path)  # fmt: skip
    info = probe(path)
    assert info.films == 2
    assert info.width == (96 if marked == (0,) else 192)
    note = film_notes([Described({"path": "a.mkv"}, path, info)])
    assert note == [f"a.mkv: using the video stream of {info.width}x{info.height}, one of 2"]
    assert film_notes([Described({}, path, replace(info, films=1))]) == []


def test_sound_that_cannot_be_decoded_is_none(tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "a.mkv", 30, sound=True)
    assert probe(path).audio_index == 1
    unknown = tmp_path / "unknown.mkv"
    unknown.write_bytes(path.read_bytes().replace(b"A_AAC", b"A_XYZ"))
    assert probe(unknown).audio_index is None
    assert not probe(unknown).has_audio


def test_a_title_that_is_not_utf8_does_not_hide_the_video(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        out.metadata["title"] = "TITLE"
        video = out.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        out.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(video.encode(None))
    path.write_bytes(path.read_bytes().replace(b"TITLE", b"\xff\xfe\xfa\xffE"))
    assert (probe(path).width, probe(path).height) == (64, 48)
