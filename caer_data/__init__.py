"""caer-data: from raw television shows to a context-aware emotion dataset, and its benchmark.

from caer_data import Dataset
Dataset("dataset").clips        # a typed pandas frame
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from caer_data.api import build, split
    from caer_data.engine.dataset import Dataset
    from caer_data.engine.errors import CaerError
    from caer_data.engine.recipe import Recipe

__all__ = ["CaerError", "Dataset", "Recipe", "__version__", "build", "split"]
__version__ = "0.2.0"

_HOMES: Final = {
    "Dataset": "engine.dataset",
    "CaerError": "engine.errors",
    "Recipe": "engine.recipe",
    "build": "api",
    "split": "api",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that `--help` does not wait for pandas."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"caer_data.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'caer_data' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
