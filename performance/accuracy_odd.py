"""Odd but everyday files: every source frame once and in order, sound within half a millisecond.

    python performance/accuracy_odd.py DATA [--odd-tools FOLDER]

FOLDER holds `numbered.py`, which makes a film whose frames say their numbers, and `make.sh`, which
turns it into the kinds of files that people have; both ask for `ffmpeg`, for which the one that
comes with caer-data stands in. Crop flags are written by `mkvpropedit` (MKVToolNix); without it,
that kind is not measured. Every kind is built, and the numbers in its clips are read. A kind is
right if the video has as many frames as were put into it and each clip has its own, once and in
order; or if the build says that frames are lost. Of DATA/odd, the frames that are read are compared
with those that FFmpeg reads.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
from figures import Figure, missing, share, show

from caer_data import Dataset
from caer_data.api import build
from caer_data.engine.errors import CaerError
from caer_data.media.decode import frames
from caer_data.media.interlacing import Interlacing, Measured
from caer_data.media.probe import probe

_KINDS = 20  # that make.sh and `_make` make where all of their programs are there
_RATE = 48_000
_SECOND = 25  # a click at every 25th frame
_FILM = 400
_FRAMES = {"phone_30_then_15": 300, "interlaced_pal": 200, "ts_joined_three": 399,
           "interlaced_undeclared": 200, "telecined_undeclared": 500}  # fmt: skip
_STEPS = {
    "phone_30_then_15": {1, 2},  # every other frame was left out of its second half
    "telecined_undeclared": {0, 1},  # one frame in five comes twice
}
# each frame consists of two numbers, of which either may be read
_FIELDS = ("interlaced_pal", "interlaced_undeclared")
# field-making filter and rate of frames by kind; both are encoded as whole frames
_UNDECLARED = {
    "interlaced_undeclared": ("setpts=PTS/2,fps=50,tinterlace=interleave_top", 25),
    "telecined_undeclared": ("telecine=pattern=23", "125/4"),
}
_OF_FIELDS = {
    "interlaced": ("tinterlace=interleave_top", "tinterlace=interleave_bottom"),
    "telecined": ("fps=24,telecine=pattern=23", "fps=24,telecine=pattern=23:first_field=bottom"),
}
_SECONDS_OF_FIELDS = 8  # of each film
_PITCH = {"two_languages": 300}  # of the clicks of its default track, Hz
_BARS = 30  # brightness up to which a line is black
_RECIPE = {
    "name": "odd",
    "faces": {"detector_size": 320},
    "clips": {"min_frames": 1, "min_seconds": None, "crf": 12, "preset": "ultrafast"},
    "filter": {"min_repeat_score": None, "min_coverage": 0.05, "min_sharpness": 0,
               "min_brightness": 0, "min_dominance": 1, "max_people": 100},
}  # fmt: skip


def figures(data: Path, tools: Path | None) -> list[Figure]:
    """All of them."""
    return [*_shared(data / "odd"), *_fields(data), *_numbered(tools)]


def _fields(data: Path) -> Iterator[Figure]:
    """Scan types told from the pictures: of whole frames, and of fields flagged as whole frames."""
    films = [
        path
        for name in ("shots_gt", "videos")
        for path in sorted((data / name).iterdir())
        if path.suffix in (".mp4", ".mov")
    ]
    kinds = [_measured(path).scan_type for path in films]
    false = [p.name for p, k in zip(films, kinds, strict=True) if k in _OF_FIELDS]
    note = "; ".join(false) or f"of {len(films)}"
    yield Figure("whole films that are taken for interlaced", len(false), 0, True, note)
    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "made.mkv"
        for kind, filters in _OF_FIELDS.items():
            wrong = []
            for number, path in enumerate(films):
                order = ("tt", "bb")[number % 2]
                _lay(path, filters[number % 2], made)
                found = _measured(made)
                if (found.scan_type, found.order) != (kind, order):
                    wrong.append(f"{path.stem}: {found.scan_type}")
            yield share(f"{kind}, flagged as whole: told, with order", len(films) - len(wrong),
                        len(films), 0.95)  # fmt: skip
            for one in wrong:
                yield Figure(f"  wrong: {one}"[:62], 0.0)


def _measured(path: Path) -> Measured:
    seen = Interlacing()
    for frame in frames(path, probe(path)):
        seen.push(frame)
    return seen.measured()


def _lay(path: Path, laid: str, made: Path) -> None:
    """Make fields of a film's first seconds, encoded as if they were whole frames."""
    filters = f"scale=trunc(iw/2)*2:trunc(ih/4)*4,{laid},setfield=prog,format=yuv420p"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-nostdin", "-t",
               str(_SECONDS_OF_FIELDS), "-i", str(path), "-an", "-vf", filters, "-c:v", "libx264",
               "-preset", "veryfast", "-crf", "21", str(made)]  # fmt: skip
    subprocess.run(command, check=True)


