"""Balanced blocks: all k-subsets of N raters, in an order that is fair after every clip.

A block contains each of the C(N, k) subsets once, so every pair of raters shares equally many
clips. In the order found here, the raters' loads differ by at most one after any number of subsets.
By Baranyai's theorem, such an order exists for every N and k. It is found rater by rater with
network flows, as in the proof by Brouwer and Schrijver ("Uniform hypergraphs", 1979).
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from itertools import accumulate
from math import comb

Subset = tuple[int, ...]


@lru_cache(maxsize=4)
def block(raters: int, per_clip: int) -> tuple[Subset, ...]:
    """Return all subsets of size `per_clip` of `range(raters)`, in an order fair at every prefix.

    Raters are added one by one. Before rater r is added, each place in the order has a subset of
    the raters below r, which must still get `lacking` of the remaining `left = raters - r` raters.
    Its share of r is `lacking / left`. The shares are rounded to 0 or 1, such that the rounded
    shares of every prefix sum to its exact sum, rounded down or up, and those of every group of
    places with equal subsets sum to exactly its sum.
    """
    slots: list[Subset] = [()] * comb(raters, per_clip)
    for rater in range(raters):
        chosen = _round_shares(slots, per_clip, raters - rater)
        slots = [(*p, rater) if i in chosen else p for i, p in enumerate(slots)]
    return tuple(slots)


def _round_shares(slots: list[Subset], per_clip: int, left: int) -> set[int]:
    """Return the places that get the next rater.

    In units of `1 / left`, the cumulative sum of the shares divides the order into windows of one
    whole rater. A place lies in one window or spans two adjacent ones. Choosing one place per
    window satisfies the condition on prefixes. Choosing at most its sum of places from each group
    satisfies the condition on groups.
    """
    lacking = [per_clip - len(slot) for slot in slots]
    windows: list[list[int]] = [[] for _ in range(sum(lacking) // left)]
    sums: dict[Subset, int] = {}
    for i, end in enumerate(accumulate(lacking)):
        sums[slots[i]] = sums.get(slots[i], 0) + lacking[i]
        if lacking[i]:
            for window in range((end - lacking[i]) // left, (end - 1) // left + 1):
                windows[window].append(i)
    flow = _Flow(windows, slots, {group: units // left for group, units in sums.items()})
    for window in range(len(windows)):
        flow.serve(window)
    return set(flow.holder)


class _Flow:
    """Chooses one place for each window, and at most `room` places of each group."""

    def __init__(
        self, windows: list[list[int]], slots: list[Subset], room: dict[Subset, int]
    ) -> None:
        self.windows = windows
        self.slots = slots
        self.room = room
        self.holder: dict[int, int] = {}  # window by chosen place
        self.members: dict[Subset, dict[int, None]] = {g: {} for g in room}  # chosen places

    def serve(self, start: int) -> None:
        """Give a window a place, moving others if needed (shortest augmenting path)."""
        # window that gives up its place: (window that asks, place it wants, place given up)
        asked_by: dict[int, tuple[int, int, int] | None] = {start: None}
        seen: set[int] = set()
        full: set[Subset] = set()
        queue = deque([start])
        while queue:
            window = queue.popleft()
            for slot in self.windows[window]:
                group = self.slots[slot]
                if slot in seen:
                    continue
                seen.add(slot)
                if slot in self.holder:
                    given_up = [slot]
                elif len(self.members[group]) < self.room[group]:
                    self._take(window, slot, asked_by)
                    return
                elif group in full:
                    continue
                else:
                    full.add(group)
                    given_up = list(self.members[group])
                for held in given_up:
                    if self.holder[held] not in asked_by:
                        asked_by[self.holder[held]] = (window, slot, held)
                        queue.append(self.holder[held])
        raise AssertionError("a fair order exists for every number of raters")

    def _take(
        self, window: int, slot: int, asked_by: dict[int, tuple[int, int, int] | None]
    ) -> None:
        """Take a free slot, and pass each slot given up to the window that asked for it."""
        while True:
            asked = asked_by[window]
            if asked is not None:
                del self.holder[asked[2]]
                del self.members[self.slots[asked[2]]][asked[2]]
            self.holder[slot] = window
            self.members[self.slots[slot]][slot] = None
            if asked is None:
                return
            window, slot, _ = asked
