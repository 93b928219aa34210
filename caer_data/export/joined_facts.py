"""Facts for the cards of a joined release: about all clips, and only those on which all agree."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

import pandas as pd

from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Recipe
from caer_data.export import folder, partial, splits
from caer_data.export.cards import facts as of_cards
from caer_data.export.cards.about import About
from caer_data.export.joined import Part
from caer_data.labels import vote_text

_OF_ONE: Final = {"version", "url", "cite_as", "date_published"}
"""Fields of `release.yaml` that apply to a single release."""


def facts_of(
    parts: list[Part],
    clips: pd.DataFrame,
    recipe: Recipe,
    scheme: splits.Scheme,
    reached: pd.DataFrame,
    said: int,
) -> of_cards.Facts:
    """Return the facts of a joined release.

    Args:
        parts: the releases.
        clips: all clips, one row each, with their splits.
        recipe: recipe of the first release, with the section on exports of the joined one.
        scheme: scheme of its split.
        reached: its split table.
        said: number of subtitle lines.

    Raises:
        CaerError: a release contains impossible facts.
    """
    try:
        return _facts(parts, clips, recipe, scheme, reached, said)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        names = ", ".join(str(part.origin.folder / folder.ABOUT) for part in parts)
        reason = " ".join(str(error).split())[:200]
        raise CaerError(
            f"{names}: one of them contains impossible values ({reason}); export it again"
        ) from error


def _facts(
    parts: list[Part],
    clips: pd.DataFrame,
    recipe: Recipe,
    scheme: splits.Scheme,
    reached: pd.DataFrame,
    said: int,
) -> of_cards.Facts:
    every = [part.origin.facts for part in parts]
    card = _card(parts)
    name = card.title or " and ".join(dict.fromkeys(str(facts.name) for facts in every))
    rating_sources = tuple(sorted({str(s) for facts in every for s in facts.rating_sources}))
    rights = {facts.about.get("rights") for facts in every}
    prints = [len(part.videos) for part in parts if part.origin.facts.about.get("fingerprints")]
    about = {
        "name": name,
        "layouts": list(recipe.export.layouts),
        "split": str(scheme),
        "by": scheme.by,
        "media": bool(every[0].about["media"]),
        "spelling": recipe.export.spelling,
        "lines": said,
        "fingerprints": sum(prints),
        "rights": str(rights.pop()) if len(rights) == 1 and rights != {None} else None,
        "made_up_ratings": bool(clips["made_up"].any()),
        "clips": len(clips),
        "shows": int(clips["show"].nunique()),
        "episodes": int(clips["video_id"].nunique()),
        "people": int(clips["person_id"].nunique()),
        "seconds": round(float((clips["end_s"] - clips["start_s"]).sum()), 3),
        "joined": _joined(parts),
    }
    votes = clips["votes"].astype(str)
    return of_cards.Facts(
        name=name,
        about=about,
        funnel=_funnel(parts, len(clips)),
        drops=_drops(parts),
        table1=partial.table1(clips),
        split=tuple(tables.records(reached)),
        agreement=partial.agreement(votes, recipe.seed) if any(f.agreement for f in every) else {},
        raters=vote_text.count_raters(votes),
        built_with=_built_with(parts),
        exported_with=of_cards.versions(),
        recipe=_recipe(parts, recipe),
        rating_sources=rating_sources,
        card={**card.model_dump(mode="json"), "license_url": card.license_url},
        missing=of_cards.missing(card, rating_sources),
    )


def _card(parts: list[Part]) -> About:
    """Return the fields that are equal in all releases; the others are empty."""
    cards = [dict(part.origin.facts.card) for part in parts]
    names = [name for name in About.model_fields if name not in _OF_ONE]
    same = {n: cards[0].get(n) for n in names if all(c.get(n) == cards[0].get(n) for c in cards)}
    return About(**{name: value for name, value in same.items() if value is not None})


def _joined(parts: list[Part]) -> list[dict[str, Any]]:
    return [
        {
            "name": part.name,
            "clips": int(part.manifest["clip_id"].nunique()),
            "twice": part.twice,
            "manifest_sha256": part.origin.sha256,
        }
        for part in parts
    ]


def _funnel(parts: list[Part], total: int) -> tuple[tuple[str, int], ...]:
    of_parts = [
        (f"clips of {part.name}", int(part.origin.manifest["clip_id"].nunique())) for part in parts
    ]
    twice = sum(part.twice for part in parts)
    return *of_parts, ("clips in several of them, kept once", twice), ("clips released", total)


def _drops(parts: list[Part]) -> tuple[tuple[str, str, int], ...]:
    counts: Counter[tuple[str, str]] = Counter()
    for part in parts:
        for stage, reason, count in part.origin.facts.drops:
            counts[str(stage), str(reason)] += int(count)
    return tuple((stage, reason, count) for (stage, reason), count in sorted(counts.items()))


def _built_with(parts: list[Part]) -> tuple[tuple[str, str], ...]:
    versions: dict[str, dict[str, None]] = {}
    for part in parts:
        for name, version in part.origin.facts.built_with:
            versions.setdefault(str(name), {})[str(version)] = None
    return tuple((name, " and ".join(of)) for name, of in sorted(versions.items()))


def _recipe(parts: list[Part], recipe: Recipe) -> str:
    """Return the recipe as YAML, followed by differing recipes of other releases as comments."""
    text = recipes.dump(recipe)
    for part in parts[1:]:
        own = part.origin.recipe.model_copy(update={"export": recipe.export, "name": recipe.name})
        if own != recipe:
            dumped = re.sub(r"(?m)^", "# ", recipes.dump(part.origin.recipe).rstrip())
            text += f"\n# The clips of {part.name} were made with:\n{dumped}\n"
    return text
