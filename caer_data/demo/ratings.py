"""Made-up ratings of the demo's clips, marked as made up in every row."""

from __future__ import annotations

import csv
import io
import itertools
import json
import random
from pathlib import Path
from typing import Any, Final

from caer_data.engine import anchors
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.engine.files import write_text

RATERS: Final = tuple(f"made-up-rater-{n}" for n in range(1, 7))
COLUMNS: Final = ("clip_id", "rater", "emotion", "confidence", "source")
SOURCE: Final = "made-up"

# Emotions that each emotion is mistaken for.
_MISTAKEN: Final = {
    "anger": ("disgust", "neutral", "sad"),
    "disgust": ("anger", "neutral", "sad"),
    "fear": ("surprise", "sad", "neutral"),
    "happy": ("neutral", "surprise", "sad"),
    "neutral": ("sad", "happy", "disgust"),
    "sad": ("neutral", "fear", "disgust"),
    "surprise": ("fear", "happy", "neutral"),
}
_HARD_SHARE: Final = 0.15  # share of clips on which raters disagree and are unsure


def write_ratings(dataset: Path, folder: Path) -> Path:
    """Write made-up answers from three of six raters for each kept clip to `folder/ratings.csv`.

    The answers follow the mood that coloured the shot, with mistakes. They are reproducible.

    Args:
        dataset: the dataset built from the demo's shows.
        folder: the demo's folder, which contains `truth.json`.

    Returns:
        Path of the CSV file.

    Raises:
        CaerError: a clip is not from the demo's shows.
    """
    clips = Dataset(dataset).clips
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["videos"]
    teams = list(itertools.combinations(RATERS, 3))
    random.Random(0).shuffle(teams)  # noqa: S311 - made up on purpose
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    kept = anchors.present(clips).sort_values("clip_id")
    for number, clip in enumerate(kept.itertuples()):
        mood = _mood(truth, clip)
        draw = random.Random(str(clip.clip_id))  # noqa: S311
        hard = draw.random() < _HARD_SHARE
        for rater in teams[number % len(teams)]:
            emotion, confidence = _answer(mood, hard, draw)
            writer.writerow((clip.clip_id, rater, emotion, f"{confidence:.2f}", SOURCE))
    path = folder / "ratings.csv"
    write_text(path, text.getvalue())
    return path


def _mood(truth: dict[str, Any], clip: Any) -> str:
    """Return the mood of the shot that contains the clip's middle."""
    video = truth.get(f"{clip.show}/{clip.episode}.mp4")
    middle = (clip.start_frame + clip.end_frame) // 2
    for shot in video["shots"] if video else []:
        if shot["start"] <= middle < shot["end"]:
            return str(shot["mood"])
    raise CaerError(f"{clip.clip_id}: not a clip of the demo's shows; run 'caer-data demo'")


def _answer(mood: str, hard: bool, draw: random.Random) -> tuple[str, float]:
    """Return one rater's emotion and confidence, 0 to 1."""
    right = draw.random() < (0.4 if hard else 0.88)
    emotion = mood if right else draw.choice((*_MISTAKEN[mood], draw.choice(EMOTIONS)))
    middle = (0.42 if hard else 0.8) - (0.0 if right else 0.2)
    return emotion, min(1.0, max(0.0, draw.gauss(middle, 0.12)))
