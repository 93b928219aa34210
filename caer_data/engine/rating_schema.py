"""Tables about ratings: which rater was shown which clip, their answers, and the labels.

`engine/columns.py` describes the conventions for frames, seconds and boxes.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from caer_data.engine.columns import ANCHOR, BOOL, BOX, FLOAT, INT, STRING, Column, Table
from caer_data.engine.emotions import CANNOT_JUDGE, EMOTIONS, PROBABILITY_COLUMNS

KEPT_OR_DROPPED: Final = ("kept", "dropped")
VOTES: Final = pa.list_(
    pa.struct([("rater", pa.string()), ("emotion", pa.string()), ("confidence", pa.float64())])
)

ASSIGNMENTS = Table(
    "assignments",
    "one clip assigned to one rater",
    ("clip_key", "rater"),
    (
        Column("clip_key", STRING, "the clip", nullable=True),
        Column("clip_id", STRING, "its name when it was assigned", nullable=True),
        Column("rater", STRING, "e-mail address of the rater"),
        Column("position", INT, "place in the rater's own order, from 0"),
        Column("block", INT, "block of the design it was assigned in; -1: second round"),
        Column("replaces", STRING, "rater who left and had this clip", nullable=True),
        Column("presentation", STRING, "what the rating server calls it", nullable=True),
        *ANCHOR,
        *BOX,
    ),
)

RATINGS = Table(
    "ratings",
    "one answer of one rater, as received",
    ("clip_key", "rater", "source", "source_id"),
    (
        Column("clip_key", STRING, "the clip; empty if it is none of ours", nullable=True),
        Column("clip_id", STRING, "its name when it was rated"),
        Column("rater", STRING, "e-mail address or name of the rater"),
        Column("emotion", STRING, "the answer as given", nullable=True),
        Column("confidence", FLOAT, "0 guess to 1 certain", nullable=True),
        Column("lead_time_s", FLOAT, "from clip shown to answer sent", "s", nullable=True),
        Column("created_at", STRING, "ISO 8601 time of the answer", nullable=True),
        Column("updated_at", STRING, "ISO 8601 time of the last edit", nullable=True),
        Column("status", STRING, "accepted or refused", values=("accepted", "refused")),
        Column("reason", STRING, "why it was refused", nullable=True),
        Column("too_fast", BOOL, "answered in less time than the clip lasts"),
        Column("edited", BOOL, "changed after it was first sent"),
        Column("source", STRING, "label-studio, csv or made-up"),
        Column("source_id", STRING, "annotation number, or row of the file"),
        Column("presentation", STRING, "what the rating server called it", nullable=True),
        *ANCHOR,
        *BOX,
        Column(
            "cannot_judge",
            STRING,
            "why the rater cannot judge the clip: an answer without emotion or confidence",
            nullable=True,
            values=tuple(CANNOT_JUDGE),
            added=True,
        ),
        Column(
            "second_choice",
            STRING,
            "a second emotion, if the recipe asks for one",
            nullable=True,
            values=EMOTIONS,
            optional=True,
        ),
        *(
            Column(name, FLOAT, f"{ends}, if the recipe asks for it", nullable=True, optional=True)
            for name, ends in (
                ("intensity", "0 hardly there to 1 as strong as can be"),
                ("valence", "-1 very bad to 1 very good"),
                ("arousal", "-1 very calm to 1 very excited"),
            )
        ),
    ),
)

LABELS = Table(
    "labels",
    "the decision on one clip",
    ("clip_key",),
    (
        Column("clip_key", STRING, "the clip"),
        Column("clip_id", STRING, "its name when it was rated"),
        Column("emotion", STRING, "the agreed emotion", nullable=True, values=EMOTIONS),
        Column("label", INT, "class id of the emotion, 0 to 6", nullable=True),
        Column("status", STRING, "kept or dropped", values=KEPT_OR_DROPPED),
        Column(
            "reason",
            STRING,
            "why it was dropped",
            nullable=True,
            values=("incomplete", "cannot_judge", "no_majority", "low_confidence"),
        ),
        Column("raters", INT, "accepted answers, votes or not"),
        Column("votes", VOTES, "the accepted answers that name an emotion, by rater"),
        Column("agreement", INT, "answers for the most chosen emotion"),
        Column("confidence", FLOAT, "mean confidence by the recipe's rule", nullable=True),
        Column("confidence_all", FLOAT, "mean confidence of all raters", nullable=True),
        Column("confidence_agreeing", FLOAT, "mean of those who agree", nullable=True),
        Column("made_up", BOOL, "comes from made-up ratings (a demonstration)"),
        *(
            Column(name, FLOAT, "share of votes (or posterior) of this emotion", nullable=True)
            for name in PROBABILITY_COLUMNS
        ),
        *ANCHOR,
        *BOX,
        Column(
            "cannot_judge",
            STRING,
            "reasons of the raters who could not judge, joined by spaces, by rater",
            nullable=True,
            added=True,
        ),
    ),
)

CHECKS = Table(
    "checks",
    "one clip shown to one rater to learn about the rater; its answer is not a vote",
    ("clip_key", "rater"),
    (
        Column("clip_key", STRING, "the clip"),
        Column("clip_id", STRING, "its name when it was assigned", nullable=True),
        Column("rater", STRING, "e-mail address of the rater"),
        Column(
            "kind",
            STRING,
            "training (before any vote, with feedback), gold (its answer is known) or repeat (the "
            "rater also votes on it)",
            values=("training", "gold", "repeat"),
        ),
        Column("position", INT, "comes after this place in the rater's order; training: its own"),
        Column("known", STRING, "the right answer", nullable=True, values=EMOTIONS),
        Column("presentation", STRING, "what the rating server calls it", nullable=True),
        Column("emotion", STRING, "the rater's answer", nullable=True, values=EMOTIONS),
        Column("confidence", FLOAT, "0 guess to 1 certain", nullable=True),
        Column("lead_time_s", FLOAT, "from clip shown to answer sent", "s", nullable=True),
        Column("created_at", STRING, "ISO 8601 time of the answer", nullable=True),
        Column("reason", STRING, "why the answer does not count", nullable=True),
        *ANCHOR,
        *BOX,
    ),
)

KNOWN = Table(
    "known",
    "one clip whose answer the researcher knows",
    ("clip_key",),
    (
        Column("clip_key", STRING, "the clip"),
        Column("clip_id", STRING, "its name", nullable=True),
        Column("emotion", STRING, "the right answer", values=EMOTIONS),
        *ANCHOR,
        *BOX,
    ),
)

RATERS = Table(
    "raters",
    "one rater, as the checks show them",
    ("rater",),
    (
        Column("rater", STRING, "e-mail address of the rater"),
        Column("pseudonym", STRING, "what to call the rater elsewhere, a salted hash"),
        Column("passed", BOOL, "the training; empty while it lasts", nullable=True),
        *(
            Column(f"{kind}_{name}", type_, meaning, nullable=type_ is FLOAT)
            for kind, said in (
                ("training", "like the known answer, in training"),
                ("gold", "like the known answer"),
                ("repeat", "like the rater's own vote on the same clip"),
            )
            for name, type_, meaning in (
                ("answers", INT, f"answers compared: {said}?"),
                ("equal", INT, f"of these {said}"),
                ("share", FLOAT, f"share of answers {said}"),
                ("low", FLOAT, "lower end of its 95 % interval (Wilson)"),
                ("high", FLOAT, "upper end of its 95 % interval (Wilson)"),
            )
        ),
    ),
)
