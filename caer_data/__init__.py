"""caer-data: from raw television shows to a context-aware emotion dataset, and its benchmark.

>>> import pandas as pd
>>> import caer_data
>>> votes = pd.DataFrame({"clip_id": ["a"] * 3, "rater": list("xyz"), "emotion": "happy"})
>>> caer_data.decide_labels(votes.assign(confidence=0.8))["emotion"].tolist()
['happy']

`Dataset("dataset").clips` reads a table of a dataset as a pandas frame; `build` makes one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from caer_data.api import (
        agreement,
        audit,
        build,
        cluster_people,
        decide_labels,
        detect_shots,
        find_faces,
        load_model,
        split,
    )
    from caer_data.engine.dataset import Dataset
    from caer_data.engine.errors import CaerError
    from caer_data.engine.recipe import Recipe

__all__ = [
    "CaerError",
    "Dataset",
    "Recipe",
    "__version__",
    "agreement",
    "audit",
    "build",
    "cluster_people",
    "decide_labels",
    "detect_shots",
    "find_faces",
    "load_model",
    "split",
]
__version__ = "0.2.0"

_HOMES: Final = {
    "Dataset": "engine.dataset",
    "CaerError": "engine.errors",
    "Recipe": "engine.recipe",
}
"""Where names come from that are not of `api`."""


if not TYPE_CHECKING:  # a type checker knows the names from the imports above, and no others

    def __getattr__(name: str) -> object:
        """Import the public names on first use, so that `--help` does not wait for pandas."""
        if name in __all__:
            import importlib

            home = importlib.import_module(f"caer_data.{_HOMES.get(name, 'api')}")
            return getattr(home, name)
        raise AttributeError(f"module 'caer_data' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
