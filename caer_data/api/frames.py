"""From data frames, ours or others': labels, agreement, splits, audits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caer_data.api.columns import need

if TYPE_CHECKING:
    import pandas as pd

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
        min_agree: raters who must choose the same emotion.
        min_confidence: least mean confidence of a clip's raters.
        raters_per_clip: clips with fewer raters are `incomplete`.

    Returns:
        One row per clip, sorted by `clip_id`: `clip_id, emotion, label`, `status` (kept or
        dropped), `reason, raters, agreement, confidence` and the shares of the votes.

    Raises:
        CaerError: a column is missing, an emotion is none of the seven, or a setting is impossible.

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
    accepted = _answers("decide_labels", ratings)
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
        for number, answer in enumerate(accepted)
    ]
    decided = decide(tables.frame(tables.RATINGS, rows), settings, raters_per_clip)
    shown = [n for n in decided.columns if n not in ("clip_key", "votes", *_ANCHOR)]
    own = dict(zip(ratings["clip_id"].astype(str), ratings["clip_id"], strict=True))
    decided["clip_id"] = decided["clip_id"].map(own).astype(ratings["clip_id"].dtype)
    return decided.sort_values("clip_id", key=_sortable, ignore_index=True)[shown]


def _sortable(names: pd.Series) -> pd.Series:
    """Numbers as they are, other names as texts."""
    return names if names.dtype.kind in "iuf" else names.astype(str)


@dataclass(frozen=True)
class Alpha:
    """Agreement beyond chance.

    Attributes:
        alpha: Krippendorff's alpha for nominal data: 1 is perfect, 0 is chance.
        low: lower end of its 95 % interval (bootstrap over clips).
        high: upper end.
        clips: clips with two raters or more.
    """

    alpha: float
    low: float
    high: float
    clips: int


def agreement(ratings: pd.DataFrame, *, seed: int = 0, bootstraps: int = 1000) -> Alpha:
    """Measure how far raters agree beyond chance.

    Args:
        ratings: one row per answer: `clip_id, rater, emotion`; a column `confidence` is ignored.
        seed: of the bootstrap.
        bootstraps: number of draws.

    Returns:
        `alpha` with its 95 % interval `low, high`, and `clips`, the number of clips with two raters
        or more. If there is none, the first three are NaN.

    Raises:
        CaerError: a column is missing, or an emotion is none of the seven.

    >>> import pandas as pd
    >>> said = {"a": "sad", "b": "sad", "c": "fear"}
    >>> rows = [(clip, rater, said[clip]) for clip in "abc" for rater in "xyz"]
    >>> agreement(pd.DataFrame(rows, columns=["clip_id", "rater", "emotion"])).alpha
    1.0
    """
    import numpy as np

    from caer_data.engine.emotions import EMOTIONS, LABELS
    from caer_data.labels import agreement_measures

    answers = _answers("agreement", ratings, confidence=False)
    names, row = np.unique([answer["clip_id"] for answer in answers], return_inverse=True)
    counts = np.zeros((len(names), len(EMOTIONS)))
    chosen = np.array([LABELS[answer["emotion"]] for answer in answers], np.int64)
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
    """Draw train, validation and test so that no group lies in two of them.

    Args:
        clips: one row per clip: `clip_id`, `label` (class id, 0 to 6) or `emotion`, and the column
            of the groups: `shot_id`, `video_id`, `show`, `person_id` or `scene_id`, for `by` clip,
            video, show, person or scene. Equal `person_id` are one person, whatever the show:
            prefix them with the show if each show numbers its persons from 1. With `identity`,
            persons of several shows are one.
        shares: of train, validation and test, in any unit.
        by: which clips stay together; several words joined by `+` are grouped by each.
        seed: another seed draws another split.

    Returns:
        `train`, `validation` or `test` for every row, indexed like `clips`.

    Raises:
        CaerError: a column is missing, a class is none of the seven, or there are fewer groups than
            splits.

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
            f"split: the shares are {shares!r}; give three numbers, none of them negative, such as "
            "(70, 10, 20)"
        ) from error
    asked = {groups.GROUP_OF[word]: f"its {word}" for word in groups.words_of(by)}
    clips = _with_classes("split", clips)
    need("split", clips, clip_id="the clip's name", label="class id, 0 to 6", **asked)
    own = dict.fromkeys(groups.GROUP_OF.values(), clips["clip_id"])
    given = {name: clips[name] for name in clips.columns}
    whole = clips.assign(**{"clip_key": clips["clip_id"], **own, **given})
    return splits.assign(whole, splits.Scheme((train, validation, test), by, seed))


