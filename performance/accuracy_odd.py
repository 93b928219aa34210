"""Odd but everyday files: every source frame once and in order, sound within half a millisecond.

    python performance/accuracy_odd.py DATA [--odd-tools FOLDER]

FOLDER holds `numbered.py`, which makes a film whose frames say their numbers, and `make.sh`, which
turns it into the kinds of files that people have; both ask for `ffmpeg`, for which the one that
comes with caer-data stands in. Every kind is built, and the numbers in its clips are read. Of
DATA/odd, the frames that are read are compared with those that FFmpeg reads.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
from figures import Figure, missing, share, show

from caer_data import Dataset
from caer_data.api import build
from caer_data.engine.errors import CaerError
from caer_data.media.decode import frames
from caer_data.media.probe import probe

_KINDS = 17  # that make.sh makes where all of its programs are there
_RATE = 48_000
_SECOND = 25  # a click at every 25th frame
# the strip of numbers is elsewhere, mirrored or mixed in these, so that it cannot be read
_UNREADABLE = (
    "letterbox", "mirrored_hflip", "mirrored_vflip", "interlaced_pal", "aspect_switch",
)  # fmt: skip
_STEPS = {"phone_30_then_15": {1, 2}}  # every other frame was left out of its second half
_RECIPE = {
    "name": "odd",
    "faces": {"detector_size": 320},
    "clips": {"min_frames": 1, "min_seconds": None, "crf": 12, "preset": "ultrafast"},
    "filter": {"min_repeat_score": None, "min_coverage": 0.05, "min_sharpness": 0,
               "min_brightness": 0, "min_dominance": 1, "max_people": 100},
}  # fmt: skip


def figures(data: Path, tools: Path | None) -> list[Figure]:
    """All of them."""
    return [*_shared(data / "odd"), *_numbered(tools)]


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
        kinds = sorted((work / "raw").iterdir())
        made = [kind for kind in kinds if any(kind.iterdir())]
        kinds = [kind for kind in made if kind.name not in _UNREADABLE]
        build(work / "raw", work / "dataset", _RECIPE, workers=1)
        dataset = Dataset(work / "dataset")
        good, wrong, offsets = 0, [], {}
        for kind in kinds:
            row = dataset.videos[dataset.videos["show"] == kind.name].iloc[0]
            own = dataset.clips[dataset.clips["video_id"] == row["video_id"]]
            kept = own[own["status"] == "kept"]
            paths = [dataset.folder / path for path in kept["path"]]
            numbers = [_numbers(path, number_of) for path in paths]
            said = row["status"] != "ok"
            in_order = all(set(np.diff(n).tolist()) <= _STEPS.get(kind.name, {1}) for n in numbers)
            whole = sum(len(n) for n in numbers) == kept["frames"].sum()
            if paths and whole and (in_order or said):
                good += 1
            else:
                steps = sorted({int(s) for n in numbers for s in np.diff(n)})
                wrong.append(f"{kind.name} ({len(paths)} clips, steps {steps})")
            offsets[kind.name] = max(
                (_off(p, n, f) for p, n, f in zip(paths, numbers, kept["fps"], strict=True)),
                default=0.0,
            )
    yield share(what, good, len(kinds), 1.0)
    for one in wrong:
        yield Figure(f"  wrong: {one}"[:62], 0.0)
    for one in _UNREADABLE:
        yield missing(f"  {one}", "the strip of numbers cannot be read in it")
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


def _numbers(path: Path, number_of: object) -> np.ndarray:
    with av.open(str(path)) as container:
        shown = [number_of(f.to_ndarray(format="gray")) for f in container.decode(video=0)]
    return np.array(shown)


def _off(path: Path, numbers: np.ndarray, fps: object) -> float:
    """Largest distance of a click from the start of its frame, ms; frames cut off do not count."""
    samples, start = _sound(path)
    if not len(samples):
        return 0.0
    rate = Fraction(str(fps))
    burst = np.sin(2 * np.pi * 1000 * np.arange(480) / _RATE)
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
