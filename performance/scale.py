"""How a build grows: with cores, with videos, by engine; processor time, memory, files.

    python performance/scale.py VIDEO... --cores 1,2,4 [--per-core 2] [--seconds 20]
    python performance/scale.py VIDEO... --videos 1,10,100 [--seconds 1]
    python performance/scale.py --people 5000,20000,200000

With --cores, each build has as many workers as cores, and so many videos for each; the operating
system lets it use no others. With --videos, all cores are used. --engines local,shards,ray compares
engines. Every film consists of scenes of at most five seconds (640x360, 25 frames/s): one of the
given videos, looped, before a moving background that no other scene has, since very many equal
pictures would be compared with each other. All films are made before the first build.

Each build runs as a command of its own, with the default recipe, but repeats are not dropped. Rows
are Markdown and are printed as they come; --out appends them to a file too. Columns:

- h/core-h: hours of video in an hour of processor time (of the command and all that it started);
- efficiency: hours of video per hour and core, relative to the first row;
- shots, faces, clips: hours of video per hour that workers spent on them (waiting included);
- people, repeats: seconds that the command spent on them;
- exponent: growth of processor time with videos since the row before, below 1 as long as what a
  build costs once counts.

Tracks of people are random embeddings: four in five belong to persons of about ten tracks, the
others are alone.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import av
import checkout
import imageio_ffmpeg
import psutil

from caer_data.engine.cores import cores

_RECIPE = "name: scale\nfilter: {min_repeat_score: null}\n"
_SCENE_S = 5.0
_SIZE = "640x360"
_SAMPLED_S = 0.25
_HEAD = (
    "engine", "cores", "videos", "processor s", "s/video", "h/core-h", "efficiency", "wall s",
    "shots", "faces", "clips", "people s", "repeats s", "peak MB", "files", "exponent",
)  # fmt: skip


@dataclass
class Took:
    cpu_s: float
    wall_s: float
    peak_mb: float


class Rows:
    """Prints rows of a table, and appends them to a file."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file

    def say(self, text: str) -> None:
        print(text, flush=True)
        if self._file:
            self._file.write(text + "\n")
            self._file.flush()

    def row(self, *cells: object) -> None:
        self.say(f"| {' | '.join(map(str, cells))} |")


def films(videos: list[Path], seconds: float, count: int, folder: Path) -> list[Path]:
    """Make films of unlike pictures, with as many processes as there are cores."""
    folder.mkdir()
    paths = [folder / f"e{number:04d}.mp4" for number in range(count)]
    with ThreadPoolExecutor(cores()) as threads:
        list(threads.map(lambda item: _film(videos, seconds, *item), enumerate(paths)))
    return paths


def _film(videos: list[Path], seconds: float, number: int, path: Path) -> None:
    draw = random.Random(number)  # noqa: S311 - pictures, not secrets
    scenes = max(1, round(seconds / _SCENE_S))
    length = seconds / scenes
    inputs: list[str] = []
    graph = []
    for scene in range(scenes):
        own = videos[draw.randrange(len(videos))]
        inputs += ["-stream_loop", "-1", "-t", f"{length}", "-i", str(own)]
        seed, speed = draw.randrange(1 << 30), draw.uniform(0.02, 0.1)
        height, left = draw.randrange(240, 320, 2), draw.uniform(0.1, 0.9)
        graph.append(
            f"gradients=s={_SIZE}:n=8:seed={seed}:speed={speed}:r=25:d={length}[b{scene}];"
            f"[{scene}:v]fps=25,scale=-2:{height}[f{scene}];"
            f"[b{scene}][f{scene}]overlay=(W-w)*{left}:H-h:shortest=1,"
            f"trim=duration={length},setsar=1,format=yuv420p[v{scene}]"
        )
        sound = f"[{scene}:a]" if _has_sound(own) else "anoisesrc=a=0.05"
        shape = f"atrim=duration={length},aformat=sample_rates=44100:channel_layouts=stereo"
        graph.append(f"{sound}{',' if sound[0] != '[' else ''}apad,{shape}[a{scene}]")
    both = "".join(f"[v{scene}][a{scene}]" for scene in range(scenes))
    graph.append(f"{both}concat=n={scenes}:v=1:a=1[v][a]")
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *inputs,
         "-filter_complex", ";".join(graph), "-map", "[v]", "-map", "[a]", "-threads", "1",
         "-t", str(seconds), "-preset", "veryfast", "-c:a", "aac", str(path)],
        check=True,
    )  # fmt: skip


def _has_sound(video: Path) -> bool:
    with av.open(str(video)) as container:
        return bool(container.streams.audio)


def run(words: list[str], usable: int) -> Took:
    """A command of caer-data on so many cores: its processor time with that of all it started."""
    mask = set(sorted(os.sched_getaffinity(0))[:usable])
    paths = filter(None, [str(checkout.ROOT), os.environ.get("PYTHONPATH")])
    started = time.perf_counter()
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, mask)  # what is started now inherits it
    try:
        process = subprocess.Popen(
            [sys.executable, checkout.__file__, *words],  # finds recipes if it is not installed
            stderr=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip
    finally:
        os.sched_setaffinity(0, before)
    cpu, peak = 0.0, 0.0
    with ThreadPoolExecutor(1) as threads:
        said = threads.submit(process.communicate)
        while process.poll() is None:
            seen = _family(process.pid)
            cpu, peak = max(cpu, seen[0]), max(peak, seen[1])
            time.sleep(_SAMPLED_S)
        text = said.result()[1]
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}: {text[-1000:]}")
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


