"""How `caer-data audit FOLDER` grows with a large tree that others made.

    python performance/audit_folder.py [--pictures 5000,10000,20000] [--scene 20] [--leaky]

Trees like CAER-S of small made-up pictures: scenes of `--scene` pictures each, in which a spot
moves over a background with the spectrum of natural pictures. Scenes lie in one split, or, with
`--leaky`, are torn apart as in the CAER-S that was released. Each tree is audited in a process of
its own. Times are processor seconds of that process by stage, under a profiler. Reading is measured
on some pictures, as its processes are not children of this one. The exponent says how the time of a
stage grew with the number of pictures (1: as fast as they).
"""

from __future__ import annotations

import argparse
import cProfile
import json
import math
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from caer_data.auditing import media, run
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.progress import Reporter

SIZE = 96, 54
STAGES = {
    "list files": ("walk.py", "files_of"),
    "recognise": ("__init__.py", "recognise"),
    "wait for readers": ("run.py", "_looks"),
    "compare pictures": ("compare.py", "repeated"),
    "checks": ("audit.py", "audit"),
    "list pairs": ("pairs.py", "find"),
}


def background(random: np.random.Generator) -> np.ndarray:
    """A picture with random phases and amplitudes that fall with the frequency."""
    width, height = SIZE
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    amplitude = 1 / np.maximum(np.hypot(fy, fx), 1 / width) ** 1.2
    phases = np.exp(2j * np.pi * random.random(amplitude.shape))
    picture = np.fft.irfft2(amplitude * phases, (height, width))
    picture -= picture.min()
    return np.asarray(picture / picture.max() * 220 + 15, np.float32)


def make(folder: Path, number: int, scene: int, leaky: bool) -> None:
    """Write the tree."""
    random = np.random.default_rng(1)
    made = 0
    while made < number:
        base, split, emotion = background(random), random.random(), int(random.integers(7))
        for frame in range(min(scene, number - made)):
            picture = base.copy()
            center = 10 + frame * 3 % 76, 27
            cv2.circle(picture, center, 9, float(random.integers(60, 200)), -1)
            if leaky:
                split = random.random()
            name = "train" if split < 0.7 else "test"
            place = folder / name / EMOTIONS[emotion].capitalize()
            place.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(place / f"{made:06d}.jpg"), picture.astype(np.uint8))
            made += 1


def audit(folder: Path, jobs: int) -> dict[str, float]:
    """Processor seconds by stage, and peak memory."""
    profile = cProfile.Profile(time.process_time, builtins=False)
    found = profile.runcall(run.audit_folder, folder, jobs, Reporter("quiet"))
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    took = {
        stage: sum(
            values[3] for (file, _, name), values in stats.items()
            if name == wanted and Path(file).name == place
        )
        for stage, (place, wanted) in STAGES.items()
    }  # fmt: skip
    own = resource.getrusage(resource.RUSAGE_SELF)
    whole, peak = own.ru_utime + own.ru_stime, own.ru_maxrss / 1024
    some = sorted(folder.rglob("*.jpg"))[:300]
    start = time.process_time()
    for path in some:
        media.look(media.Item("picture", path), lambda stage, amount: None)
    each = (time.process_time() - start) / len(some)
    return {
        **took,
        "whole process": whole,
        "read, ms each": 1000 * each,
        "peak MB": peak,
        "pairs listed": float(len(found.pairs)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", default="5000,10000,20000")
    parser.add_argument("--scene", type=int, default=20)
    parser.add_argument("--leaky", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--audit", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.audit:
        print(json.dumps(audit(arguments.audit, arguments.jobs)))
        return
    numbers = [int(n) for n in arguments.pictures.split(",")]
    rows = []
    for number in numbers:
        with tempfile.TemporaryDirectory() as scratch:
            make(Path(scratch), number, arguments.scene, arguments.leaky)
            words = [sys.executable, __file__, "--audit", scratch, "--jobs", str(arguments.jobs)]
            done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(f"{number:,}: " + ", ".join(f"{k} {v:,.1f}" for k, v in rows[-1].items()), flush=True)
    if len(rows) > 1:
        growth = math.log(numbers[-1] / numbers[0])
        for stage in rows[0]:
            if min(rows[0][stage], rows[-1][stage]) > 0:
                exponent = math.log(rows[-1][stage] / rows[0][stage]) / growth
                print(f"exponent of {stage}: {exponent:.2f}")


if __name__ == "__main__":
    main()
