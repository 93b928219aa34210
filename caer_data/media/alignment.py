"""Alignment of a video with another copy of it that may differ in rate, cuts, insertions and frame.

Only hashes of some pictures of the first video are known, and fingerprints of its sound. The other
file is available, so every frame of it has a fingerprint. Similar pictures, and similar sound, vote
for a speed and for shifts in time; each advert that was removed or inserted causes another shift.
The cheapest path through all pictures (Viterbi) determines which shift applies when, so that
repeated camera set-ups do not mislead it. An edit removes or inserts footage, but does not reorder
it, so stretches are dropped for which the other file would go back in time. Finally, all pictures
of a stretch together determine its position to a hundredth of a second.

Sound counts where the pictures of a rip are too dark or too altered to be recognised, or where
nothing moves in them. It never replaces the pictures altogether: those of a clip have to resemble
the recorded ones more than unrelated pictures do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from caer_data.media import shared_frame, sound_alignment, windows
from caer_data.media.fingerprints import RATE
from caer_data.media.scan import Scan, shares
from caer_data.media.shared_frame import Hashes, Pairs, SharedFrame
from caer_data.media.sound_alignment import SoundAlignment

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

SPEEDS: Final = (1.0, 24 / 25, 23.976 / 25, 25 / 24, 25 / 23.976, 1.001, 1 / 1.001)
"""Seconds of the other file per second of the first: PAL and film speeds, 1000/1001 rates."""

_NEAR: Final = 11  # maximum difference of pictures that vote, in bits out of 64
_BIN: Final = 0.5  # s; votes for shifts within one bin are added up
_SHIFTS: Final = 32  # number of shifts that are tried
_SPARSE: Final = RATE  # step between the pictures that identify a file
_MIN_VOTES: Final = 6  # pictures that must vote for the best shift
_MANY: Final = 0.25  # share of a video's pictures that identify it without its sound
_SAMPLE: Final = 80  # pictures that determine the shared frame
_BARS: Final = 12  # kinds of bars in the first video that are distinguished
_AROUND: Final = 0.6  # s
_STEPS: Final = np.round(np.arange(-_AROUND, _AROUND + 1e-9, 0.01), 3)
_COARSE: Final = np.round(np.arange(-0.3, 0.31, 0.06), 3)
_HERE: Final = np.zeros(1)
_ABSENT: Final = 18.0  # cost in bits of a picture that is not in the file
_SWITCH: Final = 45.0  # cost in bits of a change from one shift to another
_STRETCH: Final = 4  # pictures of the shortest stretch
_OVERLAP: Final = 1.0  # s by which neighbouring stretches may seem to overlap in the file
_ATTEMPTS: Final = 8  # paths that are tried until none goes back in time
_OWN: Final = RATE  # pictures of the shortest span that can have another position than its stretch
_BLOCK_S: Final = 20.0  # length of the blocks of a stretch that measure its drift
_BLOCKS: Final = 3  # minimum number of blocks with a definite position
_DRIFT: Final = 0.04  # s over a stretch; a smaller drift is taken for a usual speed
_FITS: Final = 20.0  # maximum mean difference of a span at its stretch's position, out of 64
_RESEMBLES: Final = 26.0  # the same for pictures if the sound of the span fits
_SOUNDS: Final = 18.0  # maximum mean difference of sound that fits
_CLEAR: Final = 12.0  # median difference of the pictures of a stretch that need no sound
_BETTER: Final = 1.5  # bits by which another position must fit better than the stretch's
_EDGE: Final = RATE // 2  # pictures at the ends of a stretch that may belong to something else
_MIN_PAIRS: Final = 2 * RATE  # moments that must sound alike to determine the shared frame
_AS_WELL: Final = 1.03  # costs that differ less than by this factor are equal
_ALIKE: Final = 18.0  # maximum mean difference, capped at 22, of pictures that sound alike
_SAME_LINE: Final = 0.08  # s by which two stretches may differ that are one
_SHARP: Final = 2.0  # bits by which a definite position fits better than those 0.25 s away
_QUARTER: Final = 25  # of `_STEPS`


@dataclass(frozen=True)
class Known:
    """What is known about the first video.

    Attributes:
        times: time of each picture, seconds from the first frame, rising; shape (n,).
        hashes: hashes in the released windows; shape (n, windows of `RELEASED`), uint64.
        inside: box between the black bars, as shares of the frame; shape (n, 4).
        sound: fingerprints of the sound, see `sound_prints`; empty if unknown.
    """

    times: Floats
    hashes: Hashes
    inside: Floats
    sound: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))


@dataclass(frozen=True)
class Stretch:
    """A part of the first video that the other file contains without interruption.

    Time `t` of the first video is at `t * rate + shift` in the other, all in seconds.
    """

    start: float
    end: float
    rate: float
    shift: float

    def at(self, time: float) -> float:
        """Return the time in the other file."""
        return time * self.rate + self.shift


@dataclass(frozen=True)
class Found:
    """The position of a span of the first video in the other file.

    Attributes:
        start: start in the other file, seconds.
        end: end in the other file, seconds, exclusive.
        bits: mean difference of the pictures' hashes, in bits out of 64.
        error_s: deviation from the position where the span's own pictures (or its sound, if they do
            not determine one) fit best, seconds; None if neither determines one.
        sound: mean difference of the sound, in bits out of 64; None if it was not compared.
    """

    start: float
    end: float
    bits: float
    error_s: float | None
    sound: float | None = None


class Alignment:
    """The alignment of a file with a known video.

    Attributes:
        frame: position of the first video's frame in the other's.
        stretches: the parts that the file contains, in the order of the first video.
    """

    def __init__(
        self, known: Known, scan: Scan, frame: SharedFrame, sound: SoundAlignment | None = None
    ) -> None:
        self.frame = frame
        self._sound = sound
        self.stretches: list[Stretch] = []
        self._known, self._times = known, scan.times
        self._wanted = known.hashes[:, frame.window]
        boxes, self._kind = _kinds(known.inside)
        self._shown = np.stack([frame.hashes(scan.pictures, box) for box in boxes])

    @property
    def share(self) -> float:
        """Share of the shorter one of the two that the other contains."""
        known = sum(stretch.end - stretch.start for stretch in self.stretches)
        shown = sum((stretch.end - stretch.start) * stretch.rate for stretch in self.stretches)
        return max(known / _length(self._known.times), shown / _length(self._times))

    def follow(self, ways: Sequence[tuple[float, Floats]]) -> None:
        """Find the stretches at the best-fitting speed; `ways` are speeds with their shifts."""
        found = [self._followed(speed, shifts) for speed, shifts in ways]
        least = min(cost for cost, _ in found)
        # speeds that hardly differ fit a short video equally well; the usual ones come first
        self.stretches = next(made for cost, made in found if cost <= least * _AS_WELL)

    def _followed(self, speed: float, shifts: Floats) -> tuple[float, list[Stretch]]:
        """Return the remaining cost in bits and the stretches at one speed."""
        paths = _forward(self._emissions(speed, shifts), self._known.times * speed, shifts)
        if not paths:
            return float("inf"), []
        parts = [(part, float(shifts[number])) for number, part in paths]
        longest = max(parts, key=lambda part: part[0].stop - part[0].start)
        rate = self._rate(longest[0], speed, longest[1])
        cost, stretches, gains = _SWITCH * len(parts), [], []
        absent = len(self._wanted)
        for part, shift in parts:
            # the shift was found at another speed, relative to the start of the video
            middle = float(self._known.times[part].mean())
            stretch, bits = self._placed(part, rate, shift + middle * (speed - rate))
            stretches.append(stretch)
            cost += bits
            absent -= part.stop - part.start
            gains.append(_ABSENT * (part.stop - part.start) - bits)
        spans = [(stretch.at(stretch.start), stretch.at(stretch.end)) for stretch in stretches]
        kept = [stretches[index] for index in _in_order(spans, gains)]
        return cost + _ABSENT * absent, _apart(self._bridged(kept))

    def _bridged(self, stretches: Sequence[Stretch]) -> list[Stretch]:
        """Return stretches without the gaps in which both files go on and pictures are similar."""
        made: list[Stretch] = []
        for stretch in stretches:
            if made and abs(made[-1].at(stretch.start) - stretch.at(stretch.start)) < _SAME_LINE:
                gap = slice(*np.searchsorted(self._known.times, (made[-1].end, stretch.start)))
                due = self._known.times[gap] * stretch.rate + stretch.shift
                if not len(due) or self._bits(gap, due, _HERE).mean() <= _RESEMBLES:
                    made[-1] = replace(made[-1], end=stretch.end)
                    continue
            made.append(stretch)
        return made

    def find(self, start: float, end: float) -> Found | None:
        """Find a span (in seconds) of the first video; None if the file lacks any part of it."""
        times = self._known.times
        step = _step(times)
        before = times[times < end - 1e-3]
        for stretch in self.stretches:
            # pictures are not equally far apart: the last one may be longer before the end
            whole = end <= stretch.end + step or (len(before) and before[-1] <= stretch.end)
            if stretch.start - step <= start and whole:
                return self._found(stretch, start, end)
        return None

    def _found(self, stretch: Stretch, start: float, end: float) -> Found | None:
        pictures = slice(*np.searchsorted(self._known.times, (start - 1e-3, end - 1e-3)))
        due = self._known.times[pictures] * stretch.rate + stretch.shift
        if not len(due):
            return None
        cost = self._bits(pictures, due, _STEPS).mean(axis=0)
        here = len(_STEPS) // 2
        own = _lowest(cost)
        sharp = len(due) >= _OWN and _is_sharp(cost, own)
        surely = sharp and cost[own] <= _FITS
        step = own if surely and cost[here] - cost[own] > _BETTER else here
        error = abs(float(_STEPS[own] - _STEPS[step])) if sharp else None
        heard = self._heard(stretch, start, end)
        sound = None
        if heard is not None:
            sound = float(heard[here])
            if error is None and _is_sharp(heard, _lowest(heard)):
                error = abs(float(_STEPS[_lowest(heard)]))
        most = _RESEMBLES if sound is not None and sound <= _SOUNDS else _FITS
        if cost[step] > most:
            return None
        moved = float(_STEPS[step])
        bits = float(cost[step])
        return Found(stretch.at(start) + moved, stretch.at(end) + moved, bits, error, sound)

    def _heard(self, stretch: Stretch, start: float, end: float) -> npt.NDArray[np.float32] | None:
        """Return the difference of the sound of a span for each step; None if there is none."""
        if self._sound is None:
            return None
        heard = self._sound.over(start, end, stretch.rate, stretch.shift, _STEPS)
        return heard if np.isfinite(heard).all() else None

    def _bits(self, pictures: slice, due: Floats, steps: Floats) -> npt.NDArray[np.float32]:
        """Return the differences in bits from the frames at the times `due`, moved by each step."""
        times = self._times
        at = due[:, None] + steps
        right = np.clip(np.searchsorted(times, at), 1, len(times) - 1)
        nearest = right - (at - times[right - 1] < times[right] - at)
        different = self._shown[self._kind[pictures, None], nearest] ^ self._wanted[pictures, None]
        bits = np.bitwise_count(different).astype(np.float32)
        bits[(at < times[0] - 0.1) | (at > times[-1] + 0.1)] = windows.BITS / 2
        return np.asarray(bits)

    def _emissions(self, speed: float, shifts: Floats) -> npt.NDArray[np.float32]:
        """Return each picture's cost for each shift and (last) for absence: (n, shifts + 1)."""
        every = slice(0, len(self._wanted))
        due = self._known.times * speed
        columns = [self._bits(every, due + shift, _COARSE).min(axis=1) for shift in shifts]
        if self._sound is not None:
            times = self._known.times
            columns = [
                np.minimum(shown, self._sound.cost(times, speed, shift, _COARSE).min(axis=1))
                for shown, shift in zip(columns, shifts.tolist(), strict=True)
            ]
        absent = np.full(len(due), _ABSENT, np.float32)
        return np.stack([*columns, absent], axis=1)

    def _rate(self, part: slice, speed: float, shift: float) -> float:
        """Return the speed of a stretch, including the drift that its pictures show."""
        times = self._known.times[part]
        cost = self._bits(part, times * speed + shift, _STEPS)
        shift += float(_STEPS[_lowest(cost.mean(axis=0))])
        drift = _drift(times, self._bits(part, times * speed + shift, _STEPS))
        return _usual(speed + drift, float(times[-1] - times[0]))

    def _placed(self, part: slice, rate: float, shift: float) -> tuple[Stretch, float]:
        """Return a stretch at its best-fitting position, and its difference there in bits."""
        times = self._known.times[part]
        bits = self._bits(part, times * rate + shift, _STEPS)
        cost = bits.mean(axis=0)
        best = _lowest(cost)
        if self._sound is not None and not _is_sharp(cost, best):
            start, end = float(times[0]), float(times[-1])
            heard = self._sound.over(start, end, rate, shift, _STEPS)
            if np.isfinite(heard).all() and _is_sharp(heard, _lowest(heard)):
                best = _lowest(heard)
        shift += float(_STEPS[best])
        cost = bits[:, best]
        if np.median(cost) <= _CLEAR:
            kept = _trimmed(cost)
            times, cost = times[kept], cost[kept]
        if self._sound is not None:
            cost = np.minimum(cost, self._sound.cost(times, rate, shift, _HERE)[:, 0])
        return Stretch(float(times[0]), float(times[-1]), rate, shift), float(cost.sum())


