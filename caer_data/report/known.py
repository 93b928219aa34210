"""Remember the release and the results that belong to a dataset's report.

`work/report.json` has their paths from the last verb that named them. Missing paths are omitted
from the page. `caer-data forget` clears both, because a release may still contain removed data.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from caer_data.engine.dataset import Dataset
from caer_data.engine.files import write_text

NAME: Final = "report.json"


def known(
    dataset: Dataset, release: Path | None, results: Path | None
) -> tuple[Path | None, Path | None]:
    """Return the release and results to show: the given ones if they exist, else stored ones."""
    noted = _noted(dataset)
    given = {"release": release, "results": results}
    there = {name: path for name, path in given.items() if path is not None and _is_there(path)}
    now = noted | {name: str(path.resolve()) for name, path in there.items()}
    if now != noted:
        write_text(dataset.work_folder / NAME, json.dumps(now, indent=1))
    found = {name: Path(place) for name, place in now.items() if _is_there(Path(place))}
    return found.get("release"), found.get("results")


def is_known(dataset: Dataset, release: Path) -> bool:
    """Return whether a release is the one in a dataset's report."""
    return _noted(dataset).get("release") == str(release.resolve())


def forget(dataset: Dataset) -> None:
    """Remove the stored paths."""
    (dataset.work_folder / NAME).unlink(missing_ok=True)


def _noted(dataset: Dataset) -> dict[str, str]:
    try:
        found = json.loads((dataset.work_folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_there(path: Path) -> bool:
    return (path / "manifest.parquet").is_file() or any(path.glob("**/results.json"))
