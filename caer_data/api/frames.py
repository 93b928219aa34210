"""Public functions for data frames of any origin: labels, agreement, splits, audits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caer_data.api import given

if TYPE_CHECKING:
    import pandas as pd

    from caer_data.engine.recipe import Labels
    from caer_data.export.audit import Verdict


def decide_labels(
    ratings: pd.DataFrame,
    *,
    rule: str = "majority",
    min_agree: int = 2,
    min_confidence: float = 0.5,
    raters_per_clip: int = 3,
) -> pd.DataFrame:
    """Decide the label of every clip from its ratings, as the paper does (section 4.1).

    Args:
        ratings: one row per answer: `clip_id, rater, emotion, confidence` (0 to 1).
        rule: `majority`, `weighted` or `dawid-skene`.
        min_agree: minimum number of raters who choose the same emotion.
        min_confidence: minimum mean confidence of a clip's raters.
        raters_per_clip: number of raters per clip; clips with fewer are `incomplete`.

    Returns:
        One row per clip, sorted by `clip_id`: `clip_id, emotion, label`, `status` (kept or
        dropped), `reason` (`incomplete`, `no_majority` or `low_confidence`; empty if kept),
        `raters, agreement, confidence`, and the shares of the votes, `p_anger` to `p_surprise`.

    Raises:
        CaerError: a column is missing, a cell is empty, an emotion is not one of the seven, a
            confidence is not between 0 and 1, a rater answered twice, a clip has more raters than
            `raters_per_clip`, or a setting is impossible.

    >>> import pandas as pd
    >>> votes = ["sad", "sad", "fear"]
    >>> rows = [("a", f"r{n}", vote, 0.9) for n, vote in enumerate(votes)]
    >>> ratings = pd.DataFrame(rows, columns=["clip_id", "rater", "emotion", "confidence"])
    >>> decide_labels(ratings)[["clip_id", "emotion", "status"]].values.tolist()
    [['a', 'sad', 'kept']]
    """
    from caer_data.engine import tables
    from caer_data.engine.recipe import Labels
    from caer_data.engine.section import validate
    from caer_data.labels.decide import decide

    settings = validate(
        Labels,
        {"rule": rule, "min_agree": min_agree, "min_confidence": min_confidence},
        "decide_labels",
    )
    raters_per_clip = given.whole("decide_labels", "raters_per_clip", raters_per_clip, 1)
    answers = given.votes("decide_labels", ratings, confidence=True)
    _check_raters(answers, settings, raters_per_clip)
    rows = [
        answer
        | {
            "clip_key": answer["clip_id"],
            "status": "accepted",
            "too_fast": False,
            "edited": False,
            "source": "frame",
            "source_id": str(number),
        }
        for number, answer in enumerate(tables.records(answers))
    ]
    decided = decide(tables.frame(tables.RATINGS, rows), settings, raters_per_clip)
    shown = [n for n in decided.columns if n not in ("clip_key", "votes", *_ANCHOR)]
    own = dict(zip(answers["clip_id"], ratings["clip_id"], strict=True))
    decided["clip_id"] = decided["clip_id"].map(own).astype(ratings["clip_id"].dtype)
    return decided.sort_values("clip_id", key=_sortable, ignore_index=True)[shown]


def _check_raters(answers: pd.DataFrame, settings: Labels, raters_per_clip: int) -> None:
    from caer_data.engine.errors import CaerError

    if settings.rule == "majority" and settings.min_agree > raters_per_clip:
        raise CaerError(
            f"decide_labels: min_agree is {settings.min_agree}, but raters_per_clip is "
            f"{raters_per_clip}, so no clip could be kept; lower min_agree"
        )
    count = answers["clip_id"].value_counts(sort=False)
    if len(count) and count.max() > raters_per_clip:
        raise CaerError(
            f"decide_labels: clip {count.idxmax()!r} has {count.max()} raters, but raters_per_clip "
            f"is {raters_per_clip}; raise it, or remove answers"
        )


def _sortable(names: pd.Series) -> pd.Series:
    """Return names that can be sorted: numbers unchanged, all others as text."""
    return names if names.dtype.kind in "iuf" else names.astype(str)


@dataclass(frozen=True)
class Alpha:
    """Agreement beyond chance.

    Attributes:
        alpha: Krippendorff's alpha for nominal data: 1 is perfect, 0 is chance.
        low: lower end of its 95 % interval (bootstrap over clips).
        high: upper end of this interval.
        clips: number of clips with two or more raters.
    """

    alpha: float
    low: float
    high: float
    clips: int


def agreement(ratings: pd.DataFrame, *, seed: int = 0, bootstraps: int = 1000) -> Alpha:
    """Measure the agreement of raters beyond chance.

    Args:
        ratings: one row per answer: `clip_id, rater, emotion`; a column `confidence` is ignored.
        seed: seed of the bootstrap.
        bootstraps: number of bootstrap samples, 1 or more.

    Returns:
        `alpha` with its 95 % interval `low, high`, and `clips`, the number of clips with two or
        more raters. If there are no such clips, the first three are NaN.

    Raises:
        CaerError: a column is missing, a cell is empty, an emotion is not one of the seven, a rater
            answered twice, or an argument is not a valid number.

    >>> import pandas as pd
    >>> said = {"a": "sad", "b": "sad", "c": "fear"}
    >>> rows = [(clip, rater, said[clip]) for clip in "abc" for rater in "xyz"]
    >>> agreement(pd.DataFrame(rows, columns=["clip_id", "rater", "emotion"])).alpha
    1.0
    """
    import numpy as np

    from caer_data.engine.emotions import EMOTIONS, LABELS
    from caer_data.labels import agreement_measures

    seed = given.whole("agreement", "seed", seed, 0)
    bootstraps = given.whole("agreement", "bootstraps", bootstraps, 1)
    answers = given.votes("agreement", ratings, confidence=False)
    names, row = np.unique(answers["clip_id"].to_numpy(str), return_inverse=True)
    counts = np.zeros((len(names), len(EMOTIONS)))
    chosen = answers["emotion"].map(LABELS).to_numpy(np.int64)
    np.add.at(counts, (row, chosen), 1)
    low, high = agreement_measures.alpha_interval(counts, bootstraps, seed)
    alpha = float(agreement_measures.krippendorff_alpha(counts))
    return Alpha(alpha, float(low), float(high), int((counts.sum(axis=1) >= 2).sum()))


def split(
    clips: pd.DataFrame,
    shares: Sequence[float] = (70, 10, 20),
    by: str = "show",
    seed: int = 0,
) -> pd.Series[str]:
    """Draw train, validation and test so that no group is in two of them.

    Args:
        clips: one row per clip: `clip_id`, `label` (class id, 0 to 6) or `emotion`, and the column
            of the groups: `shot_id`, `video_id`, `show`, `person_id` or `scene_id`, for `by` clip,
            video, show, person or scene. Equal `person_id` mean one person, even across shows:
            prefix them with the show if each show numbers its persons from 1. A column `identity`
            identifies persons across shows. None of these cells may be empty.
        shares: shares of train, validation and test, in any unit.
        by: which clips to keep together; several words can be joined by `+`.
        seed: seed of the split.

    Returns:
        `train`, `validation` or `test` for every row, indexed like `clips`.

    Raises:
        CaerError: a column is missing or has empty cells, two rows have the same `clip_id`, a class
            is not one of the seven, `label` and `emotion` contradict each other, or there are fewer
            groups than splits.

    >>> import pandas as pd
    >>> clips = pd.DataFrame({"clip_id": list("abcd"), "label": 0, "show": list("wxyz")})
    >>> sorted(split(clips, (50, 25, 25)))
    ['test', 'train', 'train', 'validation']
    """
    from caer_data.engine.errors import CaerError
    from caer_data.export import groups, splits

    try:
        train, validation, test = map(float, shares)
        if not min(train, validation, test) >= 0 or not 0 < train + validation + test < math.inf:
            raise ValueError(shares)
    except (TypeError, ValueError) as error:
        raise CaerError(
            f"split: the shares are {shares!r}; give three numbers that are not negative, such as "
            "(70, 10, 20)"
        ) from error
    seed = given.whole("split", "seed", seed)
    if not isinstance(by, str):
        raise CaerError(f"split: by is {by!r}; give a text such as 'show' or 'show+person'")
    whole = _to_split(clips, [groups.GROUP_OF[word] for word in groups.words_of(by)])
    scheme = splits.Scheme((train, validation, test), by, seed)
    return splits.assign(whole, scheme)


def _to_split(clips: pd.DataFrame, asked: Sequence[str]) -> pd.DataFrame:
    """Return clips with key, class, and those group columns that are filled."""
    from caer_data.export import groups

    named = "emotion" in given.frame("split", clips, "clip")
    holds = {} if named else {"label": "class id, 0 to 6, or the column emotion"}
    holds |= {name: f"its {word}" for word, name in groups.GROUP_OF.items() if name in asked}
    known = given.clips("split", clips, **holds)
    given.one_row_each("split", known)
    known = known.assign(clip_key=known["clip_id"])
    if "person_id" in asked and "identity" in known:
        known["person_id"] = known["person_id"].fillna(known["identity"])
    given.filled("split", known, "label", *asked)
    partly = [n for n in groups.GROUP_OF.values() if n in known and known[n].isna().any()]
    return known.drop(columns=partly)


def audit(clips: pd.DataFrame) -> list[Verdict]:
    """Check any dataset's clips for leaks between splits and for classes that can be guessed.

    Checks whose columns are missing are `not measured`. If a check finds nothing but could not
    examine clips with empty cells, it is a `note` with their number.

    Args:
        clips: one row per clip: `clip_id, split` (train, validation or test), and any of
            `emotion` (or `label`, 0 to 6), `shot_id, video_id, show`, `person_id` (for `same
            person`), `identity` (the person across shows, for `same person in two shows`),
            `start_pts, end_pts` (in the video's time base), `start_s, end_s`, `face_height` (of the
            target's box, as a share of the frame's height) and `perceptual_hash` (64 bits in
            hexadecimal; several are separated by spaces). A release's `manifest.parquet` has all of
            them. Several rows of a clip count once per split.

    Returns:
        One verdict per check (`ok`, `note`, `finding` or `not measured`), always for all checks.

    Raises:
        CaerError: `clip_id` or `split` is missing or empty, a split is not one of the three, or a
            column has invalid values.

    >>> import pandas as pd
    >>> clips = pd.DataFrame({"clip_id": ["a", "b"], "split": ["train", "test"], "show": "Friends"})
    >>> next(str(v) for v in audit(clips) if v.check == "same show")
    'finding       same show: 1 of 1 is in more than one split (2 of 2 clips)'
    """
    from caer_data.export import audit as audits

    known = given.clips("audit", clips, split="train, validation or test")
    given.filled("audit", known, "split")
    return audits.audit(known)


_ANCHOR = ("video_key", "start_pts", "end_pts", "frames", "box_x1", "box_y1", "box_x2", "box_y2")
