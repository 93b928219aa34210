"""What a recipe needs beyond the package itself, checked before any work begins."""

from __future__ import annotations

from caer_data.engine.recipe import Recipe
from caer_data.faces import speakers
from caer_data.faces.models import choose
from caer_data.media import voice
from caer_data.shots import transnet


def check(recipe: Recipe) -> None:
    """Make sure that everything a recipe asks for is installed.

    Raises:
        CaerError: names what is missing and how to install it.
    """
    if recipe.shots.detector == "transnet":
        transnet.check()
    if recipe.speech.voice == "silero":
        voice.load_file()
    speakers.check(recipe.speech.speaker, recipe.speech.speaker_model)
    choose.check(recipe.faces)
