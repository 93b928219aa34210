"""Validate answers: each becomes a row of `tables.RATINGS`, accepted or refused.

A labelling server validates nothing. It may return labels that were never offered, confidences out
of range, second answers, and answers in somebody else's name. Every answer is therefore validated
here. Refused answers stay in the table with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import pandas as pd

from caer_data.engine import anchors, identity, tables
from caer_data.engine.emotions import CANNOT_JUDGE, EMOTIONS
from caer_data.engine.ledger import Ledger
from caer_data.labels import extra_questions
from caer_data.labels.cells import finite_number

LABEL_STUDIO: Final = "label-studio"
CSV: Final = "csv"
MADE_UP: Final = "made-up"
SOURCES: Final = (LABEL_STUDIO, CSV, MADE_UP)
"""Sources of ratings, by precedence: if a rater answered a clip twice, the first source wins."""

REASONS: Final = {
    "cancelled": "the rater skipped the clip or withdrew the answer",
    "ground_truth": "marked as a reference answer, which blind raters cannot give",
    "unknown_rater": "no clip was assigned to this rater",
    "unknown_clip": "the dataset has no such clip",
    "dropped_clip": "the clip was dropped when the dataset was built again",
    "clip_changed": "the clip has other frames or another target since it was rated",
    "foreign_project": "given in another rater's project",
    "other_author": "created or last changed by an account other than the rater's",
    "not_dealt": "the clip was not assigned to this rater",
    "unknown_reason": "cannot be judged, for a reason that was not offered",
    "unknown_emotion": "not one of the seven emotions",
    "bad_confidence": "not a number from 0 to 1",
    "withdrawn": "the server no longer has it",
    "superseded": "replaced by a later answer of the same rater, or by one that takes precedence",
}
"""Every reason for refusing an answer, in the order in which they are tested."""

REASON_OF: Final = {"changed": "clip_changed", "gone": "dropped_clip"}
"""Reason for refusing answers to a clip, by what became of the clip."""

_EDIT_SECONDS = 1.0  # the server stores both times of one answer a few milliseconds apart


@dataclass(frozen=True)
class Answer:
    """One answer as stored on the server; nothing in it is trusted."""

    source_id: str
    """Number of the annotation; if it occurs twice, the last one counts."""
    clip_key: str | None
    """Key of the clip shown; None if nothing by that name was ever shown to this rater."""
    presentation: str
    """The server's name for the clip."""
    rater: str
    """E-mail address of the account that gave the answer (`completed_by`)."""
    project_rater: str
    """E-mail address of the rater in whose project the answer is."""
    authors: tuple[str, ...] = field(default=(), kw_only=True)
    """Addresses of the accounts that created and last changed it, if the server names them."""
    emotion: str | None
    """The choice as stored; several choices are joined by commas (and later refused)."""
    confidence: object
    """The confidence as stored: a number, the text of one, or anything else (later refused)."""
    lead_time_s: float | None = None
    """Seconds between showing the clip and sending the answer, as measured by the browser."""
    created_at: str | None = None
    updated_at: str | None = None
    cancelled: bool = False
    ground_truth: bool = False
    cannot_judge: str | None = field(default=None, kw_only=True)
    """Why the rater cannot judge the clip, as stored; None if they can."""
    asked: Mapping[str, object] = field(default_factory=dict, kw_only=True)
    """Stored answers to additional questions, by question (`caer_data.labels.extra_questions`)."""


def votes(ratings: pd.DataFrame) -> pd.DataFrame:
    """Return the accepted ratings that name an emotion.

    The other accepted ratings say why the clip cannot be judged.
    """
    return ratings[(ratings["status"] == "accepted") & ratings["cannot_judge"].isna()]


def validate_answers(
    answers: Iterable[Answer],
    assignments: pd.DataFrame,
    clips: pd.DataFrame,
    ledger: Ledger | None = None,
) -> pd.DataFrame:
    """Validate every answer on the server; return `tables.RATINGS` with source `label-studio`.

    An answer is accepted if a known rater gave it in the rater's own project, no other account
    touched it, the clip is in the dataset and assigned to that rater, and it is neither cancelled
    nor ground truth. It must have one of the seven emotions and a confidence from 0 to 1 (rounded
    to two places), or say with a reason from `CANNOT_JUDGE` that the clip cannot be judged. Such an
    answer is not a vote and has neither emotion nor confidence, even if the rater chose them before
    (the page hides them).

    If a rater has several acceptable answers to one clip, the one edited last counts. `too_fast`
    marks answers given in less time than the clip lasts, and `edited` those changed more than a
    second after they were first sent. An answer to a clip that only the `ledger` knows is refused,
    with the reason that says what became of the clip.
    """
    known = _Known.of(clips, assignments, ledger)
    rows = [
        _row(answer, known) for answer in {answer.source_id: answer for answer in answers}.values()
    ]
    return anchors.stamp(tables.frame(tables.RATINGS, _refuse_earlier(rows)), known.anchors)


