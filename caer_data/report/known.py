"""Which release and which results belong to a dataset's report, so that every verb keeps them.

`work/report.json` holds their places as the last verb was given them. A place that is gone is left
out of the page; `caer-data forget` forgets both, because a release may still hold what was removed.
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
    """The release and the results to show: those given, if they exist, else those noted before."""
    noted = _noted(dataset)
    given = {"release": release, "results": results}
    there = {name: path for name, path in given.items() if path is not None and _is_there(path)}
    now = noted | {name: str(path.resolve()) for name, path in there.items()}
    if now != noted:
        write_text(dataset.work_folder / NAME, json.dumps(now, indent=1))
    found = {name: Path(place) for name, place in now.items() if _is_there(Path(place))}
    return found.get("release"), found.get("results")


def is_known(dataset: Dataset, release: Path) -> bool:
    """Whether a release is the one in a dataset's report."""
    return _noted(dataset).get("release") == str(release.resolve())


def forget(dataset: Dataset) -> None:
    """Note nothing any more."""
    (dataset.work_folder / NAME).unlink(missing_ok=True)


def _noted(dataset: Dataset) -> dict[str, str]:
    try:
        found = json.loads((dataset.work_folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_there(path: Path) -> bool:
    return (path / "manifest.parquet").is_file() or any(path.glob("**/results.json"))
