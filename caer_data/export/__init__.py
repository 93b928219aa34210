"""`caer-data export`: write a release that others can load, with splits that do not leak."""

from typing import Final

PRELOAD: Final = ("caer_data.export.preload",)
"""Modules that the worker processes of an export import first."""
