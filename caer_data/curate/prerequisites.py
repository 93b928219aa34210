"""Checks, before any work begins, that optional packages and models are installed."""

from __future__ import annotations

from caer_data.engine.recipe import Recipe
from caer_data.faces import speakers
from caer_data.faces.models import choose
from caer_data.media import voice
from caer_data.shots import transnet


def check(recipe: Recipe) -> None:
    """Check that everything a recipe needs is installed.

    Raises:
        CaerError: something is missing; the message says how to install it.
    """
    if recipe.shots.detector == "transnet":
        transnet.check()
    if recipe.speech.voice == "silero":
        voice.load_file()
    speakers.check(recipe.speech.speaker, recipe.speech.speaker_model)
    choose.check(recipe.faces)
