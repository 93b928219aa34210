"""Identity of clips: the only module that decides whether two clips are the same.

A clip is identified by its span of a video and by the target's box in the span's middle frame.
Neither its number, which changes when a shot before it is added, nor its file name matters.
Everything that refers to a clip (a rating, a label, a decision) carries that clip's anchor, and
`resolve` finds the clip that the anchor means now. Nothing else compares spans or boxes.

Two anchors are the same clip when

- their videos have the same content,
- both ends lie within one frame (`END_TOLERANCE`) of each other, and
- the boxes overlap by at least `BOX_OVERLAP`, intersection over union: detectors disagree about
  how much forehead belongs to a face, but the faces of two people do not overlap that much.

A clip's key is minted once, from rounded values. Every clip that later resolves to the anchor the
key was minted for keeps the key, so that small numerical differences between processors, providers
or versions mint no new keys. The comparison is always with that first anchor, not with the one of
the previous build, so that small changes cannot add up.

>>> face = Box(0.25, 0.25, 0.5, 0.75)
>>> first = Anchor("9f86d081", 9000, 99000, 30, face)
>>> again = Anchor("9f86d081", 9001, 99000, 30, Box(0.2512, 0.25, 0.5, 0.7488))
>>> same(first, again)
True
>>> mint(first) == mint(Anchor("9f86d081", 9000, 99000, 30, Box(0.2512, 0.25, 0.5, 0.7488)))
True
"""

from __future__ import annotations

import hashlib
import hmac
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

END_TOLERANCE: Final = 1
"""Maximum difference between the ends of two anchors of the same clip, in frames."""
BOX_OVERLAP: Final = 0.3
"""Minimum intersection over union of two boxes of the same face."""
BOX_STEPS: Final = 64
"""Number of steps per side of the frame to which a box is rounded before minting a key."""
KEY_LENGTH: Final = 10
"""Characters in a key: 50 bits. Among datasets of 200,000 clips, 1 in 50,000 has a collision."""

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u to mishear

Verdict = Literal["same", "changed", "gone"]


@dataclass(frozen=True, order=True)
class Box:
    """A box as shares of the displayed frame's width and height; right and bottom exclusive."""

    x1: float
    y1: float
    x2: float
    y2: float

    def overlap(self, other: Box) -> float:
        """Return the intersection over union, 0 to 1."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        if width <= 0 or height <= 0:
            return 0.0
        common = width * height
        return common / (self.area + other.area - common)

    @property
    def area(self) -> float:
        """Share of the frame that the box covers."""
        return (self.x2 - self.x1) * (self.y2 - self.y1)


@dataclass(frozen=True)
class Anchor:
    """What identifies a clip, independent of its name.

    Attributes:
        video_key: SHA-256 of the video's content.
        start_pts: retimed timestamp of the first frame, in the video's time base.
        end_pts: retimed timestamp one past the last frame.
        frames: number of frames in the span, from which the duration of a frame follows.
        box: the target's box in the middle frame; None for a clip without a target.
    """

    video_key: str
    start_pts: int
    end_pts: int
    frames: int
    box: Box | None

    @property
    def frame_pts(self) -> float:
        """Mean duration of a frame, in the video's time base."""
        return (self.end_pts - self.start_pts) / max(1, self.frames)


@dataclass(frozen=True)
class Resolution:
    """What became of an anchor.

    Attributes:
        verdict: `same`; `changed` if another clip now covers part of its span; or `gone`.
        key: key of the same clip, or of the clip that took its place; None if it is gone.
    """

    verdict: Verdict
    key: str | None


def same(one: Anchor, other: Anchor) -> bool:
    """Whether two anchors are the same clip."""
    if one.video_key != other.video_key:
        return False
    slack = END_TOLERANCE * max(one.frame_pts, other.frame_pts)
    ends = (abs(one.start_pts - other.start_pts), abs(one.end_pts - other.end_pts))
    return max(ends) <= slack and same_box(one.box, other.box)


def same_box(one: Box | None, other: Box | None) -> bool:
    """Whether two boxes of the same frame are the same face; True if both are None."""
    if one is None or other is None:
        return one is other
    return one.overlap(other) >= BOX_OVERLAP


def mint(anchor: Anchor) -> str:
    """Return a new clip's key: ten letters and digits, the same on every machine."""
    box = anchor.box
    sides = () if box is None else (box.x1, box.y1, box.x2, box.y2)
    rounded = ",".join(str(round(side * BOX_STEPS)) for side in sides)
    text = f"clip 1|{anchor.video_key}|{anchor.start_pts}|{anchor.end_pts}|{rounded}"
    return _letters(hashlib.sha256(text.encode()).digest(), KEY_LENGTH)


