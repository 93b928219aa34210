"""The training round: clips with known answers that a rater judges before any vote.

Each rater gets a project of their own with the same clips, in an order of their own. The guard
tells the known answer after each (`studio/guard/caer_training.py`), and the answer then stands.
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
    """Add a training for whoever has none; return all of `tables.CHECKS`.

    The clips are the same for all, and of each emotion as many, as far as there are; whoever has
    seen one gets the next.

    Args:
        checks: those that exist.
        people: e-mail addresses of raters.
        known: right answers by clip, of the clips that can be shown.
        seen: (clip_key, rater) of what was assigned before.
        count: clips of a training.
        seed: of the recipe.

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
                f"recipe: annotate.training asks {count} clips with known answers of each rater, "
                f"but for {rater} there are {len(free)}; give more with 'push --known FILE'"
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
    """Clips shuffled, but such that no emotion runs ahead of the others."""
    shuffled = sorted(known, key=lambda key: shuffle_key(seed, "training", key))
    met: Counter[str] = Counter()
    turn = {}
    for key in shuffled:
        turn[key] = met[known[key]]
        met[known[key]] += 1
    return sorted(shuffled, key=lambda key: turn[key])


def answered(dataset: Dataset, server: Server, name: str, checks: pd.DataFrame) -> pd.DataFrame:
    """The checks with what the server holds of answers to trainings."""
    is_training = checks["kind"] == "training"
    if not is_training.any():
        return checks
    answers = fetch_training(dataset, server, name)
    ledger = Ledger.of(dataset)
    answered = checked.take(checks[is_training], answers, dataset.clips, ledger)
    return pd.concat([answered, checks[~is_training]], ignore_index=True)


def standing(dataset: Dataset, checks: pd.DataFrame) -> pd.DataFrame:
    """`tables.RATERS` of the trainings alone."""
    mine = checks[checks["kind"] == "training"]
    none = tables.empty(tables.RATINGS)
    return checked.raters(mine, none, dataset.recipe.annotate, secret_of(dataset.folder))


@dataclass(frozen=True)
class Trained:
    """Where the training stands.

    Attributes:
        checks: all of `tables.CHECKS`, with the trainings.
        passed: raters who may be assigned clips.
        open: whether somebody has not finished.
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
    """Give a training to whoever has none, and see how the others did.

    Args:
        dataset: its recipe says how many clips, and the pass mark.
        server: where they are judged.
        name: the dataset's name there; None before the first push.
        raters: who is to take part; None for those of earlier pushes.
        before: `tables.ASSIGNMENTS` so far.
        checks: `tables.CHECKS` so far.
        known: right answers by clip, of the clips that can be shown.

    Raises:
        CaerError: nobody is named, too few answers are known, or the server has no guard.
    """
    require(server)
    trained = checks.loc[checks["kind"] == "training", "rater"]
    people = sorted({*before["rater"], *trained} if raters is None else set(raters))
    if not people:
        raise CaerError("nothing was assigned yet; name the raters with --raters FILE")
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
            "the guard of 'caer-data annotate serve', which this server lacks; use that server, or "
            "set annotate.training to 0"
        )


def publish(server: Server, project: projects.Project, checks: pd.DataFrame) -> None:
    """Put the known answers where the guard finds them, and nobody else."""
    assert server.files is not None  # noqa: S101 - see `require`
    mine = checks[(checks["rater"] == project.rater) & (checks["kind"] == "training")]
    known = dict(zip(mine["presentation"], mine["known"], strict=True))
    path = _answers_path(server.files, project)
    private_folder(path.parent)
    write_private(path, json.dumps(known, sort_keys=True))


def unpublish(
    server: Server, project: projects.Project, names: Collection[str] | None = None
) -> None:
    """Take back what `publish` put there, for some presentations or for the whole project."""
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
