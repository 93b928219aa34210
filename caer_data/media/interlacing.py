"""Measures from the pictures whether frames consist of two fields, whatever the file says of them.

FFmpeg's filter `idet` compares the lines of each frame with those of its neighbours. It says
nothing about frames in which nothing moves, and it takes some vertical scrolling for fields. So an
interlaced file must, moreover, have frames that are torn: where something moves, lines differ more
from the lines beside them than from those of their own field. Frames of two fields that move up or
down slowly are not torn either, so if none are torn but `idet` prefers one order, nothing is known.

When film is converted to 59.94 fields per second (2:3 pulldown), whole frames of film come back at
the same places of every five frames. No camera does that.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Final

import av
import av.filter
import numpy as np
import numpy.typing as npt

from caer_data.media.fields import Fields
from caer_data.media.frame import DecodedFrame

_CYCLE: Final = 5
_WINDOW: Final = 50
"""Frames that are judged together; edits after the telecine interrupt its pattern."""
_ALL_UNTIL: Final = 500
"""Frames at the start of a video that are all examined."""
_EVERY: Final = 5
"""Of the other windows, one in so many is examined."""

_MIN_KNOWN: Final = 25  # frames in which something moves; fewer prove nothing
_MIN_CLEARED: Final = 100  # the same, to prove that flags of two fields are wrong
_CLEARED: Final = 0.02  # maximum share of interlaced frames among these, torn or not
_SOME: Final = 0.05  # share of interlaced frames from which a file is called mixed
_MANY: Final = 0.2  # ... from which frames that are flagged as whole are deinterlaced
_MOST: Final = 0.75  # ... from which a file is called interlaced

_MIN_IN_WINDOW: Final = 20  # frames of a window in which something moves
_BEAT: Final = 0.5  # minimum difference between places of the cycle in the share of whole frames
_MIN_WINDOWS: Final = 0.5  # share of the interlaced windows that have the beat

_MOVES: Final = 8  # change of a pixel from the previous frame, out of 256
_MIN_PIXELS: Final = 50  # such pixels, one column in `_COLUMNS`
_COLUMNS: Final = 4
_TORN: Final = 1.0  # difference from the lines beside over that from lines of the same field
_MIN_TORN: Final = 0.03  # share of the interlaced frames that are clearly torn

_ORDERS: Final = {"tff": "tt", "bff": "bb"}
_SHOWN: Final = {
    ("tt", False): Fields.TOP,
    ("bb", False): Fields.BOTTOM,
    ("tt", True): Fields.FILM_TOP,
    ("bb", True): Fields.FILM_BOTTOM,
}


@dataclass(frozen=True)
class Measured:
    """How the frames of a file are made, by its pictures.

    Attributes:
        scan_type: progressive, interlaced, telecined, mixed, or unknown if too little moves or the
            signs contradict each other.
        share: share of the frames with motion that consist of two fields; None if unknown.
        order: tt (top field first) or bb; None unless there are frames of two fields.
        fields: what to do with the fields.
    """

    scan_type: str
    share: float | None
    order: str | None
    fields: Fields


UNKNOWN: Final = Measured("unknown", None, None, Fields.FLAGGED)


@dataclass(frozen=True)
class _Verdict:
    """`idet`'s word on a frame: tff, bff, progressive or undetermined."""

    index: int
    flagged: bool
    word: str


