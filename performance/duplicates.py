"""How well repeated footage is found, whatever was done to it, and how seldom by mistake.

    python performance/duplicates.py FOLDER [--work SCRATCH] [--half tune|report] [--seed N ...]
        [--pictures]

FOLDER holds real videos. Pieces of four seconds are cut from them, and each is edited in ten ways.
Recall is the share of edited pieces that are matched with the piece they were made from; false
alarms are matches with pieces of other videos (other scenes), of other takes of one person before
one camera (other takes), or of another moment of the same video (same set-up). `--half` takes the
videos with even (tune) or odd numbers (report); docs/build.md says which thresholds were chosen
with which half in view. With a seed other than 0, pieces begin elsewhere, crops lie off the centre,
logos are in another corner and of another size, and recaps are cut at other moments. Several seeds
are measured one after the other and then counted together. Even seeds are for looking at what is
missed (`--misses`) and for choosing thresholds, odd seeds for testing. Intervals hold 95 % of
10,000 samples of the videos, since excerpts of one video are not independent.
With `--pictures`, only one picture of each piece is compared, as in audits of datasets of pictures,
one kind of edit at a time.
Peers: the 64-bit pHash of imagehash on four frames, and ORB features of OpenCV with RANSAC.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import imagehash
import imageio_ffmpeg
import numpy as np
from PIL import Image

from caer_data.auditing import compare, media
from caer_data.media import fingerprints, passages, sound_prints
from caer_data.media.decode import frames
from caer_data.media.matching import Match, Strip
from caer_data.media.probe import probe

SECONDS = 4
FFMPEG_SECONDS = 120
LEAST = 1.0  # seconds of a recap
SAMPLES = 10_000  # of the videos, for intervals
APART = 6
MAX_PIECES = 4  # pieces of a video
KINDS = (
    "re-encode", "size", "crop 5 %", "crop 10 %", "logo", "bars", "letterbox", "pillarbox",
    "mirrored", "recap",
)  # fmt: skip


def edit(kind: str, seed: int, piece: int, seconds: float) -> list[str]:
    """Options of ffmpeg for an edit of this kind; seed 0 edits all pieces in the same way.

    At least `LEAST` of the piece's seconds are left, the length of the shortest clip of a dataset.
    """
    random = np.random.default_rng([seed, piece])
    left, top, size, start, length = 0.82, 0.05, 1.0, 1.1, 2.0
    place = ""
    if seed:
        left, top = random.uniform(0.03, 0.1), random.uniform(0.04, 0.1)
        left = random.choice([left, 0.8])
        size, start, length = random.uniform(0.7, 1.2), *random.uniform([0.1, 1.5], [1.4, 2.4])
        place = f":(iw-ow)*{random.uniform(0.2, 0.8):.2f}:(ih-oh)*{random.uniform(0.2, 0.8):.2f}"
    start = max(0.0, min(start, seconds - LEAST))
    logo = ",".join(
        f"drawbox=x=iw*{left + size * x:.3f}:y=ih*{top + size * y:.3f}:w=iw*{size * w:.3f}:"
        f"h=ih*{size * h:.3f}:color={colour}:t=fill"
        for x, y, w, h, colour in ((0, 0, 0.13, 0.1, "white"), (0.02, 0.02, 0.09, 0.06, "red"))
    )
    return {
        "re-encode": ["-vf", "null", "-crf", "34"],
        "size": ["-vf", "scale=-2:180"],
        "crop 5 %": ["-vf", f"crop=iw*0.9:ih*0.9{place}"],
        "crop 10 %": ["-vf", f"crop=iw*0.8:ih*0.8{place}"],
        "logo": ["-vf", logo],
        "bars": ["-vf", "drawbox=y=0:h=ih*0.12:w=iw:color=black:t=fill,"
                        "drawbox=y=ih*0.88:h=ih*0.12:w=iw:color=black:t=fill"],
        "letterbox": ["-vf", "pad=iw:ih*4/3:0:(oh-ih)/2"],
        "pillarbox": ["-vf", "pad=iw*4/3:ih:(ow-iw)/2:0"],
        "mirrored": ["-vf", "hflip"],
        "recap": ["-ss", f"{start:.2f}", "-t", f"{length:.2f}", "-vf",
                  f"crop=iw*0.92:ih*0.92{place},{logo}", "-crf", "32"],
    }[kind]  # fmt: skip


@dataclass
class Piece:
    """Four seconds of a video, or an edit of them."""

    video: int
    number: int
    kind: str
    path: Path


def ffmpeg(*arguments: str, to: Path) -> None:
    """Make a file with FFmpeg, within `FFMPEG_SECONDS`; a file that is there is complete."""
    unfinished = to.with_stem(f"{to.stem}-unfinished")
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *arguments,
         str(unfinished)],
        check=True, timeout=FFMPEG_SECONDS,
    )  # fmt: skip
    unfinished.replace(to)


def pieces(videos: list[Path], work: Path, seed: int) -> list[Piece]:
    """Cut pieces; what is there already is kept."""
    work.mkdir(parents=True, exist_ok=True)
    made: list[Piece] = []
    for at, video in enumerate(videos):
        length = probe(video).duration_s or SECONDS
        for number in range(min(MAX_PIECES, max(1, int((length + 2) // APART)))):
            plain = work / f"{at:03d}-{number}-original.mp4"
            made.append(Piece(at, number, "original", plain))
            if not plain.is_file():
                start = number * APART + (1.3 * seed % 2 if length >= APART + SECONDS else 0)
                ffmpeg("-ss", str(start), "-t", str(SECONDS), "-i", str(video), "-vf",
                       "scale=-2:min(ih\\,360),crop=trunc(iw/2)*2:trunc(ih/2)*2,format=yuv420p",
                       "-preset", "veryfast", to=plain)  # fmt: skip
    return made


def edits(originals: list[Piece], work: Path, seed: int, kinds: list[str]) -> list[Piece]:
    """Every edit of every piece."""
    wanted = [
        Piece(p.video, p.number, kind, work / f"{p.video:03d}-{p.number}-{kind.split()[0]}"
              f"{kind.split()[1] if ' ' in kind else ''}.mp4")
        for p in originals for kind in kinds
    ]  # fmt: skip
    sources = {(p.video, p.number): p.path for p in originals}

    def make(piece: Piece) -> None:
        if piece.path.is_file():
            return
        source = sources[piece.video, piece.number]
        seconds = probe(source).duration_s or SECONDS
        options = edit(piece.kind, seed, 100 * piece.video + piece.number, seconds)
        place = options.index("-vf") + 1
        options[place] += ",crop=trunc(iw/2)*2:trunc(ih/2)*2"
        ffmpeg("-i", str(source), *options, "-preset", "ultrafast",
               to=piece.path)  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(make, wanted))
    return wanted


def prints(path: Path) -> Strip:
    """Fingerprints as a build makes them."""
    info = probe(path)
    writer = fingerprints.Writer(info.time_base)
    for frame in frames(path, info, for_analysis=True):
        writer.push(frame)
    pts, pictures, _ = writer.finish()
    times = (pts - pts[0]) * float(info.time_base)
    stills, detailed = writer.details()
    sound = sound_prints.sound_prints(path, info)
    return Strip(times, pictures, sound, times[stills], detailed)


def picture(path: Path) -> Strip:
    """Fingerprints of the frame after a second, as an audit of pictures makes them."""
    with av.open(str(path)) as container:
        shown = [f.to_ndarray(format="gray") for f in container.decode(video=0)]
        rate = float(container.streams.video[0].average_rate)
    grey = shown[min(round(rate), len(shown) - 1)]
    return media.of_picture(grey)


def phash(path: Path) -> list[int]:
    """imagehash's pHash of four frames, as the audit of a release takes it."""
    with av.open(str(path)) as container:
        shown = [f.to_ndarray(format="gray") for f in container.decode(video=0)]
    chosen = [shown[len(shown) * n // 8] for n in (1, 3, 5, 7)]
    return [int(str(imagehash.phash(Image.fromarray(p))), 16) for p in chosen if p.std() >= 6]


def near(one: list[int], other: list[int]) -> bool:
    """Whether two of the pHashes differ in at most 6 bits."""
    return any((a ^ b).bit_count() <= 6 for a in one for b in other)


def orb(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Up to 300 ORB features of two frames, and of the same frames mirrored."""
    finder = cv2.ORB_create(300)
    with av.open(str(path)) as container:
        shown = [f.to_ndarray(format="gray") for f in container.decode(video=0)]
    found = []
    for picture in (shown[len(shown) // 3], shown[len(shown) * 2 // 3]):
        small = cv2.resize(picture, (320, 180), interpolation=cv2.INTER_AREA)
        for turned in (small, cv2.flip(small, 1)):
            points, features = finder.detectAndCompute(turned, None)
            found.append((np.array([p.pt for p in points], np.float32), features))
    return found


def same_features(one: list, other: list) -> bool:
    """Whether RANSAC finds a similarity that 20 features of two frames agree on."""
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)
    for (places, features), (others, more) in itertools.product(one, other[::2]):
        if features is None or more is None:
            continue
        pairs = matcher.match(features, more)
        if len(pairs) < 20:
            continue
        a = np.array([places[p.queryIdx] for p in pairs])
        b = np.array([others[p.trainIdx] for p in pairs])
        _, inliers = cv2.estimateAffinePartial2D(a, b, ransacReprojThreshold=4)
        if inliers is not None and inliers.sum() >= 20:
            return True
    return False


def of_peer(
    every: list[Piece], values: list, alike: Callable[[Any, Any], bool]
) -> set[tuple[int, int]]:
    """Pairs of an original and another piece that a peer calls alike."""
    originals = [at for at, p in enumerate(every) if p.kind == "original"]
    return {
        (a, b) for a in originals for b in range(a + 1, len(every)) if alike(values[a], values[b])
    }


@dataclass
class Counts:
    """What one method found.

    Attributes:
        found: by kind of edit, for each edit the number of its video and whether it was found.
        alarms: by kind of other footage, the numbers of pairs that were matched, and of pairs.
    """

    found: defaultdict[str, list[tuple[int, bool]]]
    alarms: defaultdict[str, list[int]]

    @classmethod
    def none(cls) -> Counts:
        return cls(defaultdict(list), defaultdict(lambda: [0, 0]))

    def add(self, other: Counts) -> None:
        """Count another seed as well."""
        for kind, found in other.found.items():
            self.found[kind] += found
        for kind, (alarms, pairs) in other.alarms.items():
            self.alarms[kind][0] += alarms
            self.alarms[kind][1] += pairs

    def show(self, name: str) -> None:
        """Print recall by kind of edit, and false alarms."""
        print(f"{name}:")
        for kind, found in self.found.items():
            low, high = interval(found)
            right = sum(yes for _, yes in found)
            print(
                f"  {kind}: {right / len(found):.3f} ({right} of {len(found)}; "
                f"95 % interval {low:.3f} to {high:.3f})"
            )
        for kind, (alarms, pairs) in self.alarms.items():
            rate = f"{1000 * alarms / pairs:.2f} per 1,000"
            if not alarms:
                # with 95 % confidence, if pairs were independent
                rate = f"at most {1000 * (1 - 0.05 ** (1 / pairs)):.2f} per 1,000"
            print(f"  false alarms, {kind}: {alarms} of {pairs:,} pairs ({rate})")


def interval(found: list[tuple[int, bool]]) -> tuple[float, float]:
    """Return the interval that holds 95 % of the recalls of samples of the videos."""
    videos = sorted({video for video, _ in found})
    right = np.array([sum(yes for v, yes in found if v == video) for video in videos])
    count = np.array([sum(v == video for v, _ in found) for video in videos])
    drawn = np.random.default_rng(0).integers(len(videos), size=(SAMPLES, len(videos)))
    low, high = np.quantile(right[drawn].sum(axis=1) / count[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def counted(
    every: list[Piece], pairs: set[tuple[int, int]], exempt: set[int], takes_of: dict[int, str]
) -> Counts:
    """Count recall by kind of edit, and false alarms; pairs are of positions in the list.

    Videos with equal names in `takes_of` show one person before one camera.
    """
    counts = Counts.none()
    of = originals_of(every)
    for at, piece in enumerate(every):
        if piece.kind != "original":
            found = (of[piece.video, piece.number], at) in pairs
            counts.found[piece.kind].append((piece.video, found))
    for a, b in itertools.combinations(range(len(every)), 2):
        one, other = every[a], every[b]
        if exempt & {one.video, other.video} or "original" not in (one.kind, other.kind):
            continue
        if (one.video, one.number) != (other.video, other.number):
            takes = takes_of.get(one.video), takes_of.get(other.video)
            alone = takes[0] is None or takes[0] != takes[1]
            kind = "other scenes" if alone else "other takes"
            kind = kind if one.video != other.video else "same set-up"
            counts.alarms[kind][0] += (a, b) in pairs
            counts.alarms[kind][1] += 1
    return counts


def originals_of(every: list[Piece]) -> dict[tuple[int, int], int]:
    """Return the positions of the originals by video and number."""
    return {(p.video, p.number): at for at, p in enumerate(every) if p.kind == "original"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, help="folder where edits are kept, by seed")
    parser.add_argument("--half", choices=["tune", "report", "all"], default="report")
    parser.add_argument(
        "--seed", type=int, nargs="+", default=[0], help="others than 0 make other edits"
    )
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    parser.add_argument("--pictures", action="store_true", help="compare single pictures")
    parser.add_argument("--peers", action="store_true", help="measure pHash and ORB as well")
    parser.add_argument("--misses", action="store_true", help="print what is missed or mistaken")
    parser.add_argument(
        "--shares",
        nargs="*",
        default=["composite_open_44s.mp4", "webcam_face_noface_vfr_6s.mov"],
        help="videos that hold material of others, where a match is not a false alarm",
    )
    arguments = parser.parse_args()
    places = ("videos/*", "shots_gt/*.m*", "identities/intel_asl/*.mkv")
    videos = sorted(p for place in places for p in arguments.folder.glob(place))
    together: defaultdict[str, Counts] = defaultdict(Counts.none)
    with tempfile.TemporaryDirectory() as scratch:
        for seed in arguments.seed:
            work = (arguments.work or Path(scratch)) / f"seed-{seed}"
            originals = pieces(videos, work, seed)
            if arguments.half != "all":
                side = arguments.half == "report"
                originals = [p for p in originals if p.video % 2 == side]
            edited = edits(originals, work, seed, arguments.kinds)
            print(f"seed {seed}")
            parts = [edited]
            if arguments.pictures:
                parts = [[p for p in edited if p.kind == kind] for kind in arguments.kinds]
            for part in parts:
                for name, counts in measure([*originals, *part], videos, arguments).items():
                    counts.show(name)
                    together[name].add(counts)
    if len(arguments.seed) > 1 or arguments.pictures:
        print("together")
        for name, counts in together.items():
            counts.show(name)


def measure(
    every: list[Piece], videos: list[Path], arguments: argparse.Namespace
) -> dict[str, Counts]:
    """Compare all pieces, and count what each method finds."""
    exempt = {at for at, v in enumerate(videos) if v.name in arguments.shares}
    start = time.perf_counter()
    strips = [(picture if arguments.pictures else prints)(p.path) for p in every]
    partners, near_bits = passages.PARTNERS, passages.NEAR
    if arguments.pictures:
        partners, near_bits = compare.PARTNERS, passages.near_among(len(strips))
    made = time.perf_counter() - start
    matches = {
        (one, other): match
        for one, other, match in passages.shared(strips, None, partners, near_bits)
    }
    found = {
        pair
        for pair, match in matches.items()
        if passages.repeated(match, strips[pair[0]], strips[pair[1]])
    }
    spent = time.perf_counter() - start - made
    print(f"{len(every)} pieces: fingerprints {made:.1f} s, matching {spent:.1f} s")
    takes = {
        at: v.name.split("_")[0] for at, v in enumerate(videos) if v.parent.name == "intel_asl"
    }
    if arguments.misses:
        explain(every, videos, matches, found, exempt)
    methods = {"caer-data": counted(every, found, exempt, takes)}
    if arguments.peers:
        hashes, features = [phash(p.path) for p in every], [orb(p.path) for p in every]
        methods["imagehash"] = counted(every, of_peer(every, hashes, near), exempt, takes)
        methods["ORB"] = counted(every, of_peer(every, features, same_features), exempt, takes)
    return methods


def explain(
    every: list[Piece],
    videos: list[Path],
    matches: dict[tuple[int, int], Match],
    found: set[tuple[int, int]],
    exempt: set[int],
) -> None:
    """Print the edits that are missed and the other pairs that are matched, with their match."""
    of = originals_of(every)
    mistaken = {
        (a, b) for a, b in found
        if (every[a].video, every[a].number) != (every[b].video, every[b].number)
        and "original" in (every[a].kind, every[b].kind)
        and not exempt & {every[a].video, every[b].video}
    }  # fmt: skip
    missed = {
        (of[p.video, p.number], at) for at, p in enumerate(every) if p.kind != "original"
    } - found
    for what, pairs in (("missed", missed), ("matched", mistaken)):
        for a, b in sorted(pairs):
            names = (f"{videos[every[n].video].name} ({every[n].path.name})" for n in (a, b))
            print(f"  {what}: {' and '.join(names)}: {matches.get((a, b), 'not compared closely')}")


if __name__ == "__main__":
    main()
