"""Check the models on made-up clips, in which the information available to a model is known.

`synthetic` describes how the clips are generated and the best possible accuracy. Models are trained
on them as on any dataset: CAER-Net-S, each of its streams alone and, on clips whose label depends
only on the order of frames, both CAER-Net and CAER-Net-S.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from caer_data.benchmark.data.batches import open_frames
from caer_data.benchmark.data.store import Store
from caer_data.benchmark.data.windows import all_windows
from caer_data.benchmark.networks import architecture
from caer_data.benchmark.recipe import ModelRecipe, vary
from caer_data.benchmark.results.compare import Bench
from caer_data.benchmark.results.entries import Entry
from caer_data.benchmark.selftest import synthetic
from caer_data.benchmark.selftest.synthetic import KINDS, SyntheticClips
from caer_data.benchmark.training import checkpoint
from caer_data.benchmark.training.predict import outputs
from caer_data.benchmark.training.run import folder_of
from caer_data.engine import parquet

STREAMS: Final[dict[str, dict[str, bool]]] = {
    "face only": {"context": False, "context_attention": False, "fusion_attention": False},
    "context only": {"face": False, "fusion_attention": False},
    "face and context": {},
}
ALONE: Final = {"epochs": 4}
"""Training of a single stream, with fewer epochs, because combining streams is learned last."""

ORDER: Final = {"order, frame by frame": "caer-net-s", "order, clips": "caer-net"}
"""Models for the clips whose label depends only on the order of the frames."""

HEARING: Final = {"sound alone": False, "CAER-Net with sound": True}
"""Models for the clips whose label depends only on the sound, and whether they also see."""

ERRORS: Final = 3.0
"""Required difference in standard errors, which chance exceeds once in 700 times."""

TOGETHER: Final = 0.75
"""Required accuracy of face and context on `both` clips, and of CAER-Net on ordered clips: half-way
between chance, 1/2, and 1."""

ATTENTION: Final = 1.5
"""Required attention on the coloured disc, as a multiple of chance; even an untrained network
exceeds chance, because discs differ from the background."""

SUMS_TO_ONE: Final = 0.01
"""Tolerance for the sum of a map, which should be 1; bf16 rounds values by one part in 512."""

LEAN: Final = 0.6
"""Minimum fusion weight of the informative stream."""

Shares = npt.NDArray[np.float64]
"""For each test clip, the share of seeds that predict it correctly."""


@dataclass(frozen=True)
class Check:
    """One statement and whether it holds."""

    statement: str
    found: str
    passed: bool


@dataclass(frozen=True)
class SelfTest:
    """Result of the self-test.

    Attributes:
        clips: the made-up clips.
        store: the same clips as the models saw them.
        entries: the models with their runs.
        accuracy: share of correct predictions by model and kind of clip, and the best possible.
        checks: the statements.
    """

    clips: SyntheticClips
    store: Store
    entries: list[Entry]
    accuracy: pd.DataFrame
    checks: list[Check]

    @property
    def passed(self) -> bool:
        """Whether every statement holds."""
        return all(check.passed for check in self.checks)


def self_test(
    bench: Bench,
    clips: SyntheticClips | None = None,
    ordered: SyntheticClips | None = None,
    train: dict[str, Any] | None = None,
    sounding: SyntheticClips | None = None,
    compute: dict[str, Any] | None = None,
) -> SelfTest:
    """Train the models on made-up clips and check them, over all seeds together.

    Args:
        bench: folder of results, seeds, device, progress.
        clips: made-up clips; default: `synthetic.make()`.
        ordered: made-up clips with an order; default: `synthetic.make_ordered()`.
        train: changes to the recipes' section `train`, such as fewer epochs.
        sounding: made-up clips with sound; default: `synthetic.make_sounding()`.
        compute: changes to the recipes' section `compute`.
    """
    clips = synthetic.make() if clips is None else clips
    ordered = synthetic.make_ordered() if ordered is None else ordered
    sounding = synthetic.make_sounding() if sounding is None else sounding
    changes = {"train": train or {}, "compute": compute or {}}
    recipe = synthetic.recipe()
    store = synthetic.store(clips, recipe.input.face, recipe.input.frame)
    kinds = clips.kinds[store.of_split("test")]
    entries, right, rows = [], {}, []
    for name, off in STREAMS.items():
        own = {"name": f"{recipe.name}-{name}", "streams": off, "train": ALONE if off else {}}
        changed = vary(vary(recipe, own), changes)
        entries.append(bench.runs(Entry(name, changed), store))
        right[name] = _right(bench, changed, store)
        best = synthetic.best_accuracy(changed.streams.face, changed.streams.context)
        row = {"model": name}
        for number, kind in enumerate(KINDS):
            row[f"{kind} clips"] = _percent(right[name][kinds == number], best[kind])
        rows.append({**row, "all": _percent(right[name], best["all"])})
    checks = _check_accuracy(right, kinds) + _check_streams(bench, entries[-1].recipe, store, clips)
    ordered_entries, hits = _in_order(bench, ordered, changes)
    checks += _check_order(*hits)
    for entry, found, best_share in zip(ordered_entries, hits, (1 / 2, 1.0), strict=True):
        rows.append({"model": entry.label, "all": _percent(found, best_share)})
    hearing_entries, heard = _by_sound(bench, sounding, changes)
    checks += _check_sound(*heard)
    for entry, found in zip(hearing_entries, heard, strict=True):
        rows.append({"model": entry.label, "all": _percent(found, 1.0)})
    table = pd.DataFrame(rows).fillna("")
    every = [*entries, *ordered_entries, *hearing_entries]
    return SelfTest(clips, store, every, table, checks)


def _in_order(
    bench: Bench, clips: SyntheticClips, changes: dict[str, Any]
) -> tuple[list[Entry], list[Shares]]:
    """Train both models on clips whose label depends only on the order of the frames."""
    recipes = {label: synthetic.ordered_recipe(model) for label, model in ORDER.items()}
    return _trained(bench, clips, recipes, changes)


def _by_sound(
    bench: Bench, clips: SyntheticClips, changes: dict[str, Any]
) -> tuple[list[Entry], list[Shares]]:
    """Train on sound alone, and with pictures, if the label depends only on the sound."""
    recipes = {label: synthetic.sounding_recipe(sees) for label, sees in HEARING.items()}
    return _trained(bench, clips, recipes, changes)


def _trained(
    bench: Bench,
    clips: SyntheticClips,
    recipes: Mapping[str, ModelRecipe],
    changes: dict[str, Any],
) -> tuple[list[Entry], list[Shares]]:
    """Train models; return their entries, and for each the correctly predicted test clips."""
    entries, hits = [], []
    for label, own in recipes.items():
        recipe = vary(own, changes)
        store = synthetic.store(clips, recipe.input.face, recipe.input.frame)
        entries.append(bench.runs(Entry(label, recipe), store))
        hits.append(_right(bench, recipe, store))
    return entries, hits


def _check_sound(alone: Shares, with_pictures: Shares) -> list[Check]:
    chance = np.full(len(alone), 1 / synthetic.COLORS)
    return [
        _reads("The sound alone reads sounds", alone, chance),
        _reads("CAER-Net with sound reads sounds", with_pictures, chance),
    ]


def _check_accuracy(right: dict[str, Shares], kinds: npt.NDArray[np.int64]) -> list[Check]:
    face, context, both = (right[name] for name in STREAMS)
    in_face, in_context, in_both = (kinds == number for number in range(len(KINDS)))
    chance = 1 / synthetic.COLORS
    return [
        _at_chance("The face alone fails on context clips", face[in_context], chance),
        _at_chance("The context alone fails on face clips", context[in_face], chance),
        _above("The face alone reads face clips", face[in_face], context[in_face]),
        _above("The context alone reads context clips", context[in_context], face[in_context]),
        _at_chance("The face alone guesses between two on both clips", face[in_both], 1 / 2),
        _at_chance("The context alone guesses between two on both clips", context[in_both], 1 / 2),
        Check(
            "Face and context together read both clips",
            f"{both[in_both].mean():.1%}, asked {TOGETHER:.0%}",
            bool(both[in_both].mean() > TOGETHER),
        ),
        _above(
            "Face and context beat the face alone if both are needed", both[in_both], face[in_both]
        ),
        _above(
            "Face and context beat the context alone if both are needed",
            both[in_both],
            context[in_both],
        ),
        _above("Face and context beat the face alone on all clips", both, face),
        _above("Face and context beat the context alone on all clips", both, context),
    ]


def _check_order(frames: Shares, clips: Shares) -> list[Check]:
    return [
        _at_chance("CAER-Net-S, frame by frame, cannot tell their order", frames, 1 / 2),
        _reads("CAER-Net reads the order of frames", clips, frames),
    ]


def _reads(statement: str, hits: Shares, others: Shares) -> Check:
    better = _above(statement, hits, others)
    found = f"{better.found}, asked {TOGETHER:.0%}"
    return Check(statement, found, better.passed and bool(hits.mean() > TOGETHER))


def _at_chance(statement: str, hits: Shares, chance: float) -> Check:
    limit = chance + ERRORS * np.sqrt(chance * (1 - chance) / len(hits))
    found = f"{hits.mean():.1%}, chance {chance:.1%}, limit {limit:.1%}"
    return Check(statement, found, bool(hits.mean() <= limit))


def _above(statement: str, hits: Shares, others: Shares) -> Check:
    difference = hits - others
    needed = ERRORS * difference.std(ddof=1) / np.sqrt(len(hits))
    found = f"{hits.mean():.1%} against {others.mean():.1%}"
    return Check(statement, found, bool(difference.mean() > needed))


def _check_streams(
    bench: Bench, recipe: ModelRecipe, store: Store, clips: SyntheticClips
) -> list[Check]:
    """Check where the attention is, and which stream the fusion favours, in test clips."""
    device = bench.fabric.device
    model = architecture(recipe).to(device)
    sees = recipe.sees_face, recipe.sees_context
    frames = open_frames(store, device, *sees, kept=bench.kept, sound=recipe.hears)
    test = store.of_split("test")
    pick = all_windows(store, test, recipe.input.frames, recipe.input.stride)
    maps, weights = [], []
    for seed in bench.seeds:
        path = folder_of(bench.results, recipe, store, seed) / "weights.safetensors"
        checkpoint.load_weights(path, model, recipe, store.source.classes)
        found = [output for output, _ in outputs(model, recipe, frames, pick, device)]
        maps.append(torch.cat([o.attention for o in found if o.attention is not None]))
        weights.append(torch.cat([o.weights for o in found if o.weights is not None]))
    every_map = torch.stack(maps).double()
    sums = every_map.sum((-2, -1))
    worst = float((sums - 1).abs().max())
    attention = every_map.mean(0).cpu().numpy()
    face_weight = torch.stack(weights).mean(0)[:, 0].double().cpu().numpy()
    on, even = synthetic.attention_on(attention, clips.context_boxes[test], recipe.input.crop)
    kinds = clips.kinds[test]
    in_face, in_context = (kinds == KINDS.index(kind) for kind in ("face", "context"))
    gain = (on - even)[~in_face]
    sure = gain.mean() > ERRORS * gain.std(ddof=1) / np.sqrt(len(gain))
    share, chance = on[~in_face].mean(), even[~in_face].mean()
    known, unknown = face_weight[in_face].mean(), face_weight[in_context].mean()
    return [
        Check(
            "Attention sums to 1 over space in every clip",
            f"sums from {float(sums.min()):.4f} to {float(sums.max()):.4f}",
            worst < SUMS_TO_ONE and bool((every_map >= 0).all()),
        ),
        Check(
            "Attention lies on the coloured disc more than expected by chance",
            f"{share:.1%} of it, chance {chance:.1%}, asked {ATTENTION * chance:.1%}",
            bool(sure and share > ATTENTION * chance),
        ),
        Check(
            "Fusion favours the informative stream",
            f"face weight {known:.2f} in face clips, {unknown:.2f} in context clips; asked more "
            f"than {LEAN:.2f}, less than {1 - LEAN:.2f}",
            bool(known > LEAN and unknown < 1 - LEAN),
        ),
    ]


def _right(bench: Bench, recipe: ModelRecipe, store: Store) -> Shares:
    hits = []
    for seed in bench.seeds:
        folder = folder_of(bench.results, recipe, store, seed)
        found = parquet.to_frame(folder / "predictions.parquet")
        test = found[found["split"] == "test"]
        columns = [name for name in test.columns if name.startswith("p_")]
        hits.append(test[columns].to_numpy().argmax(1) == test["label"].to_numpy())
    shares: Shares = np.mean(hits, axis=0)
    return shares


def _percent(hits: Shares, best: float) -> str:
    return f"{hits.mean():.1%} (best {best:.0%})"


def statements(found: SelfTest) -> pd.DataFrame:
    """Return the checks as a readable table."""
    return pd.DataFrame(
        [(c.statement, c.found, "yes" if c.passed else "NO") for c in found.checks],
        columns=["statement", "found", "holds"],
    )


def as_text(found: SelfTest, draw: Callable[[pd.DataFrame, str], str]) -> str:
    """Return the tables for the terminal; `draw` turns a frame with a title into text."""
    return "\n".join(
        [
            draw(
                found.accuracy,
                "Accuracy by source of the label (best: the maximum possible)",
            ),
            draw(statements(found), "Statements"),
        ]
    )
