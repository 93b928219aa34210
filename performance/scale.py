"""How a build grows: with cores, with videos, by engine; processor time, memory, files.

    python performance/scale.py VIDEO... --cores 1,2,4 [--per-core 2] [--seconds 20] [--only build]
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
- efficiency: hours of video per hour and core, relative to the first row of the same kind;
- of machine: this efficiency relative to that of as many independent copies (below);
- shots, faces, clips: hours of video per hour that workers spent on them (waiting included);
- people, repeats: seconds that the command spent on them;
- exponent: growth of processor time with videos since the row before, below 1 as long as what a
  build costs once counts.

With --cores there are two more rows before each build, which say how much more a machine does with
more cores when nothing is shared but the machine:

- ffmpeg: as many copies of a job of one thread, which decodes and encodes a film of its own;
- copies: as many builds as cores, each of one film in a folder of its own, with one worker.

Each copy is bound to one core, and wall s is the mean of their times. --only build,copies,ffmpeg
chooses rows. After each build, the steps of the command are printed with their wall time and the
mean number of cores in use meanwhile; `alone` is the sum of those that use no workers.

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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
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
_SAMPLED_S = 0.1
_MEMORY_SAMPLED_S = 2.0  # looking at the memory of many processes costs much
_HEAD = (
    "engine", "cores", "videos", "processor s", "s/video", "h/core-h", "efficiency", "of machine",
    "wall s", "shots", "faces", "clips", "people s", "repeats s", "peak MB", "files", "exponent",
)  # fmt: skip
_WITH_WORKERS = {"probe_files", "analyse_videos", "drop_repeats", "cut"}


@dataclass
class Step:
    """A step of a command: its wall time, and the mean number of cores in use meanwhile."""

    name: str
    wall_s: float
    busy: float


@dataclass
class Took:
    cpu_s: float
    wall_s: float
    peak_mb: float
    steps: list[Step] = field(default_factory=list)


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


@contextmanager
def bound(allowed: set[int]) -> Iterator[None]:
    """What is started in this context may use these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, allowed)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(script: str, words: list[str], allowed: set[int]) -> subprocess.Popen[str]:
    """Start a script of this folder on some cores; it finds caer-data if it is not installed."""
    paths = filter(None, [str(checkout.ROOT), os.environ.get("PYTHONPATH")])
    with bound(allowed):
        return subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(script)), *words],
            stderr=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip


def ours(count: int) -> list[int]:
    """The first cores that we may use."""
    return sorted(os.sched_getaffinity(0))[:count]


def run(words: list[str], usable: int) -> Took:
    """A command of caer-data on so many cores: its processor time with that of all it started."""
    with tempfile.TemporaryDirectory() as name:
        noted = Path(name) / "steps.json"
        started = time.monotonic()
        process = start("build_steps.py", [str(noted), *words], set(ours(usable)))
        samples, peak, next_look = [(started, 0.0)], 0.0, 0.0
        with ThreadPoolExecutor(1) as threads:
            said = threads.submit(process.communicate)
            while process.poll() is None:
                looks = time.monotonic() >= next_look
                if looks:
                    next_look = time.monotonic() + _MEMORY_SAMPLED_S
                cpu, memory = _family(process.pid, looks)
                samples.append((time.monotonic(), max(cpu, samples[-1][1])))
                peak = max(peak, memory)
                time.sleep(_SAMPLED_S)
            ended = time.monotonic()
            text = said.result()[1]  # also waits for the server of processes, which ends by itself
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(words)} ended with {process.returncode}: {text[-1000:]}")
        steps = _steps(json.loads(noted.read_text()), samples, ended)
    return Took(samples[-1][1], ended - started, peak, steps)


def _steps(
    noted: list[tuple[str, float, float]], samples: list[tuple[float, float]], ended: float
) -> list[Step]:
    """The steps of a command, and what is before, between and after them."""
    spans, at = [], samples[0][0]
    for name, begin, end in sorted(noted, key=lambda step: step[1]):
        last = {"prepare": "start", "end": "report"}.get(name, "between")
        spans += [(last, at, begin), (name, begin, end)]
        at = end
    spans.append(("end", at, ended))
    total: dict[str, tuple[float, float]] = {}
    for name, begin, end in spans:
        wall, cpu = total.get(name, (0.0, 0.0))
        total[name] = wall + end - begin, cpu + _cpu_at(samples, end) - _cpu_at(samples, begin)
    return [Step(name, wall, cpu / wall) for name, (wall, cpu) in total.items() if wall > 0]