@dataclass(frozen=True)
class _Known:
    """The clips, raters and assignments against which answers are checked.

    Attributes:
        lengths: length in seconds of each clip that can be rated, by key.
        names: `clip_id` by key.
        anchors: anchor by key.
        fates: reason for refusing answers to a clip that no longer exists, by key.
        assigned: pairs of clip and rater.
        raters: all raters with assigned clips.
    """

    lengths: dict[str, float]
    names: dict[str, str]
    anchors: dict[str, identity.Anchor]
    fates: dict[str, str]
    assigned: set[tuple[str, str]]
    raters: set[str]

    @classmethod
    def of(cls, clips: pd.DataFrame, assignments: pd.DataFrame, ledger: Ledger | None) -> _Known:
        """Collect these from the current tables and, for earlier builds' clips, the ledger."""
        held = anchors.present(clips)
        lengths = dict(zip(held["clip_key"], held["end_s"] - held["start_s"], strict=True))
        names = dict(zip(held["clip_key"], held["clip_id"], strict=True))
        known = anchors.of_clips(clips)
        fates: dict[str, str] = {}
        if ledger is not None:
            names = ledger.one_name_by_key() | names
            lost = [key for key in ledger.minted if key not in known]
            found = identity.resolve([ledger.minted[key] for key in lost], known)
            for key, today in zip(lost, found, strict=True):
                fates[key] = REASON_OF.get(today.verdict, "")
                if today.verdict == "same" and today.key:
                    lengths[key] = lengths[today.key]
            known = ledger.minted | known
        assigned = set(zip(assignments["clip_key"], assignments["rater"], strict=True))
        return cls(lengths, names, known, fates, assigned, set(assignments["rater"]))

    def why_refused(self, answer: Answer, rater: str) -> str | None:
        """Return the first of `REASONS` that applies to an answer; None if it counts."""
        key, fate = answer.clip_key, self.fates.get(answer.clip_key or "")
        votes = answer.cannot_judge is None
        checks = {
            "cancelled": answer.cancelled,
            "ground_truth": answer.ground_truth,
            "unknown_rater": rater not in self.raters,
            "unknown_clip": key not in self.lengths and key not in self.fates,
            "dropped_clip": fate == "dropped_clip",
            "clip_changed": fate == "clip_changed",
            "foreign_project": answer.project_rater.strip().lower() != rater,
            "other_author": any(name.strip().lower() != rater for name in answer.authors),
            "not_dealt": (key, rater) not in self.assigned,
            "unknown_reason": not votes and answer.cannot_judge not in CANNOT_JUDGE,
            "unknown_emotion": votes and answer.emotion not in EMOTIONS,
            "bad_confidence": votes and parse_confidence(answer.confidence) is None,
        }
        return next((reason for reason, wrong in checks.items() if wrong), None)


def _row(answer: Answer, known: _Known) -> dict[str, Any]:
    """Return one answer as a row of `tables.RATINGS`, with the reason if it is refused."""
    rater = answer.rater.strip().lower()
    emotion = answer.emotion if answer.cannot_judge is None else None
    lead_time = parse_seconds(answer.lead_time_s)
    shortest = known.lengths.get(answer.clip_key or "", 0.0)
    return {
        "clip_key": answer.clip_key,
        "clip_id": known.names.get(answer.clip_key or "", answer.presentation),
        "presentation": answer.presentation,
        "rater": rater,
        "emotion": emotion,
        "confidence": _stored(answer.confidence) if answer.cannot_judge is None else None,
        "cannot_judge": answer.cannot_judge if answer.cannot_judge in CANNOT_JUDGE else None,
        **extra_questions.cells(answer.asked, emotion),
        "lead_time_s": lead_time,
        "created_at": answer.created_at,
        "updated_at": answer.updated_at,
        "reason": known.why_refused(answer, rater),
        "too_fast": lead_time is not None and lead_time < shortest,
        "edited": _is_edited(answer),
        "source": LABEL_STUDIO,
        "source_id": answer.source_id,
    }


