"""Converting decoded sound to one channel at one rate, even if its layout changes in the file."""

from __future__ import annotations

from typing import Any

import av


class Resampler:
    """Converts frames of sound to one channel at a fixed rate.

    Broadcasts change between stereo and surround sound, for example around advertisements. FFmpeg's
    converter accepts only one layout, format and rate, so a new one takes over at each change.

    Args:
        form: format of the samples, such as `s16` or `flt`.
        rate: samples per second.
    """

    def __init__(self, form: str, rate: int) -> None:
        self._form = form
        self._rate = rate
        self._source: tuple[str, str, int] | None = None
        self._converter: Any = None

    def convert(self, frame: Any) -> list[Any]:
        """Return the converted frames that are complete so far; none if it cannot be converted."""
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        rest = []
        if source != self._source:
            rest = self.finish()
            self._source = source
            self._converter = av.AudioResampler(format=self._form, layout="mono", rate=self._rate)
        return rest + self._converted(frame)

    def finish(self) -> list[Any]:
        """Return what is left; the next frame starts anew."""
        rest = self._converted(None)
        self._source = self._converter = None
        return rest

    def _converted(self, frame: Any) -> list[Any]:
        if self._converter is None:
            return []
        try:
            return list(self._converter.resample(frame))
        except (av.FFmpegError, ValueError):
            return []
