"""`caer-data export`: a dataset others can load, with splits that do not leak."""

from typing import Final

PRELOAD: Final = ("caer_data.export.preload",)
"""What the worker processes of an export import first."""