def build(shows: Path, folder: Path, recipe: str, usable: int, engine: str) -> Took:
    words = ["build", "--shows", str(shows), "-o", str(folder), "--recipe", recipe, "-q"]
    words += ["--workers", str(usable)]
    if engine == "ray":
        return run([*words, "--engine", "ray"], usable)
    shards = [f"{n}/2" for n in (1, 2)] if engine == "shards" else []
    parts = [run([*words, "--shard", shard], usable) for shard in shards]
    parts.append(run(words, usable))
    return Took(
        sum(part.cpu_s for part in parts),
        sum(part.wall_s for part in parts),
        max(part.peak_mb for part in parts),
    )


def builds(arguments: argparse.Namespace, rows: Rows) -> None:
    per_core = arguments.per_core
    if arguments.cores:
        sizes = [(n, n * per_core) for n in _numbers(arguments.cores)]
    else:
        sizes = [(cores(), n) for n in _numbers(arguments.videos)]
    if max(usable for usable, _ in sizes) > cores():
        raise SystemExit(f"--cores {arguments.cores}: this machine lets us use {cores()}")
    with tempfile.TemporaryDirectory() as name:
        started = time.perf_counter()
        every = films(
            arguments.video, arguments.seconds, max(count for _, count in sizes), Path(name) / "f"
        )
        print(f"{len(every)} films made in {time.perf_counter() - started:.0f} s", flush=True)
        recipe = Path(name) / "scale.yaml"
        recipe.write_text(_RECIPE)
        rows.row(*_HEAD)
        rows.row(*["---"] * len(_HEAD))
        for engine in arguments.engines.split(","):
            _one_engine(engine, sizes, every, arguments.seconds, recipe, rows)


def _one_engine(
    engine: str,
    sizes: list[tuple[int, int]],
    every: list[Path],
    seconds: float,
    recipe: Path,
    rows: Rows,
) -> None:
    first_rate = 0.0
    one_size = len({usable for usable, _ in sizes}) == 1
    earlier: tuple[int, Took] | None = None
    for usable, count in sizes:
        with tempfile.TemporaryDirectory() as name:
            shows, out = Path(name) / "shows", Path(name) / "d"
            (shows / "Show").mkdir(parents=True)
            for film in every[:count]:
                os.link(film, shows / "Show" / film.name)
            took = build(shows, out, str(recipe), usable, engine)
            files = sum(path.is_file() for path in out.rglob("*"))
            stages = json.loads((out / "work" / "timings.json").read_text())["stages"]
        length = seconds * count
        rate = length / took.wall_s / usable
        first_rate = first_rate or rate
        rows.row(
            engine, usable, count, f"{took.cpu_s:.1f}", f"{took.cpu_s / count:.2f}",
            f"{length / took.cpu_s:.2f}", "" if one_size else f"{rate / first_rate:.2f}",
            f"{took.wall_s:.1f}",
            *(f"{length / stages[n]:.1f}" if stages.get(n) else "" for n in _HEAD[8:11]),
            *(f"{stages.get(n, 0.0):.2f}" for n in ("people", "repeats")),
            f"{took.peak_mb:.0f}", files, _growth(earlier, count, took),
        )  # fmt: skip
        earlier = count, took


def _growth(earlier: tuple[int, Took] | None, count: int, took: Took) -> str:
    """The exponent of processor time since the row before."""
    if earlier is None or earlier[0] == count:
        return ""
    power = math.log(took.cpu_s / earlier[1].cpu_s) / math.log(count / earlier[0])
    return f"{power:.2f}"


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


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
    parser.add_argument("video", type=Path, nargs="*")
    parser.add_argument("--seconds", type=float, help="length of a film; 20, with --videos 1")
    parser.add_argument("--cores", help="numbers of cores, such as 1,2,4")
    parser.add_argument("--per-core", type=int, default=2, help="films for each core")
    parser.add_argument("--videos", default="1,10,100")
    parser.add_argument("--engines", default="local")
    parser.add_argument("--people", help="numbers of tracks, such as 5000,20000,200000")
    parser.add_argument("--out", type=Path, help="file to append the rows to")
    arguments = parser.parse_args()
    arguments.seconds = arguments.seconds or (20.0 if arguments.cores else 1.0)
    with arguments.out.open("a") if arguments.out else nullcontext() as file:
        rows = Rows(file)
        rows.say(
            f"{platform.machine()}, {cores()} cores ({psutil.cpu_count(logical=False)} physical in "
            f"the machine), load {os.getloadavg()[0]:.0f} at the start; films of "
            f"{arguments.seconds:g} s\n"
        )
        if arguments.video:
            builds(arguments, rows)
        if arguments.people:
            people(_numbers(arguments.people))


if __name__ == "__main__":
    main()
