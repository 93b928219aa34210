"""How long a build takes, against decoding every frame once and against the obvious chain.

    python performance/build.py VIDEO [--weights scrfd_500m.onnx] [--seconds 90] [--long 2700]
    python performance/build.py VIDEO --provider cuda --workers 8 --no-peers    # on a GPU, too

A show of two episodes (or `--episodes`) is made by looping the file; one run prints ratios: the
whole build (embedded pair, and SCRFD where weights are given) against decoding every frame once
with PyAV; against the obvious chain (scenedetect's command, the same face model on every frame, one
ffmpeg call per clip); and with `--long` the peak memory of a build of the file looped to that many
seconds. The face model of the obvious chain is timed on every 50th frame and scaled up, which is
said. With `--provider`, each build is repeated with the face models on that provider, and what it
finds is compared with what the CPU found.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import checkout  # noqa: F401 - makes caer_data importable
import imageio_ffmpeg
import pandas as pd
import psutil
import yaml

from caer_data import Dataset
from caer_data.api import build
from caer_data.engine.artifacts import read_json
from caer_data.engine.recipe import Faces
from caer_data.faces.models.choose import create_detector
from caer_data.media.decode import frames
from caer_data.media.probe import probe

_EVERY = 50


def looped(video: Path, seconds: float, target: Path) -> Path:
    """The video repeated to this length, without encoding it again."""
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-stream_loop", "-1", "-i", str(video),
         "-t", str(seconds), "-c", "copy", str(target)],
        check=True,
    )  # fmt: skip
    return target


def decode_once(videos: list[Path]) -> tuple[float, int]:
    """Seconds to decode every frame with PyAV, on all cores, and their number."""
    import av

    started = time.perf_counter()
    count = 0
    for video in videos:
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for _ in container.decode(stream):
                count += 1
    return time.perf_counter() - started, count


def timed_build(
    shows: Path, folder: Path, faces: dict[str, Any], workers: int
) -> tuple[float, Dataset]:
    """Seconds of a whole build from nothing."""
    recipe = folder.with_suffix(".yaml")
    recipe.write_text(yaml.safe_dump({"name": "benchmark", "faces": faces}))
    shutil.rmtree(folder, ignore_errors=True)
    started = time.perf_counter()
    build(shows, folder, str(recipe), workers=workers)
    return time.perf_counter() - started, Dataset(folder)


def obvious_chain(video: Path, dataset: Dataset, folder: Path) -> dict[str, float]:
    """Seconds of each step of the chain one would write first, for one episode."""
    seconds = {}
    started = time.perf_counter()
    subprocess.run(
        [str(Path(sys.executable).with_name("scenedetect")), "-q", "-i", str(video),
         "-o", str(folder), "detect-adaptive", "list-scenes"],
        check=True,
    )  # fmt: skip
    seconds["scenedetect"] = time.perf_counter() - started
    detector = create_detector(Faces(), 2)
    spent, seen, total = 0.0, 0, 0
    for frame in frames(video, probe(video)):
        total += 1
        if frame.index % _EVERY == 0:
            picture = frame.picture()
            started = time.perf_counter()
            detector.detect([picture], detector.min_score)
            spent += time.perf_counter() - started
            seen += 1
    seconds[f"face model on every frame (timed on 1 of {_EVERY}, scaled up)"] = spent / seen * total
    started = time.perf_counter()
    clips = dataset.clips
    own = clips[(clips["status"] == "kept") & (clips["episode"] == video.stem)]
    for row in own.to_dict("records"):
        subprocess.run(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-ss", str(row["start_s"]),
             "-i", str(video), "-t", str(row["end_s"] - row["start_s"]), "-c:v", "libx264",
             "-c:a", "aac", str(folder / "clip.mp4")],
            check=True,
        )  # fmt: skip
    seconds["one ffmpeg per clip"] = time.perf_counter() - started
    return seconds


def differences(one: Dataset, other: Dataset) -> str:
    """How far the faces that two builds of the same videos found differ."""
    if one.faces.empty and other.faces.empty:
        return "neither found a face"
    faces = [
        d.faces.assign(shot=d.faces["track_id"].str.replace(r"\.t\d+$", "", regex=True))
        for d in (one, other)
    ]
    counts = pd.concat([f.groupby("shot").size() for f in faces], axis=1).fillna(0)
    same = counts[counts.iloc[:, 0] == counts.iloc[:, 1]].index
    boxes = faces[0].merge(faces[1], on=["shot", "track_id", "frame"], suffixes=("", "_other"))
    boxes = boxes[boxes["shot"].isin(same)]
    apart = max((boxes[f"{c}_other"] - boxes[c]).abs().max() for c in ("x1", "y1", "x2", "y2"))
    kept = [set(d.clips.loc[d.clips["status"] == "kept", "clip_id"]) for d in (one, other)]
    return (
        f"{len(same)} of {len(counts)} shots with faces have as many boxes; there, they differ by "
        f"at most {apart:.3f} px ({len(boxes)} boxes); {len(kept[0] & kept[1])} of "
        f"{len(kept[0] | kept[1])} clips are kept by both"
    )


class PeakMemory:
    """Largest resident memory of any one process of this program, sampled ten times per second."""

    def __init__(self) -> None:
        self.bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._done.wait(0.1):
            for child in me.children(recursive=True):
                try:
                    self.bytes = max(self.bytes, child.memory_info().rss)
                except psutil.Error:
                    continue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--weights", help="SCRFD weights, to time that detector too")
    parser.add_argument("--seconds", type=float, default=90.0, help="loop the video to this")
    parser.add_argument("--long", type=float, help="measure memory on this many seconds")
    parser.add_argument("--workers", type=int, default=2, help="processes of a build")
    parser.add_argument("--episodes", type=int, default=2, help="videos to build")
    parser.add_argument(
        "--provider", choices=["cuda", "tensorrt"], help="repeat each build with this provider"
    )
    parser.add_argument(
        "--peers",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="time the obvious chain, too",
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shows = folder / "raw"
        (shows / "show").mkdir(parents=True)
        videos = [shows / "show" / f"e{n}{given.video.suffix}" for n in range(given.episodes)]
        for n, video in enumerate(videos):  # of unequal length: equal files would be one video
            looped(given.video, given.seconds + n, video)
        decoding, count = decode_once(videos)
        info = probe(videos[0])
        print(
            f"{given.episodes} episodes: {count} frames of {info.width}x{info.height}, {info.codec}"
        )
        print(f"decode once (PyAV)        {decoding:7.1f} s  {count / decoding:8.0f} frames/s")
        # The first build also waits for the libraries to load; that is part of what users see.
        kinds: dict[str, dict[str, Any]] = {"embedded pair": {}}
        if given.weights:
            kinds["scrfd"] = {"detector": "scrfd", "weights": given.weights}
        if given.provider:
            kinds = {
                f"{kind}, {provider}": {**faces, "provider": provider}
                for kind, faces in kinds.items()
                for provider in (given.provider, "cpu")
            }
        built: dict[str, tuple[float, Dataset]] = {}
        for number, (kind, faces) in enumerate(kinds.items()):
            with PeakMemory() as peak:
                seconds, dataset = timed_build(
                    shows, folder / f"dataset{number}", faces, given.workers
                )
            built[kind] = seconds, dataset
            stages = read_json(dataset.work_folder / "timings.json")["stages"]
            total = sum(stages.values())
            shares = ", ".join(f"{k} {v / total:.0%}" for k, v in sorted(stages.items()))
            print(
                f"build, {kind:<24} {seconds:7.1f} s  {seconds / decoding:8.1f} x decoding  "
                f"({shares}; work of all processes {total:.1f} s; "
                f"peak {peak.bytes / 1e6:.0f} MB a process)",
                flush=True,
            )
            if given.provider and faces["provider"] == "cpu":
                fast, there = built[kind.replace(", cpu", f", {given.provider}")]
                print(f"  {given.provider}: {seconds / fast:.1f} times as fast as this")
                print(f"  {differences(dataset, there)}", flush=True)
        if given.peers:
            seconds, dataset = next(iter(built.values()))
            chain: Counter[str] = Counter()
            for video in videos:
                chain.update(obvious_chain(video, dataset, folder))
            for step, spent in chain.items():
                print(f"obvious chain: {step}: {spent:.1f} s")
            whole = sum(chain.values())
            print(
                f"obvious chain                  {whole:7.1f} s  {whole / seconds:8.1f} x our build"
            )
        if given.long:
            for video in videos:
                video.unlink()
            looped(given.video, given.long, videos[0])
            rarely = {"samples_per_second": 0.5}
            with PeakMemory() as peak:
                seconds, _ = timed_build(shows, folder / "long", rarely, given.workers)
            print(
                f"build of {given.long:.0f} s (a sample every 2 s): {seconds:.0f} s, "
                f"peak {peak.bytes / 1e6:.0f} MB a process"
            )


if __name__ == "__main__":
    main()
