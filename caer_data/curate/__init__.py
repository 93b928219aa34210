"""The stages of a build, from videos to clips."""

from typing import Final

PRELOAD: Final = ("caer_data.curate.preload",)
"""Modules that the worker processes of a build import first."""
