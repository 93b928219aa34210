"""What x264's presets cost and give when clips are cut.

    python performance/presets.py VIDEO [VIDEO ...] [--seconds 4] [--start 2]

A piece of each video is shrunk to a clip's size without loss first, so that only encoding is timed
(processor seconds, one thread). Prints seconds, size and likeness to the source (SSIM, dB) of our
clips, of the same preset as x264 has it, and of its peers, relative to `veryfast`.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg

from caer_data.engine.recipe import Clips
from caer_data.media.clip_command import clip_size, x264_params
from caer_data.media.probe import probe

_PEER = "veryfast"
_AS_SHIPPED = "threads=1:lookahead-threads=1"


def run(*arguments: str) -> tuple[float, str]:
    """Processor seconds of ffmpeg, and what it said."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-y", *arguments],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime, done.stderr


def encode(source: Path, target: Path, preset: str, params: str) -> tuple[float, int, float]:
    """Processor seconds, bytes, and SSIM in dB."""
    seconds, _ = run(
        "-i", f"file:{source}", "-c:v", "libx264", "-profile:v", "high", "-preset", preset,
        "-crf", str(Clips().crf), "-threads", "1", "-x264-params", params, f"file:{target}",
    )  # fmt: skip
    _, said = run(
        "-i", f"file:{target}", "-i", f"file:{source}", "-lavfi", "ssim", "-f", "null", "-"
    )
    likeness = re.search(r"All:[\d.]+ \(([\d.]+)\)", said)
    assert likeness, said
    return seconds, target.stat().st_size, float(likeness[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--start", type=float, default=2.0, help="where the piece begins, s")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long it is")
    given = parser.parse_args()
    ours = Clips().preset
    kinds = {
        f"ours ({ours})": (ours, x264_params(ours)),
        f"{ours} as x264 has it": (ours, _AS_SHIPPED),
        _PEER: (_PEER, _AS_SHIPPED),
    }
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "piece.y4m", Path(name) / "clip.mp4"
        for video in given.videos:
            info = probe(video)
            width, height = clip_size(info.width, info.height, Clips().max_height)
            run(
                "-ss", str(given.start), "-i", f"file:{video}", "-t", str(given.seconds),
                "-map", "0:v:0", "-vf", f"scale={width}:{height}:flags=bicubic",
                "-pix_fmt", "yuv420p", f"file:{source}",
            )  # fmt: skip
            found = {kind: encode(source, target, *how) for kind, how in kinds.items()}
            peer = found[_PEER]
            print(f"{video.name}: {given.seconds:g} s at {width}x{height}")
            for kind, (seconds, size, likeness) in found.items():
                print(
                    f"  {kind:<26} {seconds:6.2f} s ({seconds / peer[0]:.2f})  "
                    f"{size / 1e3:7.0f} kB ({size / peer[1]:.2f})  SSIM {likeness:.2f} dB"
                )


if __name__ == "__main__":
    main()
