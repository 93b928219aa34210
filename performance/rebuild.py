"""How exactly clips are found in other rips of an episode: a table by what was done to the rip.

    python performance/rebuild.py ../shared/data --half report [--seed N]

Episodes are edited from real footage, see `rips.py`; rules and thresholds were chosen with seed 0,
most of them on the half `tune`. A clip counts as found where both of its ends are within two
frames, at 25 a second.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rips import PARTS, RATE, WHOLE, Box, Rip, clips, episode, make, rips

from caer_data.media import alignment, fingerprints, windows
from caer_data.media.alignment import Alignment, Known
from caer_data.media.decode import frames
from caer_data.media.probe import probe
from caer_data.media.scan import scan, shares
from caer_data.media.shared_frame import RELEASED
from caer_data.media.sound_prints import sound_prints

FACE: Box = (0.4, 0.3, 0.6, 0.7)
CLOSE = 2


@dataclass
class Row:
    """What came of one rip: errors in frames, and what was found that is not there."""

    asked: int = 0
    errors: list[float] = field(default_factory=list)
    wrong: int = 0
    overlap: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        errors = np.array(self.errors)
        close = [int((errors <= limit).sum()) for limit in (0.5, 1, CLOSE)]
        return (
            f"| {self.asked} | {close[0]} | {close[1]} | {close[2]} | "
            f"{self.asked - len(errors)} | {self.wrong} | {self.overlap:.2f} | {self.seconds:.0f} |"
        )


def known_of(path: Path) -> Known:
    """What a release says of an episode."""
    info = probe(path)
    writer = fingerprints.Writer(info.time_base)
    for frame in frames(path, info, for_analysis=True):
        writer.push(frame)
    pts, pictures, inside = writer.finish()
    kept = ~windows.flat(pictures)
    times = (pts - pts[0]) * float(info.time_base)
    hashes = windows.hashes(pictures[kept], RELEASED)
    return Known(times[kept], hashes, shares(inside[kept]), sound_prints(path, info))


def measured(known: Known, rip: Rip, path: Path, spans: list[tuple[float, float]]) -> Row:
    """Find all clips in a rip."""
    start = time.perf_counter()
    aligned = alignment.align(known, scan(path, probe(path), sound=True))
    row = Row()
    for span in spans:
        _judge(row, rip, span, aligned)
    if aligned is not None:
        row.overlap = _overlap(aligned.frame.moved(FACE), rip.box(FACE))
    row.seconds = time.perf_counter() - start
    return row


def _judge(row: Row, rip: Rip, span: tuple[float, float], aligned: Alignment | None) -> None:
    found = aligned.find(*span) if aligned else None
    start, end = rip.at(span[0]), rip.at(span[1])
    whole = (
        start is not None
        and end is not None
        and abs(end - start - rip.speed * (span[1] - span[0])) < 1e-6
    )
    if not whole or start is None or end is None:
        row.wrong += found is not None
        return
    row.asked += 1
    if found is not None:
        row.errors.append(max(abs(found.start - start), abs(found.end - end)) * RATE)


def _overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of the footage")
    parser.add_argument("--half", choices=list(PARTS), default="report")
    parser.add_argument("--seed", type=int, default=0, help="another one makes other rips")
    parser.add_argument("--rips", help="only rips whose name contains this")
    parser.add_argument("--work", type=Path, help="folder where rips are kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = arguments.work or Path(scratch)
        half, seed = arguments.half, arguments.seed
        original = episode(arguments.folder, half, seed, work / f"{half}{seed}.mp4")
        known, spans = known_of(original), clips(arguments.folder, half, seed)
        print("| rip | clips | 0.5 frames | 1 | 2 | not found | wrong | box IoU | s |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
        total = Row()
        overlaps: list[float] = []
        for number, (name, rip) in enumerate(rips(seed).items()):
            if arguments.rips and not any(word in name for word in arguments.rips.split("/")):
                continue
            suffix = ".avi" if "AVI" in name else ".mp4"
            path = work / f"{half}{seed}-{number:02d}{suffix}"
            make(arguments.folder, original, rip, path)
            row = measured(known, rip, path, spans)
            print(f"| {name} {row}", flush=True)
            total.asked += row.asked
            total.errors += row.errors
            total.wrong += row.wrong
            overlaps.append(row.overlap)
            total.seconds += row.seconds
        total.overlap = float(np.mean(overlaps)) if overlaps else 0.0
        print(f"| **all** {total}")
        other = next(name for name in PARTS if name != half)
        strange = episode(arguments.folder, other, seed, work / f"{other}{seed}.mp4")
        found = measured(known, Rip(out=((-1.0, 1e6),), shown=WHOLE), strange, spans)
        print(f"another episode: {found.wrong} of {len(spans)} clips found in it")


if __name__ == "__main__":
    main()