def merge(
    existing: pd.DataFrame, fresh: pd.DataFrame, assignments: pd.DataFrame, clips: pd.DataFrame
) -> pd.DataFrame:
    """Merge ratings from the server and from files into one `tables.RATINGS` in a fixed order.

    Every row is first compared with the current clips. Answers to a clip that changed or is gone do
    not count, but count again once it is back. Otherwise, rows from the server keep their status,
    and rows from files are validated again:

    - An assigned clip accepts answers only from its raters.
    - If a rater has several answers to a clip, the server's takes precedence, then a file's, then a
      made-up one.
    - Made-up answers to a clip no longer count once it has a real one.
    """
    parts = [part for part in (existing, fresh) if len(part)] or [fresh]
    joined = pd.concat(parts, ignore_index=True)
    from_file = joined["source"] != LABEL_STUDIO
    revalidated = from_file | joined["reason"].isin(list(REASON_OF.values()))
    joined["status"] = joined["status"].where(~revalidated, "accepted")
    joined["reason"] = joined["reason"].where(~revalidated, None)
    _follow(joined, clips)

    pairs = pd.MultiIndex.from_frame(joined[["clip_key", "rater"]])
    assigned = pairs.isin(pd.MultiIndex.from_frame(assignments[["clip_key", "rater"]]))
    stands = joined["status"] == "accepted"
    is_of_assigned_clip = joined["clip_key"].isin(assignments["clip_key"])
    _refuse(joined, stands & from_file & is_of_assigned_clip & ~assigned, "not_dealt")

    weight = joined["source"].map({source: i for i, source in enumerate(SOURCES)})
    accepted = joined[joined["status"] == "accepted"]
    best = (
        weight[accepted.index]
        .groupby([accepted["clip_key"], accepted["rater"]], observed=True)
        .transform("min")
    )
    superseded = (
        (joined["status"] == "accepted") & (weight > best.reindex(joined.index)) & from_file
    )
    _refuse(joined, superseded, "superseded")

    accepted = joined[joined["status"] == "accepted"]
    real = accepted.loc[accepted["source"] != MADE_UP, "clip_key"]
    made_up = (joined["source"] == MADE_UP) & joined["clip_key"].isin(real)
    _refuse(joined, made_up & (joined["status"] == "accepted"), "superseded")
    order = ["clip_id", *tables.RATINGS.key]
    return joined.sort_values(order, ignore_index=True)[tables.RATINGS.names]


def _follow(ratings: pd.DataFrame, clips: pd.DataFrame) -> None:
    """Update the status of ratings in place to match the current clips."""
    found = anchors.verdicts(ratings, clips)
    keys = [
        fate.key if fate and fate.verdict == "same" else key
        for key, fate in zip(ratings["clip_key"], found, strict=True)
    ]
    ratings["clip_key"] = pd.Series(keys, index=ratings.index, dtype=object)
    accepted = ratings["status"] == "accepted"
    for verdict, reason in REASON_OF.items():
        here = pd.Series([bool(t and t.verdict == verdict) for t in found], index=ratings.index)
        _refuse(ratings, accepted & here, reason)
    unknown = pd.Series([t is None for t in found], index=ratings.index)
    _refuse(ratings, accepted & unknown, "unknown_clip")


def parse_confidence(value: object) -> float | None:
    """Return a confidence from 0 to 1, rounded to two places; None if it is not one.

    A slider in steps of 0.05 stores 0.15000000000000002 and may end slightly above 1, hence the
    rounding and the tolerance.
    """
    number = finite_number(value)
    if number is None or not -1e-9 <= number <= 1 + 1e-9:
        return None
    return abs(round(number, 2))


def _stored(value: object) -> float | None:
    """Return a confidence for the table, even if it is refused; None if it is not a number."""
    valid = parse_confidence(value)
    return finite_number(value) if valid is None else valid


def _refuse(ratings: pd.DataFrame, rows: Any, reason: str) -> None:
    ratings.loc[rows, "status"] = "refused"
    ratings.loc[rows, "reason"] = reason


def _refuse_earlier(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Refuse all but the last acceptable answer of a rater to a clip; return rows by annotation."""
    rows = sorted(rows, key=lambda row: (len(row["source_id"]), row["source_id"]))
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: _time(row["updated_at"] or row["created_at"])):
        if row["reason"] is None:
            earlier = last.get((row["clip_key"], row["rater"]))
            if earlier is not None:
                earlier["reason"] = "superseded"
            last[row["clip_key"], row["rater"]] = row
    for row in rows:
        row["status"] = "accepted" if row["reason"] is None else "refused"
    return rows


def _is_edited(answer: Answer) -> bool:
    return _time(answer.updated_at) - _time(answer.created_at) > _EDIT_SECONDS


def _time(text: str | None) -> float:
    """Return an ISO 8601 time in seconds since 1970; 0 for None."""
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except ValueError:
        return 0.0


def parse_seconds(value: object) -> float | None:
    """Return a duration in seconds, zero or more; None if the value is not one."""
    number = finite_number(value)
    return number if number is not None and number >= 0 else None
