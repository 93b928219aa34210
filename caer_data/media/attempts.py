"""Decoding a video until its fields are shown as its pictures ask, in as few decodes as possible.

Whatever is computed from a video's pictures (shots, faces, clips) goes through the same decodes, so
that all of it shows the same pictures, whichever function is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import InitVar, dataclass, field
from typing import Final

from caer_data.media.fields import Fields
from caer_data.media.frame import DecodedFrame
from caer_data.media.interlacing import UNKNOWN, Interlacing, Measured

_SOON: Final = 1500  # frames after which fields that contradict the flags stop the first decode
_MOST_REPEATS: Final = 3
"""A first decode that stopped, another that found damage, and one with other fields."""


@dataclass
class Attempt:
    """One decode of a video.

    Attributes:
        threads: number of threads of the decoder.
        fields: how fields are shown.
        damaged: whether the file proved to be damaged.
        measured: what the frames show of their fields; unknown before the end.
    """

    threads: int
    fields: Fields = Fields.FLAGGED
    may_stop: InitVar[bool] = False
    damaged: bool = field(default=False, init=False)
    measured: Measured = field(default=UNKNOWN, init=False)

    def __post_init__(self, may_stop: bool) -> None:
        self._may_stop, self._seen = may_stop, Interlacing()

    def goes_on_after(self, frame: DecodedFrame) -> bool:
        """Add the next frame, and return whether to go on; if not, the results so far are void.

        The rest of a file may still prove its flags right, so only the first decode may stop.
        """
        self._seen.push(frame)
        if not self._may_stop or frame.index != _SOON:
            return True
        self.measured = self._seen.measured()
        return self.measured.fields is self.fields

    def finish(self, *, damaged: bool) -> None:
        """Note that the last frame was added, and whether the file proved to be damaged."""
        self.measured, self.damaged = self._seen.measured(), damaged


def attempts(threads: int) -> Iterator[Attempt]:
    """Yield decodes to make; the results of the last one count.

    A video is decoded again if its pictures contradict the flags of its fields, and with one thread
    if it is damaged, because how a decoder repairs damage depends on the scheduling of its threads.

    Args:
        threads: number of threads of the decoder.
    """
    attempt = Attempt(threads, may_stop=True)
    yield attempt
    for _ in range(_MOST_REPEATS):
        again = attempt.threads > 1 and attempt.damaged
        fields = attempt.measured.fields
        if fields is attempt.fields and not again:
            return
        attempt = Attempt(1 if again else attempt.threads, fields)
        yield attempt
