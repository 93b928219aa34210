"""How quick exports are, against a named peer where there is one.

    python performance/export.py [--clips 13201] [--videos FILE ...] [--jobs N]

1. Manifests, split and audit of as many labelled clips as the paper has, without media: seconds
   and peak memory.
2. CAER-S pictures: the whole export (decoding, choosing, PNG, hashes) against PyAV decoding the
   same clips once, both with one process and both on all cores; in the same run, best of three.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd

from caer_data.engine import tables
from caer_data.engine.emotions import EMOTIONS, PROBABILITY_COLUMNS
from caer_data.engine.pool import cores, run_map
from caer_data.engine.recipe import Export
from caer_data.export import PRELOAD, boxes, media, plan, release
from caer_data.export.frames import number, stretches
from caer_data.export.manifest import BOXES, SOURCES

PAPER = {"anger": 1628, "disgust": 719, "fear": 514, "happy": 2726, "neutral": 4579, "sad": 1473,
         "surprise": 1562}  # fmt: skip
"""Clips per class (paper, table 1)."""

CLIP_FRAMES = 84
REPEATS = 5


def labelled_clips(count: int, random: np.random.Generator) -> pd.DataFrame:
    """Made-up labelled clips of 79 shows, with the paper's shares of the classes."""
    shares = np.array([PAPER[e] for e in EMOTIONS], float)
    label = random.choice(len(EMOTIONS), count, p=shares / shares.sum())
    frames = random.lognormal(4.27, 0.55, count).clip(30, 753).astype(int)
    video = np.sort(random.integers(0, 79 * 16, count))
    start = np.cumsum(frames + 40) - frames
    clip_id = [f"show-{v // 16:02d}-e{v % 16:02d}-s{i:06d}" for i, v in enumerate(video)]
    hashes = random.integers(0, 2**63, count)
    values: dict[str, object] = {
        "clip_id": clip_id, "clip_key": [f"k{i:09d}" for i in range(count)],
        "shot_id": clip_id, "video_id": [f"v{v:04d}" for v in video],
        "show": [f"Show {v // 16}" for v in video], "episode": [f"e{v % 16}" for v in video],
        "person_id": [f"show-{v // 16}-p{n}" for v, n in zip(video, random.geometric(0.2, count),
                                                             strict=True)],
        "track_id": clip_id, "start_frame": start, "end_frame": start + frames,
        "start_pts": start, "end_pts": start + frames, "start_s": start / 25,
        "end_s": (start + frames) / 25, "frames": frames, "fps": "25", "width": 712, "height": 400,
        "path": "clip.mp4", "bytes": 500_000, "sha256": [f"{h:064x}" for h in hashes],
        "source_sha256": [f"{v:064x}" for v in video],
        "face_height": random.uniform(0.1, 0.6, count),
        "emotion": [EMOTIONS[i] for i in label], "label": label, "raters": 3,
        "votes": [f"rater-1={EMOTIONS[i]}:0.8 rater-2={EMOTIONS[i]}:0.6 rater-3=neutral:0.5"
                  for i in label],
        "agreement": 2, "confidence": 0.63, "made_up": True,
        **{name: (label == i) * 0.67 for i, name in enumerate(PROBABILITY_COLUMNS)},
    }  # fmt: skip
    return pd.DataFrame(values).sort_values("clip_id", ignore_index=True)


