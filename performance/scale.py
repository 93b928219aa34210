"""How a build grows: with videos, with workers, by engine; processor time, memory, files.

    python performance/scale.py VIDEO [--seconds 20] [--videos 1,4,16] [--workers 1,2]
        [--engines local,shards,ray] [--people 5000,20000,200000]

The file is looped to a length, and copied with a comment of its own, so that each copy is another
video. Each build runs as a command of its own, with the default recipe but for repeats. Times are
processor seconds of the command and all that it started, sampled; wall time is printed beside them.
"h per core-h" is the length of all videos over processor time. People are random embeddings: four
tracks in five belong to persons of about ten tracks, the others are alone.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import psutil

_RECIPE = "name: scale\nfilter: {min_repeat_score: null}\n"
"""The default recipe; but what is shown twice stays, for the copies are alike."""


@dataclass
class Took:
    cpu_s: float
    wall_s: float
    peak_mb: float


def copies(video: Path, seconds: float, count: int, folder: Path) -> None:
    """So many videos of this length; of equal pictures, but other files."""
    (folder / "Show").mkdir(parents=True)
    for number in range(count):
        subprocess.run(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-stream_loop", "-1", "-i", str(video),
             "-t", str(seconds), "-c", "copy", "-metadata", f"comment={number}",
             str(folder / "Show" / f"e{number:04d}.mp4")],
            check=True,
        )  # fmt: skip


def run(words: list[str]) -> Took:
    """A command of caer-data: its processor time with that of all that it started."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "caer_data", *words], stderr=subprocess.DEVNULL
    )  # the copies are alike, and it is said of each pair
    cpu, peak = 0.0, 0.0
    while process.poll() is None:
        seen = _family(process.pid)
        cpu, peak = max(cpu, seen[0]), max(peak, seen[1])
        time.sleep(0.2)
    if process.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    return Took(cpu, time.perf_counter() - started, peak)


def _family(pid: int) -> tuple[float, float]:
    """Processor seconds of a process, those below it and those that ended there; memory, MB."""
    cpu = memory = 0.0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0.0, 0.0
    for member in family:
        try:
            cpu += sum(member.cpu_times()[:4])
            memory += member.memory_full_info().pss / 1024**2
        except (psutil.Error, AttributeError):
            continue
    return cpu, memory


def build(shows: Path, folder: Path, recipe: str, workers: int, engine: str) -> Took:
    words = ["build", "--shows", str(shows), "-o", str(folder), "--recipe", recipe, "-q"]
    words += ["--workers", str(workers)]
    if engine == "ray":
        return run([*words, "--engine", "ray"])
    parts = [run([*words, "--shard", f"{n}/2"]) for n in (1, 2)] if engine == "shards" else []
    parts.append(run(words))
    return Took(
        sum(part.cpu_s for part in parts),
        sum(part.wall_s for part in parts),
        max(part.peak_mb for part in parts),
    )


def builds(arguments: argparse.Namespace) -> None:
    head = "engine  workers  videos  cpu s  cpu s/video  h per core-h  wall s  peak MB  work files"
    print(head)
    sizes = [int(n) for n in arguments.videos.split(",")]
    for engine in arguments.engines.split(","):
        for workers in (int(n) for n in arguments.workers.split(",")):
            took = {}
            for count in sizes:
                with tempfile.TemporaryDirectory() as name:
                    folder = Path(name)
                    copies(arguments.video, arguments.seconds, count, folder / "shows")
                    recipe = folder / "scale.yaml"
                    recipe.write_text(_RECIPE)
                    out = folder / "d"
                    one = build(folder / "shows", out, str(recipe), workers, engine)
                    files = sum(path.is_file() for path in (out / "work").rglob("*.zip"))
                    shutil.rmtree(out)
                took[count] = one
                rate = arguments.seconds * count / one.cpu_s
                print(
                    f"{engine:<8}{workers:>7}{count:>8}{one.cpu_s:>7.1f}{one.cpu_s / count:>13.2f}"
                    f"{rate:>14.2f}{one.wall_s:>8.1f}{one.peak_mb:>9.0f}{files:>12}",
                    flush=True,
                )
            if len(sizes) > 1:
                small, large = sizes[-2:]
                more = (took[large].cpu_s - took[small].cpu_s) / (large - small)
                print(f"  each further video: {more:.2f} s of processor time", flush=True)


def people(sizes: list[int]) -> None:
    """Clustering of made-up tracks."""
    import numpy as np
    import pandas as pd

    from caer_data.faces.people import cluster

    times = []
    for count in sizes:
        draw = np.random.default_rng(1)
        person = np.where(draw.random(count) < 0.8, draw.integers(0, count // 12, count), -1)
        centre = draw.normal(size=(count // 12, 128))
        found = np.where(person[:, None] >= 0, centre[person], draw.normal(size=(count, 128)))
        found = found / np.linalg.norm(found, axis=1, keepdims=True)
        found += draw.normal(scale=0.02, size=found.shape)
        number = np.arange(count)
        tracks = pd.DataFrame(
            {
                "track_id": [f"t{n}" for n in number],
                "shot_id": [f"s{n // 2}" for n in number],
                "video_id": [f"v{n // 500}" for n in number],
                "start_frame": number * 50,
                "end_frame": number * 50 + 40,
                "start_s": number * 2.0,
                "end_s": number * 2.0 + 1.6,
                "face_height": 0.2,
                "sharpness": 0.5,
            }
        )
        started = time.process_time()
        _, rows = cluster("Show", "show", tracks, found.astype(np.float32), 0.6)
        times.append(time.process_time() - started)
        print(f"people of {count:,} tracks: {times[-1]:.1f} s, {len(rows):,} persons; {_peak()}")
    _exponent(sizes, times)


def _exponent(sizes: list[int], times: list[float]) -> None:
    if len(sizes) > 1:
        power = math.log(times[-1] / times[-2]) / math.log(sizes[-1] / sizes[-2])
        print(f"  exponent {power:.2f}", flush=True)


def _peak() -> str:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"peak {peak:,.0f} MB so far"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--videos", default="1,4,16")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--engines", default="local")
    parser.add_argument("--people", help="numbers of tracks, such as 5000,20000,200000")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load:.0f} at the start")
    if arguments.video:
        builds(arguments)
    if arguments.people:
        people([int(n) for n in arguments.people.split(",")])


if __name__ == "__main__":
    main()
