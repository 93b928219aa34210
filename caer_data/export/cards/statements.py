"""What every card says, whatever the dataset: limits of the labels, rights, lawful use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from caer_data.export.cards.facts import Facts

OUR_PAGES: Final = "label-studio"
"""Source of ratings that were given on the labelling page of this package, with sound."""

MEANING: Final = (
    "The labels say which emotion raters perceived in scenes that actors play for television. They "
    "do not say what anybody felt."
)

_NUMBERED: Final = (
    "people are numbered within a show (person_id), and the same face in several shows has one "
    "number more (identity); raters are numbered. The numbers of people come from face "
    "recognition: faces were clustered by their embeddings, which are not released. Demographics "
    "were neither inferred nor recorded."
)

IDENTITY: Final = (
    f"No names and no face embeddings are in it: {_NUMBERED} The pictures show real actors, and "
    "boxes say where their faces are."
)

IDENTITY_WITHOUT_MEDIA: Final = (
    f"No pictures, no names and no face embeddings are in it: {_NUMBERED} Timestamps and boxes say "
    "where in an episode a face is to be seen."
)

LAW: Final = (
    "European Union: the AI Act (Regulation (EU) 2024/1689, amended by Regulation (EU) 2026/1744) "
    "prohibits systems that infer emotions of people at work or in education, except for medical "
    "or safety reasons (Article 5(1)(f)). Emotion recognition elsewhere is high-risk (Annex III, "
    "point 1(c); its obligations apply from 2 December 2027), and since 2 August 2026 those who "
    "use it have to tell the people exposed (Article 50(3)). The Act does not apply to systems and "
    "models that are developed and put into service for the sole purpose of scientific research "
    "and development (Article 2(6)), nor to research, testing and development before a system is "
    "placed on the market or put into service (Article 2(8)). Testing in real-world conditions is "
    "not exempt. Checked on 26 November 2026; this is no legal advice."
)


def rebuilt(about: Mapping[str, Any]) -> str:
    """What a rebuilt release holds of the one that it was made from; `about` as in `Facts`."""
    rebuilt = about["rebuilt"]
    present, whole = about["clips"], rebuilt["clips"]
    ways = {"exact": "with exactly the recorded pictures", "encoder": "the same pictures from "
            "another encoder", "aligned": "cut from another rip of the episode"}  # fmt: skip
    parts = [f"{rebuilt[word]:,} {way}" for word, way in ways.items() if rebuilt.get(word)]
    text = f"{present:,} of {whole:,} clips of the original release are here: {'; '.join(parts)}."
    if rebuilt["missing"]:
        names = ", ".join(episode_in_words(episode) for episode in rebuilt["missing"])
        text += f" Missing episodes: {names}."
    if present < whole:
        text += " All numbers below are of the clips that are here."
    return text


def joined(about: Mapping[str, Any]) -> str:
    """What a joined release is made of; `about` as in `Facts`."""
    parts = [f"{part['name']} ({part['clips']:,} clips)" for part in about["joined"]]
    twice = sum(part["twice"] for part in about["joined"])
    kept = f" {twice:,} clips that several have are here once." if twice else ""
    return (
        f"This release joins those of several datasets: {', '.join(parts)}.{kept} Persons and "
        "raters were numbered in each by itself and not compared between them, except for the "
        "targets of clips that several have: one person may have several numbers. Repeated "
        "footage was not searched for between them."
    )


def episode_in_words(episode: Mapping[str, Any]) -> str:
    """A missing episode: show, episode, duration."""
    seconds = episode["duration_s"]
    minutes, rest = divmod(round(seconds or 0), 60)
    length = "duration unknown" if seconds is None else f"{minutes}:{rest:02d} min"
    return f"{episode['show']} {episode['episode']} ({length})"


USES: Final = (
    "Research on how emotions are perceived in context; training and comparing models of it.",
    "Not for judging real people: hiring, schooling, policing, border control, insurance, health.",
)

BIASES: Final = (
    "Actors on television: few kinds of people, staged light, genre and editing conventions."
)

_CATEGORIES: Final = (
    "Each clip has one of seven categories. Mixed and other emotions are not represented; only the "
    "spread of the votes (columns p_*) hints at them."
)

_HEARD: Final = (
    "Raters heard the sound; a model that sees pictures only lacks part of what they judged by."
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


def missing(field: str) -> str:
    """What stands where the makers of a release have said nothing yet."""
    return f"[to be filled in: {field}]"


def given(facts: Facts, field: str) -> str:
    """What `release.yaml` says in a field, or that it says nothing."""
    value = facts.card.get(field)
    return str(value) if value else missing(field)


def heard(facts: Facts) -> bool | None:
    """Whether raters heard the sound; None if nobody said so."""
    if facts.about["made_up_ratings"]:
        return None
    if facts.rating_sources == (OUR_PAGES,):
        return True
    stated: bool | None = facts.card.get("rated_with_sound")
    return stated


def platform(facts: Facts) -> str:
    """Where ratings were given."""
    if facts.about["made_up_ratings"]:
        return "none: the ratings are made up"
    named = "Label Studio" if OUR_PAGES in facts.rating_sources else ""
    if set(facts.rating_sources) <= {OUR_PAGES} and named:
        return named
    return " and ".join(filter(None, [named, given(facts, "rating_platform")]))


def annotation(facts: Facts) -> str:
    """How the ratings came about, as far as it is known."""
    if facts.about["made_up_ratings"]:
        return MADE_UP
    sound = {
        True: "watched a clip with sound",
        False: "watched a clip without sound",
        None: "watched a clip (whether with sound is not stated)",
    }[heard(facts)]
    return (
        f"Each rater {sound}, chose one of seven emotions and said how sure they were (0 to 1). "
        f"Platform: {platform(facts)}."
    )


def limits(facts: Facts) -> tuple[str, ...]:
    """What the labels cannot be used for."""
    return (MEANING, *([_HEARD] if heard(facts) else []), BIASES, _CATEGORIES)


def identity(facts: Facts) -> str:
    """What the release gives away about people."""
    return IDENTITY if facts.about["media"] else IDENTITY_WITHOUT_MEDIA
