"""Raters' answers: CAER's seven emotions (paper, section 4.1) and reasons for not judging."""

from __future__ import annotations

from typing import Final

EMOTIONS: Final = ("anger", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""Class names; a class id is the position in this tuple (0 to 6)."""

LABELS: Final = {emotion: label for label, emotion in enumerate(EMOTIONS)}
"""Class id of each emotion."""

PROBABILITY_COLUMNS: Final = tuple(f"p_{emotion}" for emotion in EMOTIONS)
"""Columns that hold the distribution of votes over the seven (the soft label)."""

CANNOT_JUDGE: Final = {
    "target_not_visible": "the person cannot be seen well enough",
    "wrong_box": "the box marks nobody, or another person than the clip shows",
    "several_emotions": "the person shows more than one emotion",
    "sound_missing": "there is no sound",
    "not_a_person": "the box marks no person: an animal, a drawing, a picture",
    "distressing": "the clip is distressing to watch",
}
"""Why a rater cannot judge a clip: a separate answer, which is not a vote."""
