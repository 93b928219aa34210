"""caer-data: from raw television shows to a context-aware emotion dataset, and its benchmark.

>>> import pandas as pd
>>> import caer_data
>>> votes = pd.DataFrame({"clip_id": ["a"] * 3, "rater": list("xyz"), "emotion": "happy"})
>>> caer_data.decide_labels(votes.assign(confidence=0.8))["emotion"].tolist()
['happy']

`build` builds a dataset, and `Dataset("dataset").clips` reads one of its tables as a data frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from caer_data.api import (
        Alpha,
        Classifier,
        FoundFaces,
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
    from caer_data.benchmark.recipe import ModelRecipe
    from caer_data.curate.result import BuildResult
    from caer_data.engine.dataset import Dataset
    from caer_data.engine.engines import Engine, LocalEngine, Needs
    from caer_data.engine.errors import CaerError
    from caer_data.engine.pool import Limits
    from caer_data.engine.progress import Reporter
    from caer_data.engine.ray_engine import RayEngine
    from caer_data.engine.recipe import Recipe
    from caer_data.export.audit import Verdict

__all__ = [
    "Alpha",
    "BuildResult",
    "CaerError",
    "Classifier",
    "Dataset",
    "Engine",
    "FoundFaces",
    "Limits",
    "LocalEngine",
    "ModelRecipe",
    "Needs",
    "RayEngine",
    "Recipe",
    "Reporter",
    "Verdict",
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
    "BuildResult": "curate.result",
    "CaerError": "engine.errors",
    "Dataset": "engine.dataset",
    "Engine": "engine.engines",
    "Limits": "engine.pool",
    "LocalEngine": "engine.engines",
    "ModelRecipe": "benchmark.recipe",
    "Needs": "engine.engines",
    "RayEngine": "engine.ray_engine",
    "Recipe": "engine.recipe",
    "Reporter": "engine.progress",
    "Verdict": "export.audit",
}
"""Module of each public name that is not defined in `api`."""


if not TYPE_CHECKING:  # type checkers see the imports above, and only those

    def __getattr__(name: str) -> object:
        """Import a public name on first use, so that `--help` does not wait for pandas."""
        if name in __all__:
            import importlib

            home = importlib.import_module(f"caer_data.{_HOMES.get(name, 'api')}")
            return getattr(home, name)
        raise AttributeError(f"module 'caer_data' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