def assign(anchors: Sequence[Anchor], minted: Mapping[str, Anchor]) -> list[str]:
    """Return the key of every clip: the one minted for it earlier, or a new one.

    Args:
        anchors: the current clips.
        minted: every key ever minted, with the anchor that it was minted for.

    Returns:
        One key per anchor, all different. If two clips match the same earlier clip, the closer one
        keeps its key.
    """
    index = _Index(minted)
    pairs = sorted(
        (_distance(anchor, minted[key]), key, position)
        for position, anchor in enumerate(anchors)
        for key in index.near(anchor)
        if same(anchor, minted[key])
    )
    keys: dict[int, str] = {}
    taken: set[str] = set()
    for _, key, position in pairs:
        if position not in keys and key not in taken:
            keys[position] = key
            taken.add(key)
    taken.update(minted)
    for position, anchor in enumerate(anchors):
        if position not in keys:
            keys[position] = _unused(mint(anchor), taken)
            taken.add(keys[position])
    return [keys[position] for position in range(len(anchors))]


def resolve(anchors: Iterable[Anchor], clips: Mapping[str, Anchor]) -> list[Resolution]:
    """Return what became of each anchor.

    Args:
        anchors: anchors of ratings, labels, decisions or manifests.
        clips: the clips that the dataset contains (including those of absent videos), by key.

    Returns:
        One resolution per anchor. The verdict is `changed` if the anchor matches no current clip
        but shares frames with one; the key is then that of the clip that shares the most frames.
    """
    index = _Index(clips)
    return [_resolve(anchor, clips, index) for anchor in anchors]


def presentation(secret: bytes, clip_key: str, rater: str, showing: int = 0) -> str:
    """Return a name for one showing of a clip to one rater.

    Without the secret, nobody can tell which names refer to the same clip or rater.

    Args:
        secret: the dataset's secret, at least 16 bytes.
        clip_key: the clip.
        rater: who sees it.
        showing: 0 for the first time, 1 for the first repeat, and so on.
    """
    return _keyed(secret, "presentation", clip_key, rater, str(showing))


def pseudonym(secret: bytes, rater: str) -> str:
    """Return the name of a rater in releases; without the secret it cannot be traced back."""
    return _keyed(secret, "rater", rater)


def _resolve(anchor: Anchor, clips: Mapping[str, Anchor], index: _Index) -> Resolution:
    near = index.near(anchor)
    equal = [key for key in near if same(anchor, clips[key])]
    if equal:
        return Resolution("same", min(equal, key=lambda key: (_distance(anchor, clips[key]), key)))
    shared = [(-_shared(anchor, clips[key]), key) for key in near if _shared(anchor, clips[key])]
    return Resolution("changed", min(shared)[1]) if shared else Resolution("gone", None)


class _Index:
    """Finds the clips of a video that are near a span without checking all of them."""

    def __init__(self, clips: Mapping[str, Anchor]) -> None:
        self._videos: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
        for key, clip in clips.items():
            slack = int(END_TOLERANCE * clip.frame_pts) + 1
            self._videos[clip.video_key].append((clip.start_pts - slack, clip.end_pts + slack, key))
        self._longest = {}
        for video, spans in self._videos.items():
            spans.sort()
            self._longest[video] = max(end - start for start, end, _ in spans)

    def near(self, anchor: Anchor) -> list[str]:
        spans = self._videos.get(anchor.video_key, [])
        if not spans:
            return []
        slack = int(END_TOLERANCE * anchor.frame_pts) + 1
        first, last = anchor.start_pts - slack, anchor.end_pts + slack
        low = bisect_left(spans, (first - self._longest[anchor.video_key],))
        high = bisect_right(spans, (last,))
        return [key for _, end, key in spans[low:high] if end >= first]


def _distance(one: Anchor, other: Anchor) -> float:
    """Distance between two anchors of one clip: that of their ends, in frames, plus 1 - overlap."""
    ends = abs(one.start_pts - other.start_pts) + abs(one.end_pts - other.end_pts)
    boxes = one.box.overlap(other.box) if one.box and other.box else 1.0
    return ends / max(one.frame_pts, other.frame_pts, 1e-9) + 1 - boxes


def _shared(one: Anchor, other: Anchor) -> int:
    return max(0, min(one.end_pts, other.end_pts) - max(one.start_pts, other.start_pts))


def _unused(key: str, taken: set[str]) -> str:
    """Return the key or, if another clip has it, the next free one, by hashing it repeatedly."""
    while key in taken:
        key = _letters(hashlib.sha256(key.encode()).digest(), KEY_LENGTH)
    return key


def _keyed(secret: bytes, *parts: str) -> str:
    if len(secret) < 16:
        raise ValueError("a dataset's secret has at least 16 bytes")
    text = "".join(
        f"{len(part)}:{part}" for part in parts
    )  # unambiguous: different parts give different texts
    return _letters(hmac.digest(secret, text.encode(), "sha256"), 16)


def _letters(digest: bytes, length: int) -> str:
    number = int.from_bytes(digest, "big")
    return "".join(_ALPHABET[number >> (5 * place) & 31] for place in range(length))
