"""Passages that strips of fingerprints share, found without comparing all pairs of strips.

Pictures are compared if their hashes agree in one of several sets of 16 bits (multi-index hashing,
Norouzi et al., CVPR 2012; low frequencies are the most stable bits). The hashes of cropped windows
and of the mirrored picture are looked up as well. Of pictures with equal bits only the first ones
are used, so that the work grows linearly with the number of strips. A passage that is repeated
everywhere is still matched to its first occurrence.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from caer_data.engine.pool import run_map
from caer_data.media import motions, sound_matches, windows
from caer_data.media.fingerprints import RATE
from caer_data.media.matching import HEARD, Match, Strip, compare, in_detail

NEAR: Final = 16
"""Maximum difference of hashes for a close comparison, bits out of 64 (unrelated pictures: 32)."""

PARTNERS: Final = 32
"""Default number of strips that each strip is closely compared with."""

_MIN_PICTURES: Final = RATE - 1  # minimum length of a passage, almost a second
_MIN_SHARE: Final = 0.6  # minimum share of a strip that is shorter than this
_MOVING: Final = ((0.88, 0.68), (0.76, 0.8))  # minimum correlation of pictures and of motion
_LEAST: Final = 0.46  # minimum correlation of motion in each period of a passage
_STILL: Final = 0.955  # minimum correlation of pictures without motion
_EQUAL: Final = 0.985  # the same for silent passages that are only part of the longer strip
_WHOLE: Final = 0.9  # share of the longer strip that counts as all of it
_PICTURE: Final = 0.97  # minimum correlation of single pictures without structure
_PICTURES: Final = ((0.97, 0.65), (0.85, 0.8))
"""Alternative minimums of the correlation of single pictures, and of their details."""
_DETAIL: Final = 0.66  # minimum correlation of the details of a passage in which nothing moves
_HEARD: Final = 0.62  # minimum share of equal bits of sound; 0.5 is chance
_SURELY_HEARD: Final = ((HEARD, 0.85, 0.4), (0.9, 0.85, 0.2))
"""Alternative minimums of sound, pictures and motion."""
_SAME: Final = 4  # bits; a picture that differs less from the previous one is skipped
_OFTEN: Final = 4  # one of this many pictures is looked up even if nothing changes
_UNRELATED: Final = 20  # hashes that are near by chance; about one in twenty shares a band
_MIN_NEAR: Final = 10
_TRIES: Final = 3  # pairs of pictures per pair of strips that are compared closely
_CONSIDERED: Final = 4  # strips whose motion is compared, as a multiple of the partners
_PART: Final = 64  # pairs of strips that a process compares at a time, which takes half a second
_WORTH: Final = 4 * _PART  # pairs from which starting processes saves time
_MOVED: Final = 512  # pairs whose motion a process compares at a time, which takes as long
_PRELOAD: Final = ("caer_data.media.passages",)

Pair = tuple[int, int]
_Start = tuple[int, int, bool]
"""Picture of each strip from which they are compared closely, and whether mirrored."""
_Try = tuple[int, int, int, bool, int]
"""Bits, picture of each strip, whether mirrored, window (of the second strip if below 0)."""


def shared(
    strips: Sequence[Strip],
    sides: Sequence[int] | None = None,
    partners: int = PARTNERS,
    near: int = NEAR,
    jobs: int = 1,
) -> Iterator[tuple[int, int, Match]]:
    """Find the passages that pairs of strips share.

    Args:
        strips: the strips; if content is repeated often, matches with earlier strips come first.
        sides: side of each strip; strips of the same side are not compared.
        partners: number of strips, nearest by hash, that each strip is closely compared with.
        near: maximum difference of hashes for a close comparison, in bits; see `near_among`.
        jobs: processes for comparisons; results do not depend on it.

    Yields:
        Indexes of two strips, the lower first, and their best match; in the order of indexes.
    """
    pairs = sorted(_candidates(strips, sides, partners, near, jobs).items())
    parts = (_part(strips, pairs[at : at + _PART], at) for at in range(0, len(pairs), _PART))
    jobs = jobs if len(pairs) >= _WORTH else 1
    early: dict[int, _Matches] = {}
    wanted = 0
    for start, matches in run_map(_compare, parts, jobs, _PRELOAD):
        early[start] = matches
        while wanted in early:
            yield from early.pop(wanted)
            wanted += _PART


_Matches = list[tuple[int, int, Match]]


_Known = tuple[list[_Try], motions.Together | None]
"""What is known of a pair: pictures with near hashes, and how alike it moves if compared."""
KnownT = TypeVar("KnownT")


@dataclass(frozen=True)
class _Part(Generic[KnownT]):
    """Some pairs of strips, as they are sent to a process that compares them.

    Attributes:
        start: position of the first among all pairs.
        strips: the strips by index.
        pairs: each with what is known of it.
    """

    start: int
    strips: dict[int, Strip]
    pairs: list[tuple[Pair, KnownT]]


def _part(
    strips: Sequence[Strip], pairs: list[tuple[Pair, KnownT]], start: int = 0
) -> _Part[KnownT]:
    indices = {index for pair, _ in pairs for index in pair}
    return _Part(start, {index: strips[index] for index in indices}, pairs)


def _compare(part: _Part[_Known]) -> tuple[int, _Matches]:
    """Return the position of a part, and the best match of each of its pairs that has one."""
    matches: _Matches = []
    for (one, other), known in part.pairs:
        best: Match | None = None
        for a, b, mirrored in _tries(part.strips[one], part.strips[other], *known):
            found = compare(part.strips[one], part.strips[other], (a, b), mirrored)
            if found and (best is None or found.rank > best.rank):
                best = found
            if best is not None and repeated(best, part.strips[one], part.strips[other]):
                break
        if best is not None:
            matches.append((one, other, best))
    return part.start, matches


def near_among(pictures: int) -> int:
    """Return the maximum difference in bits for which few of `pictures` pictures match by chance.

    With a fixed value, the number of close comparisons would grow with the square of the pictures.
    """
    near, looked_up = NEAR, 2 * len(windows.LOOKED_UP) * pictures
    while near > _MIN_NEAR and looked_up * _chance(near) > _UNRELATED:
        near -= 1
    return near


def _chance(near: int) -> float:
    """Return the probability that hashes of unrelated pictures differ in at most `near` bits."""
    near_ones = sum(math.comb(windows.BITS, bits) for bits in range(near + 1))
    return math.ldexp(float(near_ones), -windows.BITS)


def _candidates(
    strips: Sequence[Strip], sides: Sequence[int] | None, most: int, near: int, jobs: int = 1
) -> dict[Pair, _Known]:
    """Return the pairs of strips to compare closely, and what is known of them."""
    strip, picture, values = _keyed(strips)
    side = strip if sides is None else np.asarray(sides)[strip]
    found: defaultdict[Pair, list[_Try]] = defaultdict(list)
    for asked, here, bits, window, mirrored in _near(values, strip, near):
        apart = side[asked] != side[here]
        for q, h, d in zip(asked[apart], here[apart], bits[apart], strict=True):
            first = bool(strip[q] < strip[h])
            a, b = (q, h) if first else (h, q)
            pair = int(strip[a]), int(strip[b])
            found[pair].append(
                (int(d), int(picture[a]), int(picture[b]), mirrored, window if first else -window)
            )
    least = {pair: min(tries) for pair, tries in found.items()}
    nearest = _first({pair: (tried[0],) for pair, tried in least.items()}, most * _CONSIDERED)
    chosen = _first({pair: (least[pair][0],) for pair in nearest}, most - most // 2)
    together = _moved(strips, sorted((pair, least[pair]) for pair in nearest), jobs)
    others = {p: (-together[p].score, least[p][0]) for p in nearest if p not in chosen}
    chosen |= _first(others, most // 2)
    heard = sound_matches.pairs(
        strips, np.arange(len(strips)) if sides is None else np.asarray(sides), most
    )
    chosen |= _first({pair: (-count,) for pair, count in heard.items()}, most // 2)
    return {pair: (found.get(pair, []), together.get(pair)) for pair in chosen}


def _moved(
    strips: Sequence[Strip], pairs: list[tuple[Pair, _Try]], jobs: int
) -> dict[Pair, motions.Together]:
    """Return how alike pairs of strips move."""
    long = [item for item in pairs if all(motions.is_enough(strips[n]) for n in item[0])]
    jobs = jobs if len(long) >= _MOVED else 1
    size = _MOVED if jobs > 1 else max(1, len(pairs))
    parts = (_part(strips, pairs[at : at + size]) for at in range(0, len(pairs), size))
    return dict(item for some in run_map(_alike, parts, jobs, _PRELOAD) for item in some)


def _alike(part: _Part[_Try]) -> list[tuple[Pair, motions.Together]]:
    moving = motions.Motions(part.strips)
    return [(pair, moving.alike(*pair, *tried[3:])) for pair, tried in part.pairs]


def _tries(
    one: Strip, other: Strip, near: list[_Try], together: motions.Together | None
) -> list[_Start]:
    """Return the pairs of pictures that are compared closely, one per shift, likeliest first."""
    tries: list[_Start] = [] if together is None else [(*together.at, together.mirrored)]
    tries += [(a, b, mirrored) for _, a, b, mirrored, _ in sorted(near)]
    shifts = {(b - a, mirrored): (a, b, mirrored) for a, b, mirrored in reversed(tries)}
    seen = sorted(shifts.values(), key=tries.index)[:_TRIES]
    sound = sound_matches.aligned(one, other)
    if sound is None:
        return seen
    turned = {mirrored for _, _, mirrored in seen} or {False, True}
    return [*((*sound, mirrored) for mirrored in sorted(turned)), *seen]


def _first(values: Mapping[Pair, tuple[float, ...]], most: int) -> set[Pair]:
    """Return the pairs of strips in which one is among the other's `most` best partners."""
    partners: defaultdict[int, list[tuple[tuple[float, ...], int, Pair]]] = defaultdict(list)
    for pair, value in values.items():
        partners[pair[0]].append((value, pair[1], pair))
        partners[pair[1]].append((value, pair[0], pair))
    return {pair for some in partners.values() for _, _, pair in sorted(some)[:most]}


