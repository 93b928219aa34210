"""Speed of the shots stage, against PySceneDetect's command and against decoding alone.

    python benchmarks/shots.py VIDEO [--repeat 10] [--rounds 3] [--cores 2]

Every contestant is a process of its own that runs on the same cores, taking turns; the best of the
rounds counts. The video is repeated, without encoding it anew, so that starting up hardly counts.
Cuts are compared with `refine: false`, which is PySceneDetect's adaptive detector unchanged.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MIN_FRAMES = 5


def work(task: str, path: Path) -> None:
    """What a process of ours does; prints the cuts as JSON."""
    import cv2

    from caer_data.build.shots import ShotDetector
    from caer_data.media.decode import THREADS, frames
    from caer_data.media.probe import probe
    from caer_data.recipe import Shots

    cv2.setNumThreads(1)
    info = probe(path)
    if task == "decode":
        import av

        with av.open(str(path)) as container:
            stream = container.streams[info.stream_index]
            stream.thread_type, stream.thread_count = "AUTO", THREADS
            count = sum(1 for _ in container.decode(stream))
        print(json.dumps([count]))
        return
    detector = ShotDetector(Shots(min_frames=MIN_FRAMES, refine=task == "refined"), info)
    for frame in frames(path, info):
        detector.push(frame)
    print(json.dumps([row["start_frame"] for row in detector.finish()][1:]))


def run(command: list[str], cores: int) -> tuple[float, float, str]:
    """Seconds on the clock, seconds of processor time, and what the process printed."""
    usable = sorted(os.sched_getaffinity(0))[:cores]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, usable),
    )
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, used, done.stdout


def repeated(path: Path, times: int, folder: Path) -> Path:
    """The video so many times in a row, its packets copied."""
    import imageio_ffmpeg

    target = folder / "long.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-stream_loop", str(times - 1)]
    command += ["-i", str(path), "-map", "0:v:0", "-c", "copy", str(target)]
    subprocess.run(command, check=True)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--work", choices=["decode", "adaptive", "refined"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work, given.video)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = repeated(given.video, given.repeat, folder)
        ours = [sys.executable, __file__, str(path), "--work"]
        scenedetect = [sys.executable, "-m", "scenedetect", "-q", "-i", str(path)]
        scenedetect += ["-o", str(folder), "-m", str(MIN_FRAMES), "detect-adaptive"]
        scenedetect += ["list-scenes", "-s", "-f", "scenes.csv"]
        contestants = {
            "decode only (PyAV)": [*ours, "decode"],
            "scenedetect detect-adaptive": scenedetect,
            "shots, refine: false": [*ours, "adaptive"],
            "shots, refine: true": [*ours, "refined"],
        }
        best: dict[str, tuple[float, float]] = {}
        printed: dict[str, str] = {}
        for _ in range(given.rounds):
            for title, command in contestants.items():
                seconds, used, printed[title] = run(command, given.cores)
                known = best.get(title, (seconds, used))
                best[title] = (min(known[0], seconds), min(known[1], used))
        with (folder / "scenes.csv").open(encoding="utf-8") as stream:
            theirs = [int(row["Start Frame"]) - 1 for row in csv.DictReader(stream)][1:]
    count = json.loads(printed["decode only (PyAV)"])[0]
    decode, peer = best["decode only (PyAV)"], best["scenedetect detect-adaptive"]
    print(f"{given.video.name} x {given.repeat}: {count} frames, {given.cores} cores")
    print(f"{'':30}{'s':>8}{'frames/s':>10}{'cpu s':>8}{'x decode':>10}{'x scenedetect':>15}")
    for title, (seconds, used) in best.items():
        print(
            f"{title:30}{seconds:8.2f}{count / seconds:10.0f}{used:8.2f}"
            f"{seconds / decode[0]:10.2f}{peer[0] / seconds:15.2f}"
        )
    mine = json.loads(printed["shots, refine: false"])
    only_mine, only_theirs = sorted(set(mine) - set(theirs)), sorted(set(theirs) - set(mine))
    print(f"cuts: scenedetect {len(theirs)}, shots {len(mine)}", end="")
    print(f", only shots {only_mine}, only scenedetect {only_theirs}")


if __name__ == "__main__":
    main()
