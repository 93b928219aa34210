"""What the public names of the package stand for, where that takes more than one part of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caer_data.curate.outcome import Outcome
    from caer_data.engine.dataset import Dataset
    from caer_data.engine.pool import Limits
    from caer_data.engine.progress import Reporter


def build(
    shows: Path,
    output: Path,
    recipe: str | None = None,
    *,
    workers: int | None = None,
    limit: int | None = None,
    pyannote: Path | None = None,
    reporter: Reporter | None = None,
    limits: Limits | None = None,
    drop_rated: bool = False,
) -> Outcome:
    """Build a dataset from a folder of shows, or resume one, and write its report.

    See `caer_data.curate.run.build` for the arguments and for what is raised.
    """
    from caer_data.curate import run
    from caer_data.labels.decide import follow
    from caer_data.report.dataset import write_report

    def finish(dataset: Dataset) -> None:
        follow(dataset)
        write_report(dataset)

    return run.build(
        shows,
        output,
        recipe,
        workers=workers,
        limit=limit,
        pyannote=pyannote,
        reporter=reporter,
        limits=limits,
        drop_rated=drop_rated,
        finish=finish,
    )
