"""Statements on the cards: limits of the labels, rights, lawful use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from caer_data.export.cards.facts import Facts

OUR_PAGES: Final = "label-studio"
"""Source of ratings given on this package's labelling page, which plays sound."""

MEANING: Final = (
    "The labels say which emotion raters perceived in scenes that actors play for television. They "
    "do not say what anybody felt."
)

_NUMBERED: Final = (
    "people are numbered within each show (person_id), and a face found in several shows has "
    "another number (identity); raters are numbered, too. The numbers of people come from face "
    "recognition: faces were clustered by their embeddings, which are not released. Demographics "
    "were neither inferred nor recorded."
)

IDENTITY: Final = (
    f"The release has no names and no face embeddings: {_NUMBERED} The pictures show real actors, "
    "and boxes mark their faces."
)

IDENTITY_WITHOUT_MEDIA: Final = (
    f"The release has no pictures, no names and no face embeddings: {_NUMBERED} Timestamps and "
    "boxes say where in an episode a face appears."
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
    "not exempt. Checked on 26 November 2026; this is not legal advice."
)


def rebuilt(about: Mapping[str, Any]) -> str:
    """Return which part of the original a rebuilt release contains; `about` as in `Facts`."""
    rebuilt = about["rebuilt"]
    present, whole = about["clips"], rebuilt["clips"]
    ways = {"exact": "with exactly the recorded pictures", "encoder": "the same pictures from "
            "another encoder", "aligned": "cut from another rip of the episode"}  # fmt: skip
    parts = [f"{rebuilt[word]:,} {way}" for word, way in ways.items() if rebuilt.get(word)]
    text = f"It contains {present:,} of {whole:,} clips of the original: {'; '.join(parts)}."
    if rebuilt["missing"]:
        names = ", ".join(episode_in_words(episode) for episode in rebuilt["missing"])
        text += f" Missing episodes: {names}."
    return text


def joined(about: Mapping[str, Any]) -> str:
    """Return what a joined release consists of; `about` as in `Facts`."""
    parts = [f"{part['name']} ({part['clips']:,} clips)" for part in about["joined"]]
    twice = sum(part["twice"] for part in about["joined"])
    kept = f" {twice:,} clips in several of them are included once." if twice else ""
    return (
        f"This release joins several releases: {', '.join(parts)}.{kept} Persons and raters were "
        "numbered separately in each and were not compared, except for the targets of clips in "
        "several releases, so one person may have several numbers. Footage that occurs in more "
        "than one release was not searched for."
    )


def episode_in_words(episode: Mapping[str, Any]) -> str:
    """Return a missing episode in words: show, episode, duration."""
    seconds = episode["duration_s"]
    minutes, rest = divmod(round(seconds or 0), 60)
    length = "duration unknown" if seconds is None else f"{minutes}:{rest:02d} min"
    return f"{episode['show']} {episode['episode']} ({length})"


USES: Final = (
    "Research on how emotions are perceived in context; training and comparing models of it.",
    "Not for judging real people: hiring, schooling, policing, border control, insurance, health.",
)

BIASES: Final = (
    "The people are television actors, under staged light and the conventions of genre and "
    "editing. They do not represent people in general."
)

_CATEGORIES: Final = (
    "Each clip has one of seven categories. Mixed and other emotions are not represented, except "
    "by the distribution of votes (columns p_*)."
)

_HEARD: Final = (
    "Raters heard the sound, so a model that sees only pictures lacks part of their information."
)

MADE_UP: Final = (
    "THE RATINGS ARE MADE UP for a demonstration. They say nothing about the clips. Do not train "
    "on, test with or publish them."
)

_NO_RIGHTS: Final = (
    "Rights are not stated. The footage belongs to its copyright holders. This copy is only for "
    "the use of the person who made it and must not be passed on."
)

_ANNOTATIONS: Final = (
    "Annotations, timestamps, hashes and the recipe, without footage. With the shows, "
    "'caer-data rebuild' cuts the same clips again."
)


def rights(facts: Facts) -> str:
    """Return the sentence on rights for the cards and the licence fields."""
    stated = facts.about["rights"]
    if facts.about["media"]:
        return str(stated) if stated else _NO_RIGHTS
    licence = stated or "The licence of the annotations is not stated yet."
    return f"{_ANNOTATIONS} {licence}"


def missing(field: str) -> str:
    """Return the placeholder for a field that is not stated."""
    return f"[to be filled in: {field}]"


def given(facts: Facts, field: str) -> str:
    """Return a field of `release.yaml`, or its placeholder."""
    value = facts.card.get(field)
    return str(value) if value else missing(field)


def heard(facts: Facts) -> bool | None:
    """Return whether raters heard the sound; None if it is not stated."""
    if facts.about["made_up_ratings"]:
        return None
    if facts.rating_sources == (OUR_PAGES,):
        return True
    stated: bool | None = facts.card.get("rated_with_sound")
    return stated


def platform(facts: Facts) -> str:
    """Return where the ratings were given."""
    if facts.about["made_up_ratings"]:
        return "none: the ratings are made up"
    named = "Label Studio" if OUR_PAGES in facts.rating_sources else ""
    if set(facts.rating_sources) <= {OUR_PAGES} and named:
        return named
    return " and ".join(filter(None, [named, given(facts, "rating_platform")]))


def annotation(facts: Facts) -> str:
    """Return how the ratings were made, as far as is known."""
    if facts.about["made_up_ratings"]:
        return MADE_UP
    sound = {
        True: "watched a clip with sound",
        False: "watched a clip without sound",
        None: "watched a clip (whether with sound is not stated)",
    }[heard(facts)]
    return (
        f"Each rater {sound}, chose one of seven emotions and gave a confidence from 0 to 1. "
        f"Platform: {platform(facts)}."
    )


def limits(facts: Facts) -> tuple[str, ...]:
    """Return the limits of the labels."""
    return (MEANING, *([_HEARD] if heard(facts) else []), BIASES, _CATEGORIES)


def identity(facts: Facts) -> str:
    """Return what the release reveals about people."""
    return IDENTITY if facts.about["media"] else IDENTITY_WITHOUT_MEDIA
