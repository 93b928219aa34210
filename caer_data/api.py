"""What the public names of the package stand for, where that takes more than one part of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from caer_data.curate.outcome import Outcome
    from caer_data.engine.dataset import Dataset
    from caer_data.engine.pool import Limits
    from caer_data.engine.progress import Reporter
    from caer_data.export.splits import By


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


def split(
    clips: pd.DataFrame,
    shares: tuple[float, float, float] = (70, 10, 20),
    by: By = "show",
    seed: int = 0,
) -> pd.Series:
    """Draw train, validation and test so that no group lies in two of them.

    Args:
        clips: one row per clip: `clip_id`, `label` (class id, 0 to 6) and the column of the groups:
            `shot_id`, `video_id`, `show` or `person_id`, for `by` clip, video, show or person.
        shares: of train, validation and test, in any unit.
        by: which clips stay together.
        seed: another seed draws another split.

    Returns:
        `train`, `validation` or `test` for every row, indexed like `clips`.

    Raises:
        CaerError: a column is missing, or there are fewer groups than splits.

    >>> import pandas as pd
    >>> clips = pd.DataFrame({"clip_id": list("abcd"), "label": 0, "show": list("wxyz")})
    >>> sorted(split(clips, (50, 25, 25)))
    ['test', 'train', 'train', 'validation']
    """
    from caer_data.engine.errors import CaerError
    from caer_data.export import splits

    group = splits.GROUP_OF[by]
    holds = {"clip_id": "the clip's name", "label": "class id, 0 to 6", group: f"its {by}"}
    missing = [f"{name} ({what})" for name, what in holds.items() if name not in clips]
    if missing:
        raise CaerError(f"split: the frame lacks the column {', '.join(missing)}; add it")
    groups = dict.fromkeys(splits.GROUP_OF.values(), clips["clip_id"])
    given = {name: clips[name] for name in clips.columns}
    whole = clips.assign(**{"clip_key": clips["clip_id"], **groups, **given})
    return splits.assign(whole, splits.Scheme(shares, by, seed))