def _cpu_at(samples: list[tuple[float, float]], moment: float) -> float:
    """Processor seconds until a moment, between two samples by proportion."""
    after = next((n for n, (at, _) in enumerate(samples) if at >= moment), len(samples) - 1)
    (t0, c0), (t1, c1) = samples[max(0, after - 1)], samples[after]
    return c1 if t1 <= t0 else c0 + (c1 - c0) * min(1.0, (moment - t0) / (t1 - t0))


def _family(pid: int, with_memory: bool) -> tuple[float, float]:
    """Processor seconds of a process, those below it and those that ended there; memory, MB."""
    cpu = memory = 0.0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0.0, 0.0
    for member in family:
        try:
            cpu += sum(member.cpu_times()[:4])
            memory += member.memory_full_info().pss / 1024**2 if with_memory else 0.0
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
        parts[-1].steps,
    )


def copies(kind: str, films: list[Path], recipe: str) -> float:
    """Run as many copies of a job as there are films, each on its own core: mean wall time."""
    took = [0.0] * len(films)
    with tempfile.TemporaryDirectory() as name:
        processes = []
        for core, film in zip(ours(len(films)), films, strict=True):
            folder = Path(name) / film.stem
            (folder / "shows/Show").mkdir(parents=True)
            os.link(film, folder / "shows/Show" / film.name)
            if kind == "copies":
                words = ["build", "--shows", str(folder / "shows"), "-o", str(folder / "d"),
                         "--recipe", recipe, "-q", "--workers", "1"]  # fmt: skip
                processes.append(start("checkout.py", words, {core}))
                continue
            with bound({core}):
                processes.append(
                    subprocess.Popen(
                        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin",
                         "-threads", "1", "-filter_threads", "1", "-stream_loop", "2",
                         "-i", str(film), "-an", "-c:v", "libx264", "-threads", "1",
                         "-preset", "veryfast", "-f", "null", "-"],
                        stderr=subprocess.PIPE, text=True,
                    )
                )  # fmt: skip
        started = time.monotonic()  # all have just been started

        def wait(number: int) -> None:
            processes[number].wait()  # not for the server of processes, which ends by itself
            took[number] = time.monotonic() - started
            text = processes[number].communicate()[1]
            if processes[number].returncode:
                raise SystemExit(f"{kind}: a copy failed: {text[-1000:]}")

        with ThreadPoolExecutor(len(films)) as threads:
            list(threads.map(wait, range(len(films))))
    return sum(took) / len(took)


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
        only = arguments.only.split(",")
        for engine in arguments.engines.split(",") if "build" in only else [""]:
            _one_engine(engine, sizes, every, arguments, recipe, rows)


def _one_engine(
    engine: str,
    sizes: list[tuple[int, int]],
    every: list[Path],
    arguments: argparse.Namespace,
    recipe: Path,
    rows: Rows,
) -> None:
    first_rates: dict[str, float] = {}
    one_size = len({usable for usable, _ in sizes}) == 1
    kinds = [k for k in ("ffmpeg", "copies") if k in arguments.only.split(",") and not one_size]
    earlier: tuple[int, Took] | None = None
    every_step: list[tuple[int, list[Step]]] = []
    for usable, count in sizes:
        machine = 0.0
        for kind in kinds:
            wall = copies(kind, every[:usable], str(recipe))
            machine = first_rates.setdefault(kind, wall) / wall
            rows.row(kind, usable, usable, *[""] * 3, f"{machine:.2f}", "", f"{wall:.1f}",
                     *[""] * 8)  # fmt: skip
        if not engine:
            continue
        with tempfile.TemporaryDirectory() as name:
            shows, out = Path(name) / "shows", Path(name) / "d"
            (shows / "Show").mkdir(parents=True)
            for film in every[:count]:
                os.link(film, shows / "Show" / film.name)
            took = build(shows, out, str(recipe), usable, engine)
            files = sum(path.is_file() for path in out.rglob("*"))
            stages = json.loads((out / "work" / "timings.json").read_text())["stages"]
        length = arguments.seconds * count
        rate = length / took.wall_s / usable
        efficiency = rate / first_rates.setdefault(engine, rate)
        rows.row(
            engine, usable, count, f"{took.cpu_s:.1f}", f"{took.cpu_s / count:.2f}",
            f"{length / took.cpu_s:.2f}", "" if one_size else f"{efficiency:.2f}",
            f"{efficiency / machine:.2f}" if "copies" in kinds else "", f"{took.wall_s:.1f}",
            *(f"{length / stages[n]:.1f}" if stages.get(n) else "" for n in _HEAD[9:12]),
            *(f"{stages.get(n, 0.0):.2f}" for n in ("people", "repeats")),
            f"{took.peak_mb:.0f}", files, _growth(earlier, count, took),
        )  # fmt: skip
        earlier = count, took
        every_step.append((usable, took.steps))
        print(_told(usable, took.steps), flush=True)
    if every_step:
        _steps_table(every_step, rows)