def likely(videos: Sequence[Known], scan: Scan, most: int = 3) -> list[int]:
    """Return the indexes of the videos that a file most likely shows, best first.

    One picture per second is compared, and the sound if no video has many pictures in common with
    the file. If there are only `most` videos or fewer, all are returned, since `align` decides in
    the end.
    """
    if len(videos) <= most:
        return list(range(len(videos)))
    some = [video.hashes[::_SPARSE] for video in videos]
    owner = np.repeat(np.arange(len(some)), [len(rows) for rows in some])
    hashes = np.concatenate(some)
    pictures = scan.rough[1][:: _SPARSE // 2]
    pictures = pictures[~windows.flat(pictures)]
    votes = np.zeros(len(videos), np.int64)
    if len(pictures):
        seen = np.unique(_alike(hashes, windows.hashes(pictures))[:, 0])
        votes = np.bincount(owner[seen], minlength=len(videos))
    ranked = [int(n) for n in np.argsort(-votes, kind="stable")[:most] if votes[n]]
    if ranked and votes[ranked[0]] >= _MANY * len(some[ranked[0]]):
        return ranked
    heard = sound_alignment.votes([video.sound for video in videos], scan.sound)
    loudest = [int(n) for n in np.argsort(-heard, kind="stable")[:most] if heard[n]]
    return list(dict.fromkeys([*loudest, *ranked]))


def _length(times: Floats) -> float:
    """Return the time from the first to the last picture, at least one picture's."""
    return max(float(times[-1] - times[0]), 1 / RATE)


def align(known: Known, scan: Scan) -> Alignment | None:
    """Align a file with a video; None if the file shows something else."""
    if min(len(known.times), len(scan.times)) < _STRETCH:
        return None
    pairs = seen_again(known, scan)
    seen = [_shifts_of(known, scan, pairs, speed) for speed in SPEEDS]
    sound = None
    if len(known.sound) and len(scan.sound):
        sound = SoundAlignment(known.sound, scan.sound)
    heard = [np.zeros(0) if sound is None else sound.shifts(speed) for speed in SPEEDS]
    frames = []
    # the votes determine the shared frame; the speed is the one with the lowest remaining cost
    best = max(range(len(SPEEDS)), key=lambda n: (float(seen[n][1].max(initial=0)), -n))
    if seen[best][1].max(initial=0) >= _MIN_VOTES:
        here, there = known.times[pairs[:, 0]], scan.rough_times[pairs[:, 1]]
        off = np.abs(there - here * SPEEDS[best] - seen[best][0][0])
        frames.append(shared_frame.find(*_paired(known, scan, pairs[off < _BIN])))
    if sound is not None:
        frames = _by_sound(known, scan, sound, heard, frames)
    if not frames:
        return None
    found = Alignment(known, scan, frames[0], sound)
    shifts = [np.concatenate([own, other]) for (own, _), other in zip(seen, heard, strict=True)]
    found.follow([way for way in zip(SPEEDS, shifts, strict=True) if len(way[1])])
    return found if found.stretches else None


def _by_sound(
    known: Known,
    scan: Scan,
    sound: SoundAlignment,
    heard: Sequence[Floats],
    frames: Sequence[SharedFrame],
) -> list[SharedFrame]:
    """Return the shared frame, `frames` included, that fits best at moments that sound alike.

    Args:
        known: what is known about the first video.
        scan: the other file.
        sound: their sound.
        heard: shifts in time that the sound suggests at each of `SPEEDS`.
        frames: shared frames that the pictures suggest.
    """
    pairs = max(
        (_alike_in_sound(known, scan, sound, *way) for way in zip(SPEEDS, heard, strict=True)),
        key=len,
    )
    if len(pairs) < _MIN_PAIRS:
        return list(frames)
    tried = list(frames)
    costs = [shared_frame.cost(frame, _paired(known, scan, pairs)[0]) for frame in tried]
    for mirrored in (0, 1):
        if min(costs, default=windows.BITS) > _CLEAR:
            pairs[:, 2] = mirrored
            some, turned = _paired(known, scan, pairs)
            tried.append(shared_frame.find(some, turned))
            costs.append(shared_frame.cost(tried[-1], some))
    return [tried[int(np.argmin(costs))]] if min(costs) <= _ALIKE else list(frames)


def _alike_in_sound(
    known: Known, scan: Scan, sound: SoundAlignment, speed: float, shifts: Floats
) -> Places:
    """Return pairs of moments that sound alike, as `seen_again` does."""
    found = [np.zeros((0, 3), np.int64)]
    for shift in shifts.tolist():
        cost = sound.cost(known.times, speed, shift, _COARSE)
        rows = np.flatnonzero(cost.min(axis=1) <= _SOUNDS)
        due = known.times[rows] * speed + shift + _COARSE[cost[rows].argmin(axis=1)]
        there = np.clip(np.searchsorted(scan.rough_times, due), 0, len(scan.rough_times) - 1)
        found.append(np.stack([rows, there, np.zeros_like(rows)], axis=1))
    return np.concatenate(found)


def _shifts_of(known: Known, scan: Scan, pairs: Places, speed: float) -> tuple[Floats, Floats]:
    """Return the shifts in time for which most pictures vote, and their votes."""
    if not len(pairs):
        return np.zeros(0), np.zeros(0)
    here, there = known.times[pairs[:, 0]], scan.rough_times[pairs[:, 1]]
    return _shifts(pairs[:, 0], there - here * speed)


def seen_again(known: Known, scan: Scan) -> Places:
    """Find similar pictures of the video and fingerprints of the file.

    Returns:
        Their indexes, and 1 if left and right are exchanged; shape (pairs, 3).
    """
    _, pictures, _ = scan.rough
    rough = np.flatnonzero(~windows.flat(pictures))
    if not len(rough):
        return np.zeros((0, 3), np.int64)
    pairs = _alike(known.hashes, windows.hashes(pictures[rough]))
    return np.stack([pairs[:, 0], rough[pairs[:, 1]], pairs[:, 2]], axis=1)


def _alike(here: Hashes, there: Hashes) -> Places:
    """Find pairs in which the whole picture of one resembles a window of the other.

    Returns:
        Their rows in both arrays, and 1 if left and right are exchanged; shape (pairs, 3).
    """
    whole, theirs = windows.Known(here[:, 0]), windows.Known(there[:, 0])
    found = [np.zeros((0, 3), np.int64)]
    for turned in (0, 1):
        for asked in _asked(there, turned):
            for rows, indices, _ in whole.near(asked, _NEAR):
                found.append(np.stack([indices, rows, np.full(len(rows), turned)], axis=1))
        for asked in _asked(here[:, 1:], turned):
            for rows, indices, _ in theirs.near(asked, _NEAR):
                found.append(np.stack([rows, indices, np.full(len(rows), turned)], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _asked(hashes: Hashes, turned: int) -> Iterator[Hashes]:
    """Yield the hashes of each window, mirrored or not."""
    for window in range(hashes.shape[1]):
        yield windows.mirrored(hashes[:, window]) if turned else hashes[:, window]


def _shifts(pictures: Places, shift: Floats) -> tuple[Floats, Floats]:
    """Return the shifts with the most votes, in descending order, and their votes."""
    low = float(np.floor(shift.min() / _BIN))
    bins = np.round(shift / _BIN - low).astype(np.int64)
    votes = np.unique(np.stack([bins, pictures], axis=1), axis=0)
    counts = np.bincount(votes[:, 0]).astype(float)
    both = counts + np.pad(counts, 1)[2:]  # a true shift may lie between two bins
    order: list[int] = []
    for index in np.argsort(-both, kind="stable")[: 4 * _SHIFTS]:
        if all(abs(index - other) > 1 for other in order):
            order.append(int(index))
    chosen = np.array(order[:_SHIFTS])
    return np.asarray((chosen + low + 0.5) * _BIN), np.asarray(both[chosen])


def _paired(known: Known, scan: Scan, pairs: Places) -> tuple[Pairs, bool]:
    """Return some pairs of moments with their pictures, and whether most of them are mirrored."""
    mirrored = bool(pairs[:, 2].mean() > 0.5)
    some = pairs[pairs[:, 2] == mirrored]
    some = some[np.linspace(0, len(some) - 1, min(len(some), _SAMPLE)).astype(int)]
    here, there = some[:, 0], some[:, 1]
    bars = shares(scan.rough[2][there])
    if mirrored:
        bars = np.stack([1 - bars[:, 2], bars[:, 1], 1 - bars[:, 0], bars[:, 3]], axis=1)
    frames = scan.pictures[np.searchsorted(scan.pts, scan.rough[0][there])]
    return Pairs(known.hashes[here], known.inside[here], frames, bars), mirrored


def _trimmed(cost: npt.NDArray[np.float32]) -> slice:
    """Return which pictures of a stretch remain without those at its ends that do not fit.

    The sound there may belong to what comes before or after. More than `_EDGE` such pictures are a
    scene that is hard to recognise.
    """
    fits = np.flatnonzero(cost <= _FITS)
    if not len(fits):
        return slice(0, len(cost))
    first = int(fits[0]) if fits[0] <= _EDGE else 0
    last = int(fits[-1]) + 1 if len(cost) - 1 - fits[-1] <= _EDGE else len(cost)
    return slice(first, last)


def _kinds(inside: Floats) -> tuple[list[shared_frame.Box], Places]:
    """Return the usual kinds of bars, and the index of the most similar kind of each picture."""
    boxes, which, counts = np.unique(inside, axis=0, return_inverse=True, return_counts=True)
    kept = np.argsort(-counts, kind="stable")[:_BARS]
    apart = np.abs(boxes[:, None] - boxes[kept]).max(axis=2)
    found = [(box[0], box[1], box[2], box[3]) for box in boxes[kept].tolist()]
    return found, np.asarray(apart.argmin(axis=1)[which.reshape(-1)])


def _path(emissions: npt.NDArray[np.float32]) -> list[tuple[int, slice]]:
    """Return the cheapest path as (shift, pictures); the last column of costs means absent."""
    count, states = emissions.shape
    total = emissions[0].astype(np.float64)
    came = np.zeros((count, states), np.int16)
    stay = np.arange(states, dtype=np.int16)
    for at in range(1, count):
        best = int(total.argmin())
        change = total[best] + _SWITCH < total
        came[at] = np.where(change, best, stay)
        total = np.where(change, total[best] + _SWITCH, total) + emissions[at]
    path = np.empty(count, np.int64)
    path[-1] = total.argmin()
    for at in range(count - 1, 0, -1):
        path[at - 1] = came[at, path[at]]
    edges = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), count]
    return [
        (int(path[a]), slice(a, b))
        for a, b in pairwise(edges)
        if path[a] < states - 1 and b - a >= _STRETCH
    ]


def _forward(
    emissions: npt.NDArray[np.float32], due: Floats, shifts: Floats
) -> list[tuple[int, slice]]:
    """Return the cheapest path on which the other file never goes back in time.

    Args:
        emissions: costs as for `_path`.
        due: time of each picture in the other file before shifting, seconds.
        shifts: the shifts, seconds.
    """
    emissions = emissions.copy()
    found: list[tuple[int, slice]] = []
    for _ in range(_ATTEMPTS):
        found = _path(emissions)
        spans = [
            (float(due[part.start] + shifts[n]), float(due[part.stop - 1] + shifts[n]))
            for n, part in found
        ]
        gains = [float((_ABSENT - emissions[part, n]).sum()) for n, part in found]
        kept = _in_order(spans, gains)
        untrue = [found[index] for index in sorted(set(range(len(found))) - set(kept))]
        untrue += [
            _worse(emissions, due, shifts, found[one], found[other])
            for one, other in pairwise(kept)
            if spans[one][1] - spans[other][0] > _OVERLAP
        ]
        for number, part in untrue:
            emissions[part, number] = np.inf
        found = [found[index] for index in kept]
        if not untrue:
            break
    return found


def _in_order(spans: Sequence[tuple[float, float]], gains: Sequence[float]) -> list[int]:
    """Return the indexes of spans that start and end in order, with the highest total gain.

    Time that two of them claim counts for one of them only.
    """
    best: list[tuple[float, int]] = []
    for index, (start, end) in enumerate(spans):
        before = [(0.0, -1)]
        for other in range(index):
            if spans[other][0] < start and spans[other][1] < end:
                twice = max(0.0, spans[other][1] - start) * RATE * _ABSENT
                before.append((best[other][0] - twice, other))
        gain, previous = max(before)
        best.append((gains[index] + gain, previous))
    chosen: list[int] = []
    at = max(range(len(best)), key=lambda index: best[index][0], default=-1)
    while at >= 0:
        chosen.append(at)
        at = best[at][1]
    return chosen[::-1]


def _worse(
    emissions: npt.NDArray[np.float32],
    due: Floats,
    shifts: Floats,
    one: tuple[int, slice],
    other: tuple[int, slice],
) -> tuple[int, slice]:
    """Return the shift and pictures, of two stretches that claim the same time, that fit worse."""
    start = due[other[1].start] + shifts[other[0]]
    end = due[one[1].stop - 1] + shifts[one[0]]
    first = int(np.searchsorted(due, start - shifts[one[0]]))
    last = int(np.searchsorted(due, end - shifts[other[0]], side="right"))
    parts = [(one[0], slice(first, one[1].stop)), (other[0], slice(other[1].start, last))]
    return max(parts, key=lambda part: float(emissions[part[1], part[0]].mean()))


def _apart(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Return stretches without the time in the other file that two neighbours claim."""
    made = list(stretches)
    for index in range(len(made) - 1):
        one, other = made[index], made[index + 1]
        start, end = other.at(other.start), one.at(one.end)
        if end > start:
            made[index] = replace(one, end=(start - one.shift) / one.rate)
            made[index + 1] = replace(other, start=(end - other.shift) / other.rate)
    return [stretch for stretch in made if stretch.end > stretch.start]


def _drift(times: Floats, bits: npt.NDArray[np.float32]) -> float:
    """Return how much faster than expected a stretch runs.

    It is the median of the slopes between all pairs of blocks (Theil-Sen estimator).
    """
    blocks = max(1, int((times[-1] - times[0]) / _BLOCK_S))
    middles, offsets = [], []
    for block in np.array_split(np.arange(len(times)), blocks):
        cost = bits[block].mean(axis=0)
        own = _lowest(cost)
        if _is_sharp(cost, own):
            middles.append(times[block].mean())
            offsets.append(_STEPS[own])
    if len(middles) < _BLOCKS:
        return 0.0
    x, y = np.array(middles), np.array(offsets)
    a, b = np.triu_indices(len(x), 1)
    return float(np.median((y[b] - y[a]) / (x[b] - x[a])))


def _usual(rate: float, length: float) -> float:
    """Return the usual speed closest to a measured one, if it is within the measurement error."""
    nearest = min(SPEEDS, key=lambda speed: abs(speed - rate))
    return nearest if abs(nearest - rate) * length < _DRIFT else rate


def _lowest(cost: npt.NDArray[np.floating]) -> int:
    """Return the index of the best-fitting step; of several, the middle one."""
    best = np.flatnonzero(cost <= cost.min() + 1e-6)
    near = best[np.abs(best - best[len(best) // 2]) <= 10]
    return round(float(near.mean()))


def _is_sharp(cost: npt.NDArray[np.floating], own: int) -> bool:
    """Whether the pictures determine the position, so that 0.25 s to either side fits worse."""
    off = [cost[index] for index in (own - _QUARTER, own + _QUARTER) if 0 <= index < len(cost)]
    return bool(off) and bool(min(off) - cost[own] >= _SHARP)


def _step(times: Floats) -> float:
    """Return the usual time between two pictures, seconds."""
    return float(np.median(np.diff(times)))