def _shared(folder: Path) -> Iterator[Figure]:
    """Frames of real odd files against FFmpeg's."""
    right, said, silent = 0, 0, []
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    for path in files:
        theirs = _frames_of_ffmpeg(path)
        try:
            reader = frames(path, probe(path))
            ours = sum(1 for _ in reader)
            warned = reader.damage.is_damaged
        except CaerError:
            ours, warned = 0, True
        if ours == theirs:
            right += 1
        elif warned:
            said += 1
        else:
            silent.append(f"{path.name} {ours} for {theirs}")
    count = len(files)
    yield share("shared odd files: frames as FFmpeg reads them, or refused", right + said, count, 1)
    yield Figure("shared odd files that differ without a word", len(silent), 0, True,
                 "; ".join(silent))  # fmt: skip
    avi = folder / "h264_bframes_photoprism.avi"
    if avi.is_file():
        kept = sum(1 for _ in frames(avi, probe(avi)))
        yield Figure("H.264 with B-frames in AVI: frames kept of 901", kept, 899)


def _frames_of_ffmpeg(path: Path) -> int:
    program = imageio_ffmpeg.get_ffmpeg_exe()
    command = [program, "-nostdin", "-i", str(path), "-map", "0:v:0", "-fps_mode", "passthrough"]
    told = subprocess.run([*command, "-f", "null", "-"], capture_output=True, check=False).stderr
    counts = re.findall(rb"frame= *(\d+)", told)
    return int(counts[-1]) if counts else 0


def _numbered(tools: Path | None) -> Iterator[Figure]:
    what, sound = "numbered kinds: every frame once and in order", "largest offset of sound, ms"
    if tools is None:
        for name, aim in ((what, 1.0), (sound, None)):
            yield missing(name, "needs --odd-tools", aim)
        return
    sys.path.insert(0, str(tools))
    from numbered import number_of

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        _make(tools, work)
        made = [k for k in sorted((work / "raw").iterdir()) if any(k.iterdir())]
        flagless = [] if shutil.which("mkvpropedit") else ["mkv_crop_flags"]
        kinds = [kind.name for kind in made if kind.name not in flagless]
        build(work / "raw", work / "dataset", _RECIPE, workers=1)
        dataset = Dataset(work / "dataset")
        wrong, offsets = [], {}
        for kind in kinds:
            row = dataset.videos[dataset.videos["show"] == kind].iloc[0]
            own = dataset.clips[dataset.clips["video_id"] == row["video_id"]]
            kept = own[own["status"] == "kept"]
            paths = [dataset.folder / path for path in kept["path"]]
            numbers = [_numbers(path, kind, number_of) for path in paths]
            said = row["status"] != "ok"
            steps = {int(step) for n in numbers for step in np.diff(n)}
            whole = row["frames"] == _FRAMES.get(kind, _FILM) and steps <= _STEPS.get(kind, {1})
            as_told = [len(n) for n in numbers] == kept["frames"].tolist()
            if not (paths and as_told and (whole or said)):
                wrong.append(
                    f"{kind} ({len(paths)} clips, {row['frames']} frames, steps {sorted(steps)})"
                )
            offsets[kind] = max(
                (
                    _off(p, n, f, _PITCH.get(kind, 1000))
                    for p, n, f in zip(paths, numbers, kept["fps"], strict=True)
                ),
                default=0.0,
            )
    yield share(what, len(kinds) - len(wrong), len(kinds), 1.0)
    for one in wrong:
        yield Figure(f"  wrong: {one}"[:62], 0.0)
    for one in flagless:
        yield missing(f"  {one}", "mkvpropedit (MKVToolNix) is not installed")
    if len(made) < _KINDS:
        yield missing(f"  {_KINDS - len(made)} kinds", "their programs are not installed")
    steady = {k: v for k, v in offsets.items() if k in ("reference", "gap_of_4s")}
    for kind, value in steady.items():
        yield Figure(f"{sound}, {kind}", value, 0.5, most=True)
    worst = max(offsets, key=lambda kind: offsets[kind])
    yield Figure(f"{sound}, all kinds", offsets[worst], note=f"worst: {worst}")


