"""Further questions that a recipe may ask (`annotate.ask`): columns of `ratings`, and no more.

They never decide whether an answer counts, nor what the label is. What is not set, or is not what
the question offers, leaves its cell empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from caer_data.engine.emotions import EMOTIONS
from caer_data.labels.cells import finite_number

SCALES: Final = {"intensity": (0.0, 1.0), "valence": (-1.0, 1.0), "arousal": (-1.0, 1.0)}
"""Ends of the sliders."""

QUESTIONS: Final = ("second_choice", *SCALES)


def cells(stored: Mapping[str, object], emotion: str | None) -> dict[str, str | float | None]:
    """The columns of one answer.

    Args:
        stored: what the controls of the page hold, by question.
        emotion: the rater's first choice, which cannot be the second as well; None if there is
            none: then nothing else is taken either.
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
    """A number with two places: sliders store 0.15000000000000002."""
    number = finite_number(value)
    if number is None or not low - 1e-9 <= number <= high + 1e-9:
        return None
    return round(number, 2) + 0.0