def tables_of(clips: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Source videos, and faces in every frame."""
    sources = clips.drop_duplicates("video_id").assign(
        sha256=lambda c: c["source_sha256"], bytes=10**9, time_base="1/25", first_pts=0,
        variable_rate=False, width=1280, height=720,
        scan_type="progressive", shape_changes=False, retimed=0,
    )[SOURCES.names]  # fmt: skip
    clip_id = np.repeat(clips["clip_id"].to_numpy(object), clips["frames"])
    frame = np.concatenate(
        [np.arange(a, b) for a, b in zip(clips.start_frame, clips.end_frame, strict=True)]
    )
    faces = pd.DataFrame({"clip_id": clip_id, "frame": frame, "time_s": frame / 25})
    for name, value in (("x1", 500), ("y1", 200), ("x2", 700), ("y2", 460)):
        faces[name] = np.float32(value)
    return sources, faces.assign(score=np.float32(1), interpolated=False)


def without_media(count: int) -> None:
    """Time and peak memory of all that an export does besides reading media."""
    random = np.random.default_rng(0)
    clips = labelled_clips(count, random)
    sources, faces = tables_of(clips)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for by in ("clip", "show"):
        start = time.perf_counter()
        options = plan.Options(Export(by=by, layouts=("caer", "caer-s")), seed=2019, media=False)
        of_targets = boxes.of_targets(clips, sources, faces)
        planned = plan.of_tables(clips, sources, of_targets, options)
        planned_s = time.perf_counter() - start
        results = results_of(planned, random)
        start = time.perf_counter()
        manifest = release.fill_manifest(planned.files, results)
        with tempfile.TemporaryDirectory() as folder:
            tables.write(release.MANIFEST, manifest, Path(folder) / "manifest.parquet")
            tables.write(BOXES, of_targets, Path(folder) / "boxes.parquet")
        manifest_s = time.perf_counter() - start
        start = time.perf_counter()
        verdicts = release.audit_parts(manifest)["release"]
        audit_s = time.perf_counter() - start
        print(
            f"{count:,} clips, {len(manifest):,} files, --by {by}: "
            f"split and plan {planned_s:.1f} s, manifest {manifest_s:.1f} s, audit {audit_s:.1f} s "
            f"({sum(v.verdict == 'finding' for v in verdicts)} findings)"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory {peak / 1024:,.0f} MB, of which {before / 1024:,.0f} MB hold the tables")


def results_of(planned: plan.Plan, random: np.random.Generator) -> dict[str, dict[str, object]]:
    """Made-up answers of the media: every hash is another one."""
    results: dict[str, dict[str, object]] = {}
    for clip_id in planned.clips["clip_id"]:
        hashes = " ".join(f"{h:016x}" for h in random.integers(0, 2**63, 4))
        results[clip_id] = {"clip_id": clip_id, "sha256": "0" * 64, "bytes": 500_000,
                            "framehash": "0" * 64, "perceptual_hash": hashes,
                            "files": {}}  # fmt: skip
    pictures = planned.files[planned.files["from_frame"].notna()]
    numbers = random.integers(0, 2**63, len(pictures))
    for row, h in zip(pictures.itertuples(), numbers, strict=True):
        results[row.clip_id]["files"][row.path] = {  # type: ignore[index]
            "frame": int(row.from_frame), "x1": 278, "y1": 111, "x2": 389, "y2": 256,
            "framehash": "0" * 64, "perceptual_hash": f"{h:016x}",
        }  # fmt: skip
    return results


def cut_clips(videos: list[Path], folder: Path, count: int) -> list[media.Work]:
    """Clips of 84 frames at 712x400, as the first release has, out of real or made videos."""
    works = []
    for index, video in zip(range(count), itertools.cycle(videos), strict=False):
        path = folder / f"{index:04d}.mp4"
        with av.open(str(video)) as source, av.open(str(path), "w") as output:
            options = {"preset": "veryfast", "crf": "20"}
            stream = output.add_stream("libx264", rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = 712, 400, "yuv420p"
            taken = itertools.islice(source.decode(video=0), index // len(videos) * 20 % 280, None)
            chosen = list(itertools.islice(taken, CLIP_FRAMES))
            for frame in chosen:
                small = cv2.resize(frame.to_ndarray(format="bgr24"), (712, 400))
                output.mux(stream.encode(av.VideoFrame.from_ndarray(small, format="bgr24")))
            output.mux(stream.encode(None))
        written = len(chosen)
        clip = pd.DataFrame({"clip_id": [str(index)], "frames": [written], "fps": ["25"]})
        numbers = np.arange(written, dtype=np.float32)[:, None]
        box = np.hstack([numbers, np.tile(np.float32([278, 111, 389, 256]), (written, 1))])
        spans = stretches(
            clip, pd.DataFrame({"clip_id": str(index), "frame": range(written)}), number(clip, 6)
        )
        pictures = tuple(
            media.Picture(f"CAER-S/train/Happy/{index:04d}-{a:04d}.png", a, b)
            for _, a, b in spans.itertuples(index=False)
        )
        works.append(
            media.Work(str(index), path, None, written, folder / "out", pictures=pictures,
                       boxes=box, hash_frames=False)
        )  # fmt: skip
    return works


def decode(work: media.Work) -> int:
    """The peer: PyAV decodes the clip once and does nothing with it; one thread per process."""
    with av.open(str(work.source)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return sum(1 for _ in container.decode(video=0))


def decode_threaded(work: media.Work) -> int:
    """The peer as it is used in one process: with as many threads as it likes."""
    with av.open(str(work.source)) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(1 for _ in container.decode(video=0))


def pictures(videos: list[Path], jobs: int, count: int) -> None:
    """CAER-S against decoding the same clips once."""
    with tempfile.TemporaryDirectory() as folder:
        works = cut_clips(videos, Path(folder), count)
        frames = sum(work.frames for work in works)
        made = sum(len(work.pictures) for work in works)
        print(f"{count} clips, {frames:,} frames of 712x400, {made} pictures; best of three")
        one_export, one_decode = best(
            lambda: [media.make(work) for work in works], lambda: [decode(work) for work in works]
        )
        said("one process", frames, one_export, one_decode, "PyAV, one thread")
        with ProcessPoolExecutor(jobs, mp_context=get_context("forkserver")) as pool:
            list(pool.map(decode, works))  # the peer's processes are there before the clock runs
            many = works * REPEATS  # those of the export start anew each time, as they do in use
            all_export, all_decode, threaded = best(
                lambda: list(run_map(media.make, many, jobs, PRELOAD)),
                lambda: list(pool.map(decode, many)),
                lambda: [decode_threaded(work) for work in many],
            )
        frames *= REPEATS
        said(f"{jobs} processes", frames, all_export, all_decode, f"PyAV, {jobs} processes")
        said(f"{jobs} processes", frames, all_export, threaded, "PyAV, one process, its threads")


def best(*functions: Callable[[], object]) -> list[float]:
    """Least seconds of three calls of each, taken in turns."""
    seconds = [float("inf")] * len(functions)
    for _ in range(3):
        for at, function in enumerate(functions):
            start = time.perf_counter()
            function()
            seconds[at] = min(seconds[at], time.perf_counter() - start)
    return seconds


def said(who: str, frames: int, export: float, peer: float, peer_name: str) -> None:
    print(
        f"  {who}: {frames / export:,.0f} frames/s read for CAER-S; {peer_name}: "
        f"{frames / peer:,.0f} frames/s decoded; ratio of times {export / peer:.2f}"
    )


def made_video(folder: Path) -> Path:
    """A moving picture with fine detail and noise, where no real videos are given."""
    random = np.random.default_rng(0)
    spots = cv2.resize(random.integers(0, 255, (45, 80, 3)).astype(np.uint8), (1400, 800))
    path = folder / "made.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=Fraction(25), options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 712, 400, "yuv420p"
        for index in range(400):
            shown = spots[index // 2 : index // 2 + 400, index : index + 712]
            noise = random.normal(0, 4, shown.shape)
            picture = np.clip(shown + noise, 0, 255).astype(np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        output.mux(stream.encode(None))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=13201)
    parser.add_argument("--videos", type=Path, nargs="*", default=[])
    parser.add_argument("--pictures-of", type=int, default=24, help="clips that become pictures")
    parser.add_argument("--jobs", type=int, default=cores())
    arguments = parser.parse_args()
    without_media(arguments.clips)
    with tempfile.TemporaryDirectory() as folder:
        videos = arguments.videos or [made_video(Path(folder))]
        pictures(videos, arguments.jobs, arguments.pictures_of)


if __name__ == "__main__":
    sys.exit(main())
