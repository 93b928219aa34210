"""Single cells of an imported file: words for emotions, scales of confidence, decimal commas."""

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
"""Words for the seven emotions, taken only where the user says so."""

_COMMA: Final = re.compile(r"-?\d+,\d+")
_THOUSANDS: Final = re.compile(r"\d{1,3},\d{3}")


@dataclass(frozen=True)
class Scale:
    """From a guess, `low`, to certain, `high`, in equal steps."""

    low: float = 0.0
    high: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Scale:
        """Read `1..5`.

        Raises:
            CaerError: it is not two numbers, the lower one first.
        """
        try:
            low, high = (float(part) for part in text.split(".."))
        except ValueError:
            low = high = math.nan
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise CaerError(
                f"confidence scale '{text}': write the guess, two points and the certain end, "
                "such as 1..5 or 0..100"
            )
        return cls(low, high)

    def share(self, cell: str) -> str:
        """The cell as a number from 0 to 1 in text; a cell that is not a number as it is.

        A percent sign overrides the scale unless the scale is one of its own, such as 1..5.
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
    """A number with a decimal point for one with a comma.

    Args:
        cell: the text.
        certain: a comma cannot set thousands apart here; otherwise 1,500 is left as it is, which
            no reader of numbers takes.
    """
    if _COMMA.fullmatch(cell) and (certain or not _THOUSANDS.fullmatch(cell)):
        return cell.replace(",", ".")
    return cell


def finite_number(value: object) -> float | None:
    """A finite number, also from text; no truth values."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
