"""What every card says, whatever the dataset: limits of the labels, rights, lawful use."""

from __future__ import annotations

from typing import Final

from caer_data.export.cards.facts import Facts

MEANING: Final = (
    "The labels say which emotion raters perceived, with sound, in scenes that actors play for "
    "television. They do not say what anybody felt."
)

IDENTITY: Final = (
    "No names and no face embeddings are in it: people are numbered within a show, raters are "
    "numbered. The pictures show real actors, and boxes say where their faces are."
)

IDENTITY_WITHOUT_MEDIA: Final = (
    "No pictures, no names and no face embeddings are in it: people are numbered within a show, "
    "raters are numbered. Timestamps and boxes say where in an episode a face is to be seen."
)

LAW: Final = (
    "European Union: Article 5(1)(f) of the AI Act (Regulation (EU) 2024/1689) prohibits systems "
    "that infer emotions of people at work or in education, except for medical or safety reasons; "
    "Article 50(3) asks those who use emotion recognition elsewhere to tell the people exposed."
)

USES: Final = (
    "Research on how emotions are perceived in context; training and comparing models of it.",
    "Not for judging real people: hiring, schooling, policing, border control, insurance, health.",
)

LIMITS: Final = (
    MEANING,
    "Raters heard the sound; a model that sees pictures only lacks part of what they judged by.",
    "Actors on television: few kinds of people, staged light, genre and editing conventions.",
    "Seven categories, one per clip: mixed and other emotions are not represented, only the spread "
    "of the votes hints at them (columns p_*).",
)

MADE_UP: Final = (
    "THE RATINGS ARE MADE UP, for a demonstration. They say nothing about the clips; do not train, "
    "test or publish with them."
)

_NO_RIGHTS: Final = (
    "Rights are not stated. The footage belongs to its makers; this copy is for the use of the "
    "one who made it and must not be passed on."
)

_ANNOTATIONS: Final = (
    "Annotations, timestamps, hashes and the recipe; no footage. Who has the shows cuts the same "
    "clips again with 'caer-data rebuild'."
)


def rights(facts: Facts) -> str:
    """The sentence on rights that the cards and the licence fields carry."""
    stated = facts.about["rights"]
    if facts.about["media"]:
        return str(stated) if stated else _NO_RIGHTS
    licence = stated or "The licence of the annotations is not stated yet."
    return f"{_ANNOTATIONS} {licence}"


def identity(facts: Facts) -> str:
    """What the release gives away about people."""
    return IDENTITY if facts.about["media"] else IDENTITY_WITHOUT_MEDIA
