"""How quick exports are, against a named peer where there is one.

    python performance/export.py [--clips 13201[,200000]] [--by clip,show] [--videos FILE ...]
        [--jobs N] [--pictures-of 24]

1. A whole export of made-up clips, as many as the paper has, but for what reads media: processor
   time of every step and peak memory, in a process of its own; then `verify` and `diff` of what it
   made, in one each.
2. CAER-S pictures: the whole export (decoding, choosing, PNG, hashes) against PyAV decoding the
   same clips once, both with one process and both on all cores; in the same run, best of three.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.engine.columns import Table
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import EMOTIONS, PROBABILITY_COLUMNS
from caer_data.engine.files import write_text
from caer_data.engine.pool import cores, run_map
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Export
from caer_data.export import PRELOAD, diff, media, plan, release, verify
from caer_data.export.frames import number, stretches

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
    start -= start[np.searchsorted(video, video)]  # each video begins with its first clip
    clip_id = [f"show-{v // 16:02d}-e{v % 16:02d}-s{i:06d}" for i, v in enumerate(video)]
    hashes = random.integers(0, 2**63, count)
    keys = pd.Series([f"{n:064x}" for n in range(79 * 16)])
    emotions = pd.Series(EMOTIONS)
    values: dict[str, object] = {
        "clip_id": clip_id, "clip_key": [f"k{i:09d}" for i in range(count)],
        "shot_id": clip_id, "video_id": [f"v{v:04d}" for v in video],
        "show": [f"Show {v // 16}" for v in video], "episode": [f"e{v % 16}" for v in video],
        "person_id": [f"show-{v // 16}-p{n}" for v, n in zip(video, random.geometric(0.2, count),
                                                             strict=True)],
        "track_id": clip_id, "start_frame": start, "end_frame": start + frames,
        "start_pts": start, "end_pts": start + frames, "start_s": start / 25,
        "end_s": (start + frames) / 25, "frames": frames, "fps": "25", "width": 712, "height": 400,
        "path": [f"clips/{name}.mp4" for name in clip_id], "bytes": 500_000,
        "sha256": [f"{h:064x}" for h in hashes], "video_key": keys[video].to_numpy(),
        "box_x1": 0.4, "box_y1": 0.3, "box_x2": 0.55, "box_y2": 0.65, "variable_rate": False,
        "coverage": 1.0, "face_height": random.uniform(0.1, 0.6, count), "dominance": 9.0,
        "sharpness": 0.5, "brightness": 0.5, "emotion": emotions[label].to_numpy(), "label": label,
    }  # fmt: skip
    return pd.DataFrame(values).sort_values("clip_id", ignore_index=True)


def write_dataset(folder: Path, clips: pd.DataFrame) -> None:
    """The tables of a dataset that has these clips, three answers to each, and no media."""
    dataset = Dataset(folder)
    write_text(dataset.recipe_path, recipes.dump(recipes.Recipe()))
    dataset.tables_folder.mkdir()

    def write(table: Table, **columns: object) -> None:
        path = dataset.tables_folder / f"{table.name}.parquet"
        known = {name: columns.get(name) for name in table.names}
        data = pd.DataFrame(known, index=range(len(next(iter(columns.values())))))  # type: ignore[arg-type]
        pq.write_table(pa.Table.from_pandas(data, table.schema, preserve_index=False), path)

    own = {name: clips[name] for name in clips.columns}
    videos = clips.drop_duplicates("video_id", ignore_index=True)
    write(
        tables.VIDEOS, **{name: videos[name] for name in ("video_id", "show", "episode")},
        path=videos["video_id"], status="ok", frames=2_160_000, fps="25", variable_rate=False,
        time_base="1/25", first_pts=0, duration_s=86_400.0, width=1280, height=720, bytes=10**9,
        sha256=videos["video_key"], scan_type="progressive", shape_changes=False, retimed=0,
    )  # fmt: skip
    write(tables.SHOTS, **own)
    write(tables.TRACKS, **own, detections=20, score=0.9)
    people = clips.drop_duplicates("person_id", ignore_index=True)
    write(
        tables.PEOPLE, person_id=people["person_id"], show=people["show"], tracks=1, shots=1,
        videos=1, seconds=1.0, best_track_id=people["track_id"], identity=people["person_id"],
    )  # fmt: skip
    write(tables.CLIPS, **own, status="kept", n_people=1, has_audio=True)
    for table in (tables.REPEATS, tables.SPEECH, tables.LINES, tables.AUDIO_TRACKS, tables.KEYS):
        dataset.write(table, tables.empty(table))
    votes = [
        [{"rater": f"r{r}@example.org", "emotion": e, "confidence": c}
         for r, e, c in ((i % 50, emotion, 0.8), (i % 50 + 1, emotion, 0.6), (60, "neutral", 0.5))]
        for i, emotion in enumerate(clips["emotion"])
    ]  # fmt: skip
    label = clips["label"].to_numpy()
    shares = {n: (label == i) * 0.67 for i, n in enumerate(PROBABILITY_COLUMNS)}
    write(
        tables.LABELS, **own, status="kept", raters=3, votes=votes, agreement=2, confidence=0.63,
        made_up=False, **shares,
    )  # fmt: skip
    anchors = [c.name for c in (*tables.ANCHOR, *tables.BOX)]
    thrice = clips.loc[clips.index.repeat(3), ["clip_key", "clip_id", *anchors]]
    answers = [vote for three in votes for vote in three]
    write(
        tables.RATINGS, **{n: thrice[n].to_numpy() for n in thrice.columns},
        rater=[v["rater"] for v in answers], emotion=[v["emotion"] for v in answers],
        confidence=[v["confidence"] for v in answers], lead_time_s=9.0, status="accepted",
        too_fast=False, edited=False, source="csv", source_id=[str(i) for i in range(len(thrice))],
    )  # fmt: skip
    with pq.ParquetWriter(
        dataset.tables_folder / "faces.parquet", tables.FACES.schema, compression="zstd"
    ) as out:
        for at in range(0, len(clips), 10_000):
            out.write_table(faces_of(clips.iloc[at : at + 10_000]))


def faces_of(clips: pd.DataFrame) -> pa.Table:
    """A box in every frame of these clips."""
    frame = np.concatenate(
        [np.arange(a, b) for a, b in zip(clips.start_frame, clips.end_frame, strict=True)]
    )
    drift = (frame % 100).astype(np.float32)
    values = {"track_id": np.repeat(clips["track_id"].to_numpy(object), clips["frames"]),
              "frame": frame, "time_s": frame / 25, "x1": 500 + drift,
              "y1": 200 + drift, "x2": 700 + drift, "y2": 460 + drift,
              "score": np.float32(1), "interpolated": frame % 5 != 0}  # fmt: skip
    return pa.Table.from_pandas(pd.DataFrame(values), tables.FACES.schema, preserve_index=False)


STEPS = (
    (plan.labelled, "read"), (plan.boxes, "of_dataset"),
    (plan.splits, "assign"), (plan, "plan"), (release.labelled, "changed"),
    (release.cards, "collect"), (release, "_key"), (release, "works"), (release, "Results"),
    (release, "write_boxes"), (release, "write_manifest"), (release, "audit_parts"),
    (release, "write_pairs"), (release, "write"), (release.cards, "write"), (release, "describe"),
    (release.plan, "remember"),
)  # fmt: skip
"""Functions whose processor time is printed; `plan` contains those before it."""


def measured(folder: Path, by: str) -> None:
    """Processor time by step and peak memory of one export, in this process."""
    took: dict[str, list[float]] = {}

    def timed(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def call(*values: object, **named: object) -> object:
            start, before = time.process_time(), peak_mb()
            try:
                return function(*values, **named)
            finally:
                own = took.setdefault(name, [0.0, 0.0])
                own[0] += time.process_time() - start
                own[1] += peak_mb() - before

        return call

    for module, name in STEPS:
        label = f"{module.__name__.rpartition('.')[2]}.{name}"
        setattr(module, name, timed(label, getattr(module, name)))
    release.run_map = made_up  # type: ignore[assignment]
    start = time.process_time()
    options = plan.Options(Export(by=by, layouts=("caer", "caer-s")), seed=2019, media=False)
    target = folder.with_name(f"release-{by}")
    made = release.export(Dataset(folder), target, options, Reporter("quiet"))
    whole = time.process_time() - start
    print(
        f"{len(made.plan.clips):,} clips, {len(made.plan.files):,} files, --by {by}: {whole:.1f} s "
        f"of processor time, peak memory {peak_mb():,.0f} MB; {len(made.findings)} findings"
    )
    for name, (seconds, more) in took.items():
        print(f"  {name:<24}{seconds:7.1f} s, peak {more:+,.0f} MB", flush=True)


def read_again(folder: Path, by: str, what: str) -> None:
    """Processor time and peak memory of a command that reads a release, in this process."""
    target = folder.with_name(f"release-{by}")
    start = time.process_time()
    if what == "verify":
        assert not verify.verify(target, Reporter("quiet")).problems
    else:
        assert diff.diff(target, target).same
    print(
        f"  {what + ', a process of its own':<24}{time.process_time() - start:7.1f} s, peak "
        f"{peak_mb():,.0f} MB",
        flush=True,
    )


def peak_mb() -> float:
    """Peak memory of this process; `ru_maxrss` begins with that of the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def without_media(counts: list[int], ways: list[str]) -> None:
    """All that an export does besides reading media, each in a process of its own."""
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "dataset"
            folder.mkdir()
            write_dataset(folder, labelled_clips(count, np.random.default_rng(0)))
            for by in ways:
                for function, more in ((measured, ()), (read_again, ("verify",)),
                                       (read_again, ("diff",))):  # fmt: skip
                    arguments = (folder, by, *more)
                    child = get_context("spawn").Process(target=function, args=arguments)
                    child.start()
                    child.join()
                    if child.exitcode:
                        sys.exit(
                            f"{function.__name__} {' '.join(more)}: exit code {child.exitcode}"
                        )


