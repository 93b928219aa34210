"""Passages that many strips of fingerprints share, without comparing each with each.

Pictures whose hashes agree in one of some sets of 16 bits are looked at (after multi-index hashing,
Norouzi et al., CVPR 2012; low frequencies are the steadiest bits). The hashes of cropped windows
and of the mirrored picture are looked up as well. Of pictures with equal bits only the first count,
so that the work grows with the number of strips and not with its square; what is repeated
everywhere is still tied to where it came first.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from caer_data.media import windows
from caer_data.media.fingerprints import RATE
from caer_data.media.matching import Match, Strip, compare

NEAR: Final = 16
"""Bits of 64 in which pictures that are looked at closely may differ; unrelated ones: about 32."""

PARTNERS: Final = 24
"""Strips that each is compared with closely, unless given otherwise."""

_MIN_PICTURES: Final = RATE - 1  # pictures, almost a second; of shorter strips a good part
_MIN_SHARE: Final = 0.6
_MOVING: Final = ((0.88, 0.68), (0.76, 0.8))  # least correlation of pictures and of what moves
_STILL: Final = 0.955  # least correlation of pictures in which nothing moves
_EQUAL: Final = 0.9995  # the same, where nothing is heard and not the whole is shown
_WHOLE: Final = 0.9  # share of the longer strip that is as good as all of it
_PICTURE: Final = 0.97  # least correlation of single pictures
_HEARD: Final = 0.62  # least share of equal bits of sound; 0.5 is chance
_SURELY_HEARD: Final = (0.75, 0.85, 0.4)  # least of sound, pictures, motion, taken together
_SAME: Final = 4  # bits; a picture that differs less from the previous one is not looked up
_UNRELATED: Final = 20  # hashes near one by chance; about one in twenty agrees in a band, too
_MIN_NEAR: Final = 10
_TRIES: Final = 3  # pairs of pictures of two strips that are looked at closely


def shared(
    strips: Sequence[Strip],
    sides: Sequence[int] | None = None,
    partners: int = PARTNERS,
    near: int = NEAR,
) -> Iterator[tuple[int, int, Match]]:
    """Passages that two strips share: numbers of both, lower first, and the best match.

    Args:
        strips: in any order; of what is repeated often, the first are found first.
        sides: of each strip; those of one side are not compared.
        partners: others that each is compared with closely, the nearest by hash.
        near: bits in which pictures that are looked at closely may differ, see `near_among`.
    """
    for (one, other), tries in sorted(_candidates(strips, sides, partners, near).items()):
        best: Match | None = None
        for a, b, mirrored in tries:
            found = compare(strips[one], strips[other], (a, b), mirrored)
            if found and (best is None or found.worth > best.worth):
                best = found
            if best is not None and repeated(best, strips[one], strips[other]):
                break
        if best is not None:
            yield one, other, best


def near_among(pictures: int) -> int:
    """Bits in which pictures may differ, of so many, so that few unrelated ones are that near.

    Otherwise the pairs that are looked at closely would grow with the square of the pictures.
    """
    near, looked_up = NEAR, 2 * len(windows.WINDOWS) * pictures
    while near > _MIN_NEAR and looked_up * _chance(near) > _UNRELATED:
        near -= 1
    return near


def _chance(near: int) -> float:
    """How probable it is that the hashes of two unrelated pictures are so near."""
    near_ones = sum(math.comb(windows.BITS, bits) for bits in range(near + 1))
    return math.ldexp(float(near_ones), -windows.BITS)


def _candidates(
    strips: Sequence[Strip], sides: Sequence[int] | None, most: int, near: int
) -> dict[tuple[int, int], list[tuple[int, int, bool]]]:
    """Pairs of strips with pictures whose hashes are near, nearest first."""
    strip, picture, values = _keyed(strips)
    side = strip if sides is None else np.asarray(sides)[strip]
    found: defaultdict[tuple[int, int], list[tuple[int, int, int, bool]]] = defaultdict(list)
    for asked, here, bits, mirrored in _near(values, near):
        apart = side[asked] != side[here]
        for q, h, d in zip(asked[apart], here[apart], bits[apart], strict=True):
            a, b = (q, h) if strip[q] < strip[h] else (h, q)
            pair = int(strip[a]), int(strip[b])
            found[pair].append((int(d), int(picture[a]), int(picture[b]), mirrored))
    nearest = _nearest({pair: min(tries)[0] for pair, tries in found.items()}, most)
    return {
        pair: list(dict.fromkeys((a, b, m) for _, a, b, m in sorted(found[pair])))[:_TRIES]
        for pair in nearest
    }


def _nearest(bits: dict[tuple[int, int], int], most: int) -> set[tuple[int, int]]:
    """Pairs of strips of which one is among the nearest of the other, the first of equal ones."""
    partners: defaultdict[int, list[tuple[int, int, tuple[int, int]]]] = defaultdict(list)
    for pair, least in bits.items():
        partners[pair[0]].append((least, pair[1], pair))
        partners[pair[1]].append((least, pair[0], pair))
    return {pair for some in partners.values() for _, _, pair in sorted(some)[:most]}


def _keyed(
    strips: Sequence[Strip],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Strip, picture and hashes (n, windows) of the pictures that are worth looking up."""
    rows: list[tuple[int, int]] = []
    kept: list[npt.NDArray[np.uint64]] = []
    for number, strip in enumerate(strips):
        values = windows.hashes(strip.pictures)
        last: np.uint64 | None = None
        for index in np.flatnonzero(~windows.flat(strip.pictures)):
            whole = values[index, 0]
            if last is None or np.bitwise_count(whole ^ last) > _SAME:
                rows.append((number, int(index)))
                kept.append(values[index])
                last = whole
    indices = np.array(rows, np.int64).reshape(-1, 2)
    return (
        indices[:, 0],
        indices[:, 1],
        np.array(kept, np.uint64).reshape(len(rows), len(windows.WINDOWS)),
    )


def _near(
    values: npt.NDArray[np.uint64], most: int
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8], bool]]:
    """Pairs of pictures, one whole and one in some window, whose hashes are near."""
    whole = values[:, 0]
    known = windows.Known(whole)
    for window in range(values.shape[1]):
        for mirrored in (False, True):
            asked = values[:, window]
            asked = windows.mirrored(asked) if mirrored else asked
            for rows, here, bits in known.near(asked, most):
                others = rows != here
                yield rows[others], here[others], bits[others], mirrored


def repeated(match: Match, one: Strip, other: Strip) -> bool:
    """Whether a match is a repetition, and not another moment before the same camera.

    Motion must agree, the more so the less the pictures do, and less so where both
    sound alike. Where nothing moves, the pictures must be as good as equal, and so must what is
    heard. Of what is still and silent nobody can tell the moment: it is taken for a repetition if
    it is the whole of both, from cut to cut, or the pictures are equal.
    """
    shorter, longer = sorted((len(one.times), len(other.times)))
    pictures = round(match.length * RATE) + 1
    if pictures < min(_MIN_PICTURES, shorter * _MIN_SHARE):
        return False
    if match.sound is not None and match.sound >= _SURELY_HEARD[0]:
        moving = 1.0 if match.motion is None else match.motion
        if match.picture >= _SURELY_HEARD[1] and moving >= _SURELY_HEARD[2]:
            return True
    if match.motion is not None:
        return any(match.picture >= p and match.motion >= m for p, m in _MOVING)
    if match.sound is not None:
        return match.picture >= _STILL and match.sound >= _HEARD
    if shorter == 1:
        return match.picture >= _PICTURE
    return match.picture >= (_STILL if pictures >= _WHOLE * longer else _EQUAL)