class Interlacing:
    """Examines windows of frames that are pushed one by one."""

    def __init__(self) -> None:
        self._window: _Window | None = None
        self._verdicts: list[_Verdict] = []
        self._compared = self._torn = 0

    def push(self, frame: DecodedFrame) -> None:
        """Add the next frame of the video."""
        number = frame.index // _WINDOW
        if frame.index >= _ALL_UNTIL and number % _EVERY:
            self._window = None
            return
        if self._window is None or not self._window.takes(number, frame.raw):
            self._window = _Window(number, frame.raw)
        for verdict, torn in self._window.push(frame.index, frame.raw):
            self._verdicts.append(verdict)
            self._compared += torn is not None
            self._torn += torn is True

    def measured(self) -> Measured:
        """Return what the frames so far show."""
        words = self._words()
        all_words = words[True] + words[False]
        if not self._is_torn():
            if _is_doubtful(all_words) or _is_doubtful(words[True]):
                return UNKNOWN
            words = {flagged: _progressive(said) for flagged, said in words.items()}
            all_words = _progressive(all_words)
        if all_words.total() < _MIN_KNOWN:
            return UNKNOWN
        share, order = _share(all_words)
        if share < _SOME:
            return Measured("progressive", share, None, _shown(words, order, film=False))
        film = share >= _MANY and self._has_beat()
        kind = "telecined" if film else "interlaced" if share >= _MOST else "mixed"
        return Measured(kind, share, order, _shown(words, order, film))

    def _words(self) -> dict[bool, Counter[str]]:
        """Return how often each word was said of flagged and other frames, if it says anything."""
        known = [v for v in self._verdicts if v.word != "undetermined"]
        return {
            flagged: Counter(v.word for v in known if v.flagged == flagged)
            for flagged in (True, False)
        }

    def _is_torn(self) -> bool:
        """Whether enough of the frames that `idet` calls interlaced are torn."""
        return self._torn >= max(1, _MIN_TORN * self._compared)

    def _has_beat(self) -> bool:
        """Whether most of the interlaced windows have the pattern of telecined film."""
        windows: dict[int, list[_Verdict]] = {}
        for verdict in self._verdicts:
            if verdict.word != "undetermined":
                windows.setdefault(verdict.index // _WINDOW, []).append(verdict)
        beats = [beat for window in windows.values() if (beat := _beat(window)) is not None]
        return bool(beats) and sum(beats) >= _MIN_WINDOWS * len(beats)


def _share(words: Counter[str]) -> tuple[float, str]:
    """Return the share of interlaced frames, and their order.

    Where whole frames are mistaken, both orders are found about equally often, so they cancel out.
    """
    lead = words["tff"] - words["bff"]
    return abs(lead) / words.total(), _ORDERS["tff" if lead >= 0 else "bff"]


def _is_doubtful(words: Counter[str]) -> bool:
    """Whether frames that are not torn may consist of two fields: one order prevails."""
    return abs(words["tff"] - words["bff"]) > _CLEARED * max(words.total(), _MIN_CLEARED)


def _progressive(words: Counter[str]) -> Counter[str]:
    return Counter(progressive=words["progressive"])


def _shown(words: dict[bool, Counter[str]], order: str, film: bool) -> Fields:
    """Return what to do with the fields: as flagged, unless the pictures contradict the flags."""
    flagged, others = words[True], words[False]
    if film:
        return _SHOWN[order, True]
    if others.total() >= _MIN_KNOWN and _share(others)[0] >= _MANY:
        return _SHOWN[order, False]
    if others.total() < _MIN_KNOWN and _share(flagged)[0] >= _MOST:
        return _SHOWN[order, False]  # the flags may name the wrong order
    two_fields = flagged["tff"] + flagged["bff"]
    if flagged.total() >= _MIN_CLEARED and two_fields <= _CLEARED * flagged.total():
        return Fields.WHOLE
    return Fields.FLAGGED


def _beat(window: list[_Verdict]) -> bool | None:
    """Whether whole frames keep to their places in the cycle; None if too few are interlaced."""
    whole = np.array([v.word == "progressive" for v in window])
    if len(whole) < _MIN_IN_WINDOW or 1 - whole.mean() < _MANY:
        return None
    place = np.array([v.index % _CYCLE for v in window])
    shares = [whole[place == n].mean() for n in range(_CYCLE) if (place == n).any()]
    return bool(max(shares) - min(shares) >= _BEAT)


class _Window:
    """Some successive frames of one size and format, and the filter that compares them."""

    def __init__(self, number: int, raw: Any) -> None:
        self._number = number
        self._form = _form(raw)
        self._waiting: deque[tuple[int, bool]] = deque()
        self._before: Any = None
        self._graph = av.filter.Graph()
        self._graph.threads = 1
        source = self._graph.add_buffer(
            width=raw.width, height=raw.height, format=raw.format, time_base=raw.time_base
        )
        idet, sink = self._graph.add("idet"), self._graph.add("buffersink")
        source.link_to(idet)
        idet.link_to(sink)
        self._graph.configure()

    def takes(self, number: int, raw: Any) -> bool:
        """Whether a frame belongs to this window."""
        return (number, _form(raw)) == (self._number, self._form)

    def push(self, index: int, raw: Any) -> list[tuple[_Verdict, bool | None]]:
        """Add a frame; return verdicts, and whether interlaced frames are torn (None: unclear)."""
        self._waiting.append((index, bool(raw.interlaced_frame)))
        self._graph.vpush(raw)
        done: list[tuple[_Verdict, bool | None]] = []
        while True:
            try:
                judged = self._graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return done
            word = judged.metadata["lavfi.idet.single.current_frame"]
            torn = _torn(self._before, judged) if self._before and word in _ORDERS else None
            done.append((_Verdict(*self._waiting.popleft(), word), torn))
            self._before = judged


def _form(raw: Any) -> tuple[int, int, str]:
    return raw.width, raw.height, raw.format.name


def _torn(before: Any, raw: Any) -> bool | None:
    """Whether a frame is torn where it moves; None if too little does."""
    now, then = _brightness(raw), _brightness(before)
    middle = now[2:-2]
    moves = np.abs(middle - then[2:-2]) > _MOVES
    if moves.sum() < _MIN_PIXELS:
        return None
    beside = np.abs(now[1:-3] + now[3:-1] - 2 * middle)[moves].sum()
    own_field = np.abs(now[:-4] + now[4:] - 2 * middle)[moves].sum()
    return bool(beside >= _TORN * own_field)


def _brightness(raw: Any) -> npt.NDArray[np.int16]:
    """Return the brightness of some columns of a frame, 0 to 255."""
    first, name = raw.format.components[0], raw.format.name
    if not (raw.format.is_planar and name.startswith("yuv")) or raw.format.is_bit_stream:
        grey: npt.NDArray[np.uint8] = raw.reformat(format="gray").to_ndarray()
        return grey[:, ::_COLUMNS].astype(np.int16)
    plane, deep = raw.planes[0], first.bits > 8
    kind = np.dtype("<u2" if deep else np.uint8)
    rows = np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)
    shown = rows[:, : plane.width : _COLUMNS]
    return (shown >> (first.bits - 8) if deep else shown).astype(np.int16)