def made_up(
    function: object, tasks: Iterator[media.Work], jobs: int, preload: object
) -> Iterator[dict[str, object]]:
    """Made-up answers of the media: every hash is another one."""
    random = np.random.default_rng(1)
    for task in tasks:
        digits = random.bytes(8 * (4 + len(task.pictures))).hex()
        words = [digits[at : at + 16] for at in range(0, len(digits), 16)]
        found: dict[str, object] = {
            picture.path: {
                "frame": picture.from_frame, "x1": 278, "y1": 111, "x2": 389, "y2": 256,
                "framehash": "0" * 64, "perceptual_hash": word,
            }
            for picture, word in zip(task.pictures, words[4:], strict=True)
        }  # fmt: skip
        yield {
            "clip_id": task.clip_id, "sha256": "0" * 64, "bytes": 500_000, "framehash": "0" * 64,
            "perceptual_hash": " ".join(words[:4]), "files": found,
        }  # fmt: skip


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
    parser.add_argument("--clips", default="13201", help="numbers of clips, joined by commas")
    parser.add_argument("--by", default="clip,show", help="ways to split, joined by commas")
    parser.add_argument("--videos", type=Path, nargs="*", default=[])
    parser.add_argument("--pictures-of", type=int, default=24, help="clips that become pictures")
    parser.add_argument("--jobs", type=int, default=cores())
    arguments = parser.parse_args()
    without_media([int(n) for n in arguments.clips.split(",")], arguments.by.split(","))
    if not arguments.pictures_of:
        return
    with tempfile.TemporaryDirectory() as folder:
        videos = arguments.videos or [made_video(Path(folder))]
        pictures(videos, arguments.jobs, arguments.pictures_of)


if __name__ == "__main__":
    sys.exit(main())
