"""Facts about a dataset that the pipeline knows: the numbers on its cards."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import PurePath
from typing import Any, Final

import pandas as pd

from caer_data import __version__
from caer_data.engine import anchors, tables
from caer_data.engine import recipe as recipes
from caer_data.engine.dataset import Dataset
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.export.cards import about
from caer_data.export.plan import Options, Plan
from caer_data.labels import vote_text
from caer_data.labels.validate import MADE_UP

_TOOLS: Final = ("av", "ImageHash", "numpy", "opencv-python-headless", "pandas", "pyarrow",
                 "scikit-learn")  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """Facts for the cards, as plain values, so that equal datasets give equal cards.

    Attributes:
        name: the recipe's name.
        about: contents of `release.json`.
        funnel: pairs of a step and the count that remains after it.
        drops: triples of a stage, a reason and the number of clips dropped for it.
        table1: clips, frames and share of each emotion (paper, table 1): one dict per emotion.
        split: the split table: one dict per split.
        agreement: alpha, its 95 % interval and Fleiss' kappa, over the released clips; empty if
            it cannot be measured.
        raters: number of raters whose answers count.
        built_with: pairs of name and version, recorded when the dataset was built.
        exported_with: pairs of name and version for this export.
        recipe: the recipe as YAML text.
        rating_sources: sources of the votes: label-studio, csv, made-up.
        card: contents of the dataset's `release.yaml`.
        missing: its fields that are not stated.
    """

    name: str
    about: dict[str, Any]
    funnel: tuple[tuple[str, int], ...]
    drops: tuple[tuple[str, str, int], ...]
    table1: tuple[dict[str, Any], ...]
    split: tuple[dict[str, Any], ...]
    agreement: dict[str, float]
    raters: int
    built_with: tuple[tuple[str, str], ...]
    exported_with: tuple[tuple[str, str], ...]
    recipe: str
    rating_sources: tuple[str, ...] = ()
    card: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def collect(dataset: Dataset, plan: Plan, options: Options) -> Facts:
    """Return the facts of a dataset."""
    recipe = dataset.recipe
    used = recipe.model_copy(update={"export": options.settings, "seed": options.seed})
    clips = dataset.read_columns(tables.CLIPS, ["clip_key", "status", "reason"])
    labels = dataset.read_columns(tables.LABELS, ["clip_key", "status", "reason", "cannot_judge"])
    card = about.read(dataset.folder)
    ratings = _of_released(dataset, plan)
    sources = () if ratings is None else tuple(sorted(ratings["source"].unique()))
    name = card.title or recipe.name
    return Facts(
        name=name,
        about={
            "name": name,
            "layouts": list(dict.fromkeys(options.settings.layouts)),
            "split": str(options.scheme),
            "by": options.settings.by,
            "media": options.media,
            "spelling": options.settings.spelling,
            "lines": len(plan.lines),
            "fingerprints": len(plan.prints),
            "rights": options.rights or card.rights,
            "made_up_ratings": bool(plan.clips["made_up"].any()),
            "clips": len(plan.clips),
            "shows": int(plan.clips["show"].nunique()),
            "episodes": int(plan.clips["video_id"].nunique()),
            "people": int(plan.clips["person_id"].nunique()),
            "seconds": round(float((plan.clips["end_s"] - plan.clips["start_s"]).sum()), 3),
        },
        funnel=_funnel(dataset, clips, labels, plan),
        drops=(*_reasons("build", clips), *_reasons("labels", labels)),
        table1=_table1(plan.clips),
        split=tuple(tables.records(plan.reached)),
        agreement=_agreement(ratings, labels, clips, recipe.seed),
        raters=vote_text.count_raters(plan.clips["votes"]),
        built_with=_built_with(dataset),
        exported_with=versions(),
        recipe=recipes.dump(_without_folders(used)),
        rating_sources=sources,
        card={**card.model_dump(mode="json"), "license_url": card.license_url},
        missing=missing(card, sources),
    )


def missing(card: about.About, sources: Collection[str]) -> tuple[str, ...]:
    """Return the fields of `release.yaml` that are not stated, given the sources of ratings."""
    return tuple(card.missing(imported=bool(set(sources) - {"label-studio", MADE_UP})))


def _without_folders(recipe: recipes.Recipe) -> recipes.Recipe:
    """Return the recipe with model files named without their folders on this machine."""

    def name(path: str | None) -> str | None:
        return path and PurePath(path).name

    speech = {"speaker_model": name(recipe.speech.speaker_model)}
    faces = {"weights": name(recipe.faces.weights)}
    return recipe.model_copy(
        update={
            "speech": recipe.speech.model_copy(update=speech),
            "faces": recipe.faces.model_copy(update=faces),
        }
    )


def _of_released(dataset: Dataset, plan: Plan) -> pd.DataFrame | None:
    """Return the accepted answers to the released clips; None if there are no ratings."""
    if not dataset.has(tables.RATINGS):
        return None
    needed = ["clip_key", "emotion", "status", "cannot_judge", "source"]
    ratings = dataset.read_columns(tables.RATINGS, needed)
    keys = pd.Index(plan.clips["clip_key"])  # pandas' own isin takes every word by itself
    released = pd.Series(keys.get_indexer(ratings["clip_key"]) >= 0, ratings.index)
    return ratings[released & (ratings["status"] == "accepted")]


def _funnel(
    dataset: Dataset, clips: pd.DataFrame, labels: pd.DataFrame, plan: Plan
) -> tuple[tuple[str, int], ...]:
    videos = dataset.videos
    return (
        ("video files", len(videos)),
        ("videos that could be read, each once", int(videos.status.isin(tables.USED).sum())),
        ("shots", tables.count(tables.SHOTS, dataset.path_of(tables.SHOTS))),
        ("clips (shots or parts of them)", len(clips)),
        ("clips kept by the filters", len(anchors.present(clips))),
        ("clips with a rating", len(labels)),
        ("clips released", len(plan.clips)),
    )


def _reasons(stage: str, table: pd.DataFrame) -> tuple[tuple[str, str, int], ...]:
    counts = table.loc[table.status == "dropped", "reason"].value_counts()
    return tuple((stage, str(reason), int(counts[reason])) for reason in sorted(counts.index))


def _table1(clips: pd.DataFrame) -> tuple[dict[str, Any], ...]:
    rows = []
    for emotion in EMOTIONS:
        own = clips[clips["emotion"] == emotion]
        row = {"emotion": emotion, "clips": len(own), "frames": int(own["frames"].sum())}
        rows.append({**row, "share": len(own) / len(clips)})
    return tuple(rows)


def _agreement(
    ratings: pd.DataFrame | None, labels: pd.DataFrame, clips: pd.DataFrame, seed: int
) -> dict[str, float]:
    if ratings is None:
        return {}
    from caer_data.labels import agreement

    values = agreement.overall(ratings, labels, clips, seed=seed)._asdict()
    return {} if math.isnan(values["alpha"]) else values


def _built_with(dataset: Dataset) -> tuple[tuple[str, str], ...]:
    path = dataset.provenance_path
    if not path.is_file():
        return ()
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        versions = {name: known[name] for name in ("caer_data", "python", "ffmpeg")}
        versions |= known["packages"]
        if "speaker_model" in known:
            versions["active speaker model, SHA-256"] = known["speaker_model"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CaerError(f"{path}: cannot be read ({error}); run 'caer-data build' again") from error
    return tuple(sorted((str(name), str(version)) for name, version in versions.items()))


def versions() -> tuple[tuple[str, str], ...]:
    """Return names and versions of this package, Python and the libraries."""
    return (
        ("caer-data", __version__),
        ("python", platform.python_version()),
        *((name, metadata.version(name)) for name in _TOOLS),
    )
