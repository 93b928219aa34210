"""Speed of the shots stage, against PySceneDetect's command and against decoding alone.

    python performance/shots.py VIDEO [--repeat 10] [--rounds 3] [--cores 2]

Every contestant is a process of its own that runs on the same cores, taking turns; the best of the
rounds counts. The video is repeated, without encoding it anew, so that starting up hardly counts.

Cuts are compared with `refine: false`, which is PySceneDetect's adaptive detector unchanged, and
with the default. Pictures are the same but for FFmpeg's rounding, so a cut may differ whose ratio
to its neighbours is within a few per cent of the threshold. A JSON file beside the video with its
`cuts` and `gradual` ranges (see `accuracy_shots.py`) tells which of the others are right.
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
from collections.abc import Callable
from pathlib import Path

MIN_FRAMES = 5


def work(task: str, path: Path) -> None:
    """What a process of ours does; prints the cuts as JSON."""
    import cv2

    from caer_data.engine.cores import cores
    from caer_data.engine.recipe import Shots
    from caer_data.media.decode import THREADS
    from caer_data.media.probe import probe
    from caer_data.shots.detect import detect

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
    rows = detect(path, info, Shots(min_frames=MIN_FRAMES, refine=task == "refined"), cores())
    print(json.dumps([row["start_frame"] for row in rows][1:]))


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
    truth = truth_of(given.video, count // given.repeat, given.repeat)
    print(f"cuts: scenedetect {len(theirs)}")
    for title in ("shots, refine: false", "shots, refine: true"):
        mine = json.loads(printed[title])
        print(f"{title}: {len(mine)} cuts, {len(set(mine) & set(theirs))} of them scenedetect's")
        for whose, cuts in (
            ("only shots", sorted(set(mine) - set(theirs))),
            ("only scenedetect", sorted(set(theirs) - set(mine))),
        ):
            print(f"    {whose}: {', '.join(f'{cut}{truth(cut)}' for cut in cuts) or 'none'}")


def truth_of(video: Path, frames: int, times: int) -> Callable[[int], str]:
    """What the ground truth beside a video, repeated so many times, says of a cut."""
    path = video.with_suffix(".json")
    if not path.is_file():
        return lambda cut: ""
    truth = json.loads(path.read_text(encoding="utf-8"))
    seams = [i * frames for i in range(1, times)]
    right = {i * frames + cut for i in range(times) for cut in truth["cuts"]} | {*seams}
    soft = [(g["start"] - 1, g["end"] + 1) for g in truth["gradual"]]

    def verdict(cut: int) -> str:
        if any(abs(cut - r) <= 1 for r in right):
            return " (right)"
        return " (gradual)" if any(a <= cut % frames <= b for a, b in soft) else " (wrong)"

    return verdict


if __name__ == "__main__":
    main()
