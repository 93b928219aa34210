"""Check that the parts work together: create, decode, search, cut and play one second of video."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np

from caer_data.engine import recipe
from caer_data.engine.errors import CaerError
from caer_data.faces.models import create_detector, create_embedder
from caer_data.media.clip_command import Source
from caer_data.media.cut import cut_clip
from caer_data.media.decode import frames
from caer_data.media.frame import DecodedFrame
from caer_data.media.frame_rate import Span
from caer_data.media.probe import VideoInfo, probe

_FPS: Final = 25
_RATE: Final = 48_000  # samples of sound per second
_CLIP: Final = (6, 18)  # frames that are cut out
_PORTRAIT: Final = "data/astronaut.png"  # in scikit-image: NASA, public domain


@dataclass
class _Second:
    """The second of video and the results of the steps so far."""

    folder: Path
    info: VideoInfo | None = None
    decoded: list[DecodedFrame] | None = None

    @property
    def path(self) -> Path:
        return self.folder / "second.mp4"

    @property
    def clip(self) -> Path:
        return self.folder / "clip.mp4"


def steps() -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield the name and function of each step; they must be called in order.

    A step returns a short description of its result, or raises any exception of the libraries.
    """
    with tempfile.TemporaryDirectory(prefix="caer-data-doctor-") as folder:
        second = _Second(Path(folder))
        yield "decodes", lambda: _decode(second)
        yield "finds faces", lambda: _find_face(second)
        yield "cuts", lambda: _cut(second)
        yield "plays", lambda: _play(second)


def _decode(second: _Second) -> str:
    _write(second.path, _portrait())
    second.info = probe(second.path)
    second.decoded = list(frames(second.path, second.info))
    if len(second.decoded) != _FPS:
        raise CaerError(f"{len(second.decoded)} of {_FPS} frames were decoded")
    if not second.info.has_audio:
        raise CaerError("the sound was not found")
    return f"{_FPS} frames with sound"


def _find_face(second: _Second) -> str:
    settings = recipe.load("caer").faces
    detector, embedder = create_detector(settings, 1), create_embedder(settings, 1)
    assert second.decoded  # noqa: S101 - this step follows the one that decodes
    picture = second.decoded[_FPS // 2].picture()
    faces = detector.detect([picture], detector.min_score)[0]
    vectors = embedder.embed(embedder.align(picture, faces))
    if len(faces) != 1:
        raise CaerError(f"{detector.name} found {len(faces)} faces in a picture of one")
    if not np.isfinite(vectors).all():
        raise CaerError(f"{embedder.name} returned an embedding that is not finite")
    return f"one face by {detector.name} on {detector.provider}, embedded by {embedder.name}"


def _cut(second: _Second) -> str:
    assert second.info  # noqa: S101 - this step follows the one that decodes
    assert second.decoded  # noqa: S101
    first, end = (second.decoded[index] for index in _CLIP)
    source = Source(second.path, second.info, second.decoded[0].pts, Fraction(_FPS))
    span = Span(*_CLIP, first.pts, end.pts, Fraction(_FPS))
    media = cut_clip(source, span, second.clip, recipe.load("caer").clips)
    return f"{media.frames} frames{' with sound' if media.has_audio else ''}"


def _play(second: _Second) -> str:
    """Decode the whole clip, and check that its codecs play in every browser."""
    with av.open(str(second.clip), options={"protocol_whitelist": "file"}) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        coding = (video.codec_context.name, video.codec_context.pix_fmt, sound.codec_context.name)
        shown = heard = 0
        for frame in container.decode(video, sound):
            if isinstance(frame, av.VideoFrame):
                shown += 1
            elif isinstance(frame, av.AudioFrame):
                heard += frame.samples
    if coding != ("h264", "yuv420p", "aac") or shown != _CLIP[1] - _CLIP[0] or not heard:
        raise CaerError(f"the clip holds {shown} frames as {', '.join(map(str, coding))}")
    return f"{shown} frames and {heard / sound.rate:.1f} s of sound, as every browser plays them"


def _portrait() -> Any:
    """Return a picture with one face, 512 by 288, BGR."""
    spec = importlib.util.find_spec("skimage")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        picture = cv2.imread(str(Path(folder) / _PORTRAIT))
        if picture is not None:
            return picture[:288]
    raise CaerError(f"skimage/{_PORTRAIT} is not installed")


def _write(path: Path, picture: Any) -> None:
    """Write one second of the picture with a tone, as H.264 and AAC in mp4."""
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(_RATE) / _RATE, dtype=np.float32)
    with av.open(str(path), "w", format="mp4") as out:
        video: Any = out.add_stream("libx264", rate=_FPS, options={"preset": "ultrafast"})
        video.height, video.width = picture.shape[:2]
        video.pix_fmt = "yuv420p"
        audio: Any = out.add_stream("aac", rate=_RATE, layout="mono")
        planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420)
        for number in range(_FPS):
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, _FPS)
            out.mux(video.encode(frame))
        sound = av.AudioFrame.from_ndarray(tone[None].astype(np.float32), "fltp", "mono")
        sound.sample_rate, sound.time_base, sound.pts = _RATE, Fraction(1, _RATE), 0
        out.mux(audio.encode(sound))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