def _keyed(
    strips: Sequence[Strip],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Return strip, picture and hashes (n, windows) of the pictures to look up."""
    rows: list[tuple[int, int]] = []
    kept: list[npt.NDArray[np.uint64]] = []
    for number, strip in enumerate(strips):
        values = windows.hashes(strip.pictures, windows.LOOKED_UP)
        last: np.uint64 | None = None
        taken = 0
        for index in np.flatnonzero(~windows.flat(strip.pictures)):
            whole = values[index, 0]
            if last is None or index - taken >= _OFTEN or np.bitwise_count(whole ^ last) > _SAME:
                rows.append((number, int(index)))
                kept.append(values[index])
                last, taken = whole, int(index)
    indices = np.array(rows, np.int64).reshape(-1, 2)
    return (
        indices[:, 0],
        indices[:, 1],
        np.array(kept, np.uint64).reshape(len(rows), len(windows.LOOKED_UP)),
    )


def _near(
    values: npt.NDArray[np.uint64], strip: npt.NDArray[np.int64], most: int
) -> Iterator[
    tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8], int, bool]
]:
    """Yield pairs of pictures, one whole and one in some window, whose hashes are near."""
    whole = values[:, 0]
    alone = len(np.unique(strip)) == len(strip)  # single pictures have one chance to be found
    bands = windows.bands_among(len(strip)) if alone else windows.BANDS
    known = windows.Known(whole, strip, bands)
    for window in range(values.shape[1]):
        for mirrored in (False, True):
            asked = values[:, window]
            asked = windows.mirrored(asked) if mirrored else asked
            for rows, here, bits in known.near(asked, most):
                others = rows != here
                yield rows[others], here[others], bits[others], window, mirrored


def repeated(match: Match, one: Strip, other: Strip) -> bool:
    """Whether a match is a repetition, and not another moment of the same camera set-up.

    Motion must agree, as a whole and in each period of the passage: more closely if the pictures
    differ more, and less closely if the sound agrees. If nothing moves, both pictures and sound
    must be almost equal. A still and silent match counts as a repetition if it covers both strips
    from cut to cut, or if it covers one of them and the pictures are as good as equal. Where the
    motion does not decide, still pictures must agree in detail, as far as they are known: cards
    with other text to the same music are no repetition.
    """
    shorter, longer = sorted((len(one.times), len(other.times)))
    pictures = round(match.length * RATE) + 1
    if pictures < min(_MIN_PICTURES, shorter * _MIN_SHARE):
        return False
    if match.motion is not None:
        throughout = match.least is None or match.least >= _LEAST
        if throughout and any(match.picture >= p and match.motion >= m for p, m in _MOVING):
            return True
    if shorter == 1 and match.motion is None:
        return _same_picture(match, one, other)
    if not _surely_heard(match) and not _still(match, shorter, longer):
        return False
    detail = in_detail(match, one, other)
    return detail is None or detail >= _DETAIL


def _surely_heard(match: Match) -> bool:
    """Whether sound shows that it is a repetition, as far as pictures and motion allow it."""
    if match.sound is None:
        return False
    values = match.sound, match.picture, 1.0 if match.motion is None else match.motion
    return any(all(v >= m for v, m in zip(values, least, strict=True)) for least in _SURELY_HEARD)


def _still(match: Match, shorter: int, longer: int) -> bool:
    """Whether nothing moves in a match, and it may be a repetition nevertheless.

    Args:
        match: the match.
        shorter: number of pictures of the shorter strip.
        longer: number of pictures of the other.
    """
    if match.motion is not None:
        return False
    if match.sound is not None:
        return match.picture >= _STILL and match.sound >= _HEARD
    pictures = round(match.length * RATE) + 1
    enough = _STILL if pictures >= _WHOLE * longer else _EQUAL
    return match.picture >= enough and pictures >= _WHOLE * shorter


def _same_picture(match: Match, one: Strip, other: Strip) -> bool:
    """Whether a single picture is a copy."""
    if match.picture < min(picture for picture, _ in _PICTURES):
        return False
    detail = in_detail(match, one, other)
    if detail is None:
        return match.picture >= _PICTURE
    return any(match.picture >= p and detail >= d for p, d in _PICTURES)
