"""The training: clips with known answers that a rater judges before voting.

Each rater gets their own project with the same clips in a different order. After each answer, the
guard shows the known answer (`studio/guard/caer_training.py`), and the rater's answer is final.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from caer_data.annotate.answers import fetch_training
from caer_data.annotate.studio import projects
from caer_data.annotate.studio.client import Server
from caer_data.annotate.studio.folders import private_folder, write_private
from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.hashing import shuffle_key
from caer_data.engine.ledger import Ledger
from caer_data.engine.secret import secret_of
from caer_data.labels import checks as checked


def plan(
    checks: pd.DataFrame,
    people: Sequence[str],
    known: Mapping[str, str],
    seen: Collection[tuple[str, str]],
    count: int,
    seed: int,
) -> pd.DataFrame:
    """Add a training for raters who have none; return the complete `tables.CHECKS`.

    All raters get the same clips, balanced over the emotions if possible. A clip that a rater has
    already seen is replaced by the next one.

    Args:
        checks: existing `tables.CHECKS`.
        people: e-mail addresses of raters.
        known: known answers of the clips that can be shown, by clip.
        seen: pairs (clip_key, rater) assigned earlier.
        count: number of clips in a training.
        seed: the recipe's seed.

    Raises:
        CaerError: too few answers are known.
    """
    order = _order(known, seed)
    trained = set(checks.loc[checks["kind"] == "training", "rater"])
    taken = {*seen, *zip(checks["clip_key"], checks["rater"], strict=True)}
    rows = []
    for rater in sorted(set(people) - trained):
        free = [key for key in order if (key, rater) not in taken][:count]
        if len(free) < count:
            raise CaerError(
                f"recipe: annotate.training requires {count} clips with known answers per rater, "
                f"but there are {len(free)} for {rater}; add more with 'push --known FILE'"
            )
        mine = sorted(free, key=lambda key: shuffle_key(seed, "training", rater, key))
        rows += [
            {
                "clip_key": key,
                "rater": rater,
                "kind": "training",
                "position": index,
                "known": known[key],
            }
            for index, key in enumerate(mine)
        ]
    fresh = tables.frame(tables.CHECKS, rows)
    return pd.concat([checks, fresh], ignore_index=True) if len(checks) else fresh


def _order(known: Mapping[str, str], seed: int) -> list[str]:
    """Return the clips in shuffled order, with the emotions balanced throughout."""
    shuffled = sorted(known, key=lambda key: shuffle_key(seed, "training", key))
    met: Counter[str] = Counter()
    turn = {}
    for key in shuffled:
        turn[key] = met[known[key]]
        met[known[key]] += 1
    return sorted(shuffled, key=lambda key: turn[key])


def answered(dataset: Dataset, server: Server, name: str, checks: pd.DataFrame) -> pd.DataFrame:
    """Return the checks with the training answers from the server."""
    is_training = checks["kind"] == "training"
    if not is_training.any():
        return checks
    answers = fetch_training(dataset, server, name)
    ledger = Ledger.of(dataset)
    answered = checked.take(checks[is_training], answers, dataset.clips, ledger)
    return pd.concat([answered, checks[~is_training]], ignore_index=True)


def standing(dataset: Dataset, checks: pd.DataFrame) -> pd.DataFrame:
    """Return `tables.RATERS` computed from the trainings only."""
    mine = checks[checks["kind"] == "training"]
    none = tables.empty(tables.RATINGS)
    return checked.raters(mine, none, dataset.recipe.annotate, secret_of(dataset.folder))


@dataclass(frozen=True)
class Trained:
    """State of the training.

    Attributes:
        checks: the complete `tables.CHECKS`, including trainings.
        passed: raters who may be assigned clips.
        open: whether a rater has not finished.
        said: one sentence about each rater.
    """

    checks: pd.DataFrame
    passed: list[str]
    open: bool
    said: list[str]


def update(
    dataset: Dataset,
    server: Server,
    name: str | None,
    raters: Sequence[str] | None,
    before: pd.DataFrame,
    checks: pd.DataFrame,
    known: Mapping[str, str],
) -> Trained:
    """Assign training to raters who have none, and return the status of all raters.

    Args:
        dataset: its recipe has the number of clips and the pass mark.
        server: the rating server.
        name: the dataset's name on servers; None before the first push.
        raters: raters who take part; None for those of earlier pushes.
        before: `tables.ASSIGNMENTS` so far.
        checks: `tables.CHECKS` so far.
        known: known answers of the clips that can be shown, by clip.

    Raises:
        CaerError: no raters are named, too few answers are known, or the server has no guard.
    """
    require(server)
    trained = checks.loc[checks["kind"] == "training", "rater"]
    people = sorted({*before["rater"], *trained} if raters is None else set(raters))
    if not people:
        raise CaerError("no clips are assigned yet; name the raters with --raters FILE")
    recipe = dataset.recipe
    seen = set(zip(before["clip_key"], before["rater"], strict=True))
    if name is not None:
        checks = answered(dataset, server, name, checks)
    checks = plan(checks, people, known, seen, recipe.annotate.training, recipe.seed)
    stand = standing(dataset, checks)
    stand = stand[stand["rater"].isin(people)]
    passed = stand.loc[stand["passed"].fillna(False).astype(bool), "rater"].tolist()
    said = checked.training_said(stand, recipe.annotate)
    return Trained(checks, passed, bool(stand["passed"].isna().any()), said)


def require(server: Server) -> None:
    """Raise a CaerError unless the server can show known answers after each clip."""
    if server.files is None or not server.guarded:
        raise CaerError(
            f"{server.url}: a training (annotate.training in the recipe) gives feedback through "
            "the guard of 'caer-data annotate serve', which this server lacks; use 'caer-data "
            "annotate serve', or set annotate.training to 0"
        )


def publish(server: Server, project: projects.Project, checks: pd.DataFrame) -> None:
    """Write the known answers to a file that only the guard reads."""
    assert server.files is not None  # noqa: S101 - see `require`
    mine = checks[(checks["rater"] == project.rater) & (checks["kind"] == "training")]
    known = dict(zip(mine["presentation"], mine["known"], strict=True))
    path = _answers_path(server.files, project)
    private_folder(path.parent)
    write_private(path, json.dumps(known, sort_keys=True))


def unpublish(
    server: Server, project: projects.Project, names: Collection[str] | None = None
) -> None:
    """Remove the answers written by `publish`, for some presentations or the whole project."""
    path = _answers_path(server.files, project) if server.files else None
    if path is None or not path.is_file():
        return
    if names is None:
        path.unlink()
        return
    known = json.loads(path.read_text(encoding="utf-8"))
    write_private(
        path, json.dumps({n: k for n, k in known.items() if n not in names}, sort_keys=True)
    )


def _answers_path(files: Path, project: projects.Project) -> Path:
    return files.parent / "training" / f"{project.number}.json"
