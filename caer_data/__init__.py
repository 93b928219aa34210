"""caer-data: from raw television shows to a context-aware emotion dataset, and its benchmark.

from caer_data import Dataset
Dataset("dataset").clips        # a typed pandas frame
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caer_data.engine.dataset import Dataset
    from caer_data.engine.errors import CaerError
    from caer_data.engine.recipe import Recipe

__all__ = ["CaerError", "Dataset", "Recipe", "__version__"]
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    """Import the public classes on first use, so that `--help` does not wait for pandas."""
    homes = {"Dataset": "engine.dataset", "CaerError": "engine.errors", "Recipe": "engine.recipe"}
    if name in homes:
        import importlib

        return getattr(importlib.import_module(f"caer_data.{homes[name]}"), name)
    raise AttributeError(f"module 'caer_data' has no attribute '{name}'")