def _told(usable: int, steps: list[Step]) -> str:
    """The steps of a command in one line, with the cores in use."""
    parts = [f"{s.name} {s.wall_s:.1f} s ({s.busy:.1f})" for s in steps if s.wall_s >= 0.05]
    alone = sum(step.wall_s for step in steps if step.name not in _WITH_WORKERS)
    return f"  {usable} cores: {', '.join(parts)}; alone {alone:.1f} s"


def _steps_table(every: list[tuple[int, list[Step]]], rows: Rows) -> None:
    """All steps by number of cores: wall seconds, and the mean number of cores in use."""
    rows.say("")
    rows.row("step, s (cores in use)", *(usable for usable, _ in every))
    rows.row(*["---"] * (len(every) + 1))
    by_size = [{step.name: step for step in steps} for _, steps in every]
    for name in dict.fromkeys(step.name for _, steps in every for step in steps):
        found = [steps.get(name, Step(name, 0.0, 0.0)) for steps in by_size]
        if max(step.wall_s for step in found) >= 0.05:
            rows.row(name, *(f"{step.wall_s:.1f} ({step.busy:.1f})" for step in found))
    for label, names in (("with workers", _WITH_WORKERS), ("alone", None)):
        chosen = [
            [s for s in steps if (s.name in _WITH_WORKERS) == (names is not None)]
            for _, steps in every
        ]
        rows.row(label, *(f"{sum(step.wall_s for step in steps):.1f}" for steps in chosen))


def _growth(earlier: tuple[int, Took] | None, count: int, took: Took) -> str:
    """The exponent of processor time since the row before."""
    if earlier is None or earlier[0] == count:
        return ""
    power = math.log(took.cpu_s / earlier[1].cpu_s) / math.log(count / earlier[0])
    return f"{power:.2f}"


def _physical(sizes: str | None) -> str:
    """How many physical cores the first ones are, where Linux says it; two threads share one."""
    topology = Path("/sys/devices/system/cpu")
    told = {core: topology / f"cpu{core}/topology/thread_siblings_list" for core in ours(10**6)}
    if not sizes or not all(path.is_file() for path in told.values()):
        return ""
    counts = [len({told[c].read_text() for c in ours(n)}) for n in _numbers(sizes)]
    return f"; {sizes} cores are {','.join(map(str, counts))} physical ones"


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
    parser.add_argument("--only", default="build,copies,ffmpeg", help="rows with --cores")
    parser.add_argument("--people", help="numbers of tracks, such as 5000,20000,200000")
    parser.add_argument("--out", type=Path, help="file to append the rows to")
    arguments = parser.parse_args()
    arguments.seconds = arguments.seconds or (20.0 if arguments.cores else 1.0)
    with arguments.out.open("a") if arguments.out else nullcontext() as file:
        rows = Rows(file)
        rows.say(
            f"{platform.machine()}, {cores()} cores ({psutil.cpu_count(logical=False)} physical in "
            f"the machine), load {os.getloadavg()[0]:.0f} at the start; films of "
            f"{arguments.seconds:g} s{_physical(arguments.cores)}\n"
        )
        if not set(arguments.only.split(",")) <= {"build", "copies", "ffmpeg"}:
            parser.error(f"--only {arguments.only}: choose of build, copies and ffmpeg")
        if arguments.video:
            builds(arguments, rows)
        if arguments.people:
            people(_numbers(arguments.people))


if __name__ == "__main__":
    main()
