"""Additional questions of a recipe (`annotate.ask`), stored as columns of `ratings`.

They affect neither whether an answer counts nor the label. If a question has no answer, or one that
it does not offer, its cell is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from caer_data.engine.emotions import EMOTIONS
from caer_data.labels.cells import finite_number

SCALES: Final = {"intensity": (0.0, 1.0), "valence": (-1.0, 1.0), "arousal": (-1.0, 1.0)}
"""Range of each slider."""

QUESTIONS: Final = ("second_choice", *SCALES)


def cells(stored: Mapping[str, object], emotion: str | None) -> dict[str, str | float | None]:
    """Return the columns of one answer.

    Args:
        stored: stored values of the page's controls, by question.
        emotion: the rater's first choice, which is not accepted as the second choice. If None,
            all columns are empty.
    """
    if emotion is None:
        return dict.fromkeys(QUESTIONS)
    second = stored.get("second_choice")
    chosen = (
        second if isinstance(second, str) and second in EMOTIONS and second != emotion else None
    )
    return {"second_choice": chosen} | {
        name: _on_scale(stored.get(name), *ends) for name, ends in SCALES.items()
    }


def _on_scale(value: object, low: float, high: float) -> float | None:
    """Return a number rounded to two places (sliders store 0.15000000000000002), or None."""
    number = finite_number(value)
    if number is None or not low - 1e-9 <= number <= high + 1e-9:
        return None
    return round(number, 2) + 0.0