def _make(tools: Path, work: Path) -> None:
    programs = work / "bin"
    programs.mkdir()
    (programs / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    search = f"{Path(sys.executable).parent}:{programs}:{os.environ['PATH']}"
    surroundings = os.environ | {"PATH": search}
    for command in ([sys.executable, str(tools / "numbered.py")], ["bash", str(tools / "make.sh")]):
        subprocess.run([*command, str(work)], env=surroundings, check=False, capture_output=True)
    for kind, (laid, rate) in _UNDECLARED.items():
        folder = work / "raw" / kind
        folder.mkdir()
        filters = f"{laid},setfield=prog,format=yuv420p"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-nostdin", "-i",
                   str(work / "base.mkv"), "-vf", filters, "-r", str(rate), "-c:v", "libx264",
                   "-preset", "veryfast", "-crf", "16", str(folder / "e.mp4")]  # fmt: skip
        subprocess.run(command, check=True)


def _numbers(path: Path, kind: str, number_of: Any) -> np.ndarray:
    """The numbers that a clip's frames say."""
    with av.open(str(path)) as container:
        pictures = [f.to_ndarray(format="gray") for f in container.decode(video=0)]
    numbers = np.array([number_of(_as_made(picture, kind)) for picture in pictures])
    return numbers // 2 if kind in _FIELDS else numbers


def _as_made(picture: np.ndarray, kind: str) -> np.ndarray:
    """A picture as the numbered film has it: turned back, without black bars above and below."""
    if kind == "mirrored_hflip":
        return np.fliplr(picture)
    if kind == "mirrored_vflip":
        return np.flipud(picture)
    if kind in ("letterbox", "aspect_switch"):
        bright = np.flatnonzero(picture.max(axis=1) > _BARS)
        return picture[bright[0] : bright[-1] + 1] if len(bright) else picture
    return picture


def _off(path: Path, numbers: np.ndarray, fps: object, pitch: int) -> float:
    """Largest distance of a click from the start of its frame, ms; frames cut off do not count."""
    samples, start = _sound(path)
    if not len(samples):
        return 0.0
    rate = Fraction(str(fps))
    burst = np.sin(2 * np.pi * pitch * np.arange(480) / _RATE)
    found = np.abs(np.correlate(samples, burst, "valid"))
    worst = 0.0
    for place in np.flatnonzero((numbers % _SECOND == 0) & (np.arange(len(numbers)) > 0)):
        wanted = float(place / rate)
        middle = round((wanted - start) * _RATE)
        near = found[max(0, middle - 2400) : middle + 2400]
        if len(near) and near.max() > 0.3 * found.max():
            at = max(0, middle - 2400) + int(near.argmax())
            worst = max(worst, abs(at / _RATE + start - wanted) * 1000)
    return worst


def _sound(path: Path) -> tuple[np.ndarray, float]:
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return np.zeros(0), 0.0
        resampler = av.AudioResampler(format="flt", layout="mono", rate=_RATE)
        parts, start = [], None
        for frame in container.decode(audio=0):
            start = float(frame.pts * frame.time_base) if start is None else start
            parts += [p.to_ndarray()[0] for p in resampler.resample(frame)]
        parts += [p.to_ndarray()[0] for p in resampler.resample(None)]
    return np.concatenate(parts), start or 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--odd-tools", type=Path, help="folder of numbered.py and make.sh")
    given = parser.parse_args()
    show("odd files", figures(given.data, given.odd_tools))


if __name__ == "__main__":
    main()