def audit(clips: pd.DataFrame) -> list[Verdict]:
    """Look for leaks between splits and for classes that can be guessed, in any dataset's clips.

    What a frame has no column for is `not measured`.

    Args:
        clips: one row per clip: `clip_id, split` (train, validation or test), and what is known of
            `emotion` (or `label`, 0 to 6), `shot_id, video_id, show`, `person_id` (equal in
            several shows is one person), `start_pts, end_pts` (in the video's time
            base), `start_s, end_s`, `face_height` (of the target's box, share of the frame's) and
            `perceptual_hash`; a release's `manifest.parquet` has them all.

    Returns:
        One verdict per check, always the same checks: `ok`, `note`, `finding` or `not measured`.

    Raises:
        CaerError: `clip_id` or `split` is missing, or a split is none of the three.

    >>> import pandas as pd
    >>> clips = pd.DataFrame({"clip_id": ["a", "b"], "split": ["train", "test"], "show": "Friends"})
    >>> next(str(v) for v in audit(clips) if v.check == "same show")
    'finding       same show: 1 of 1 lie in more than one split (2 of 2 clips)'
    """
    from caer_data.export import audit as audits

    if "label" in clips and "emotion" not in clips:
        clips = _with_classes("audit", clips)
    return audits.audit(clips)


def _with_classes(what: str, clips: pd.DataFrame) -> pd.DataFrame:
    """Clips with both `label` and `emotion`, if at least one of them exists."""
    from caer_data.engine.emotions import EMOTIONS, LABELS
    from caer_data.engine.errors import CaerError

    has = "label" if "label" in clips else "emotion"
    if has not in clips:
        return clips
    names: list[object] = [*EMOTIONS, *(range(len(EMOTIONS)) if has == "label" else ())]
    known = clips[has].isin(names) & clips[has].notna()
    if not known.all():
        strange = ", ".join(sorted({str(value) for value in clips[has][~known]})[:5])
        raise CaerError(
            f"{what}: the column {has} holds {strange}; "
            + (f"give a class id, 0 to {len(EMOTIONS) - 1}, or " if has == "label" else "give ")
            + f"one of {', '.join(EMOTIONS)}"
        )
    numbers = clips[has].map(lambda value: LABELS.get(value, value)).astype("int64")
    return clips.assign(label=numbers, emotion=[EMOTIONS[number] for number in numbers])


_ANCHOR = ("video_key", "start_pts", "end_pts", "frames", "box_x1", "box_y1", "box_x2", "box_y2")


def _answers(what: str, ratings: pd.DataFrame, confidence: bool = True) -> list[dict[str, Any]]:
    """Answers of a frame as plain rows, each emotion one of the seven."""
    from caer_data.engine import tables
    from caer_data.engine.emotions import EMOTIONS
    from caer_data.engine.errors import CaerError

    holds = {"clip_id": "the clip's name", "rater": "who answered", "emotion": "the answer"}
    need(what, ratings, **holds, **({"confidence": "0 to 1"} if confidence else {}))
    strange = sorted(set(ratings["emotion"].astype(str)) - set(EMOTIONS))
    if strange:
        raise CaerError(
            f"{what}: the column emotion holds {', '.join(strange[:5])}; the emotions are "
            f"{', '.join(EMOTIONS)}"
        )
    if ratings.duplicated(["clip_id", "rater"]).any():
        twice = ratings[ratings.duplicated(["clip_id", "rater"])].iloc[0]
        raise CaerError(f"{what}: {twice['rater']} answered clip {twice['clip_id']} more than once")
    names = [*holds, *(["confidence"] if confidence else [])]
    return tables.records(ratings[names].astype(dict.fromkeys(holds, str)))
