"""The seven emotion categories of CAER (paper, section 4.1), in the field's order."""

from __future__ import annotations

from typing import Final

EMOTIONS: Final = ("anger", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""Class names; a class id is the position in this tuple (0 to 6)."""

LABELS: Final = {emotion: label for label, emotion in enumerate(EMOTIONS)}
"""Class id of each emotion."""

PROBABILITY_COLUMNS: Final = tuple(f"p_{emotion}" for emotion in EMOTIONS)
"""Columns that hold the distribution of votes over the seven (the soft label)."""
