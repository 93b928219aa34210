"""Parse the cells of an imported file: emotion words, confidence scales, decimal commas."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from caer_data.engine.errors import CaerError

SYNONYMS: Final = {
    **dict.fromkeys(
        ("angry", "wut", "wütend", "ärger", "colère", "en colère", "ira", "rabbia"), "anger"
    ),
    **dict.fromkeys(("disgusted", "ekel", "dégoût", "asco", "disgusto"), "disgust"),
    **dict.fromkeys(
        ("fearful", "afraid", "scared", "angst", "ängstlich", "peur", "miedo", "paura"), "fear"
    ),
    **dict.fromkeys(
        (
            "happiness",
            "joy",
            "joyful",
            "freude",
            "glücklich",
            "fröhlich",
            "joie",
            "heureux",
            "alegría",
            "gioia",
        ),
        "happy",
    ),
    **dict.fromkeys(("neutrality", "neutre", "neutro", "neutrale"), "neutral"),
    **dict.fromkeys(
        ("sadness", "trauer", "traurig", "tristesse", "triste", "tristeza", "tristezza"), "sad"
    ),
    **dict.fromkeys(("surprised", "überraschung", "überrascht", "surpris", "sorpresa"), "surprise"),
}
"""Synonyms of the seven emotions, accepted only with `--synonyms`."""

_COMMA: Final = re.compile(r"-?\d+,\d+")
_THOUSANDS: Final = re.compile(r"\d{1,3},\d{3}")


@dataclass(frozen=True)
class Scale:
    """A scale of confidence with equal steps, from `low` (a guess) to `high` (certain)."""

    low: float = 0.0
    high: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Scale:
        """Return the scale written as `1..5`.

        Raises:
            CaerError: the text is not two numbers, the lower one first.
        """
        try:
            low, high = (float(part) for part in text.split(".."))
        except ValueError:
            low = high = math.nan
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise CaerError(
                f"confidence scale '{text}': write the value for a guess, two dots and the value "
                "for certain, such as 1..5 or 0..100"
            )
        return cls(low, high)

    def share(self, cell: str) -> str:
        """Return the cell as the text of a number from 0 to 1, or unchanged if it is not a number.

        A percent sign overrides the default scale, but not one that the user named, such as 1..5.
        """
        text = cell.strip()
        percent = text.endswith("%")
        if percent and (self.low, self.high) not in ((0, 1), (0, 100)):
            return cell
        scale = Scale(0, 100) if percent else self
        number = point(text.rstrip("%").strip(), certain=True)
        try:
            share = (float(number) - scale.low) / (scale.high - scale.low)
        except ValueError:
            return cell
        return repr(share)

    def __str__(self) -> str:
        return f"{self.low:g} (guess) to {self.high:g} (certain)"


def point(cell: str, certain: bool) -> str:
    """Return the text of a number with its decimal comma replaced by a point.

    Args:
        cell: the text.
        certain: whether commas cannot be thousands separators. Otherwise, 1,500 is ambiguous and is
            returned unchanged, so that it fails to parse.
    """
    if _COMMA.fullmatch(cell) and (certain or not _THOUSANDS.fullmatch(cell)):
        return cell.replace(",", ".")
    return cell


def finite_number(value: object) -> float | None:
    """Return a number or its text as a finite float; None for anything else, including bools."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
