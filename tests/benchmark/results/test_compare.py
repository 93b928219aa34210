"""Suites, crossing two datasets, and cross-validation."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lightning_fabric import Fabric
from made_up import tiny_recipe, tiny_store
from small_releases import small

from caer_data.benchmark.data.prepare import NoSoundError
from caer_data.benchmark.data.store import Store
from caer_data.benchmark.networks import own_class_errors
from caer_data.benchmark.recipe import ModelRecipe, load, vary
from caer_data.benchmark.results import compare, entries, folds, suites
from caer_data.benchmark.results.compare import Bench
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.report import results as report


@pytest.fixture
def bench(tmp_path: Path, fabric: Fabric) -> Bench:
    return Bench(tmp_path, range(1), fabric, Reporter("bars"))


def test_cross_trains_on_each_and_on_both_and_tests_on_each(bench: Bench) -> None:
    here = tiny_store()
    there = replace(here, source=replace(here.source, name="theirs"))
    entries = compare.cross(bench, tiny_recipe(), here, there)
    names = [(e.runs[0]["dataset"], e.test) for e in entries]
    a, b = "made-up clips", "theirs"
    both = f"{a}+{b}"
    assert names == [(a, ""), (a, b), (b, ""), (b, a), (both, ""), (both, a), (both, b)]
    sizes = [e.runs[0]["split_sizes"]["train"] for e in entries]
    assert sizes == [40, 40, 40, 40, 80, 80, 80]
    # the two hold the same clips: what is tested elsewhere is what is tested here
    assert entries[0].tests[0]["confusion"] == entries[1].tests[0]["confusion"]


def test_cross_warns_of_test_files_that_were_trained_on(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bench, "runs", lambda self, entry, store, also_test=None: entry)
    store = tiny_store()
    samples = [replace(s, sha256=f"{i % 45}") for i, s in enumerate(store.samples)]
    compare.cross(bench, tiny_recipe(), replace(store, samples=samples), tiny_store())
    assert "leak" not in capsys.readouterr().err
    store = replace(store, samples=samples)
    compare.cross(bench, tiny_recipe(), store, store)
    assert "test files" in capsys.readouterr().err


def test_a_suite_runs_the_rows_that_there_is_data_for(
    bench: Bench,
    images_tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[ModelRecipe] = []

    def fake(self: Bench, entry: compare.Entry, store: Store) -> compare.Entry:
        asked.append(entry.recipe)
        return entry

    monkeypatch.setattr(Bench, "runs", fake)

    def changed(recipe: ModelRecipe) -> ModelRecipe:
        return vary(recipe, {"train": {"epochs": 1}})

    entries = compare.suite(
        bench,
        "table3",
        images_tree,
        lambda release, recipe: tiny_store(),
        preset="paper",
        features={},
        changed=changed,
    )
    assert [e.paper for e in entries] == [70.09, 65.65, 73.51]
    assert all(recipe.train.epochs == 1 for recipe in asked)
    assert "no clips for 6 rows of table3" in capsys.readouterr().err
    with pytest.raises(CaerError, match="no clips for 2 rows of table5"):
        compare.suite(
            bench,
            "table5",
            images_tree,
            lambda release, recipe: tiny_store(),
            preset="paper",
            features={},
            changed=changed,
        )


def test_every_suite_has_rows_with_recipes_of_their_own() -> None:
    for name in suites.NAMES:
        recipes = [row.recipe for row in suites.rows(name)]
        assert len({recipe.name for recipe in recipes}) == len(recipes) > 0


def grouped(store: Store, per_group: int) -> Store:
    samples = [replace(s, group=f"video-{i // per_group}") for i, s in enumerate(store.samples)]
    return replace(store, samples=samples)


def test_folds_keep_videos_together_and_leave_test_out() -> None:
    store = grouped(tiny_store(), per_group=5)
    made = list(folds.stores(store, 4, seed=0))
    held_out = np.concatenate([fold.of_split("test") for fold in made])
    assert sorted(held_out.tolist()) == list(range(50))  # train and validation, once each
    for fold in made:
        videos = [
            {fold.samples[i].group for i in fold.of_split(split)}
            for split in ("train", "validation", "test")
        ]
        assert not (videos[0] & videos[1] or videos[0] & videos[2] or videos[1] & videos[2])


def test_predictions_of_folds_cover_every_training_clip(bench: Bench) -> None:
    store = grouped(tiny_store(), per_group=5)
    found = folds.predictions(bench, tiny_recipe(epochs=1), store, 3)
    assert sorted(found["sample_id"]) == [f"{i:05d}" for i in range(50)]
    assert set(found["split"]) == {"train", "validation"}
    probabilities = found.filter(regex="^p_").to_numpy()
    assert np.allclose(probabilities.sum(1), 1)


def test_more_folds_than_videos_is_one_sentence(bench: Bench) -> None:
    with pytest.raises(CaerError, match="at most 2, the number of videos"):
        list(folds.stores(grouped(tiny_store(), per_group=30), 4, seed=0))


def test_stores_of_other_sizes_cannot_be_joined() -> None:
    other = tiny_store()
    other.form = replace(other.form, face=small().input.frame)
    with pytest.raises(CaerError, match="different sizes or classes"):
        tiny_store() + other


def test_a_suite_goes_on_past_a_model_that_breaks_and_says_so(
    bench: Bench,
    images_tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def runs(self: Bench, entry: compare.Entry, store: Store) -> compare.Entry:
        if "F" in entry.label.split():
            raise RuntimeError("shapes do not match")
        return entry

    monkeypatch.setattr(Bench, "runs", runs)
    entries = compare.suite(
        bench,
        "table3",
        images_tree,
        lambda release, recipe: tiny_store(),
        preset="paper",
        features={},
        changed=lambda recipe: recipe,
    )
    assert [e.label for e in entries] == ["CAER-Net-S C+cA", "CAER-Net-S F+C+cA+fA"]
    assert bench.failures == ["CAER-Net-S F: not computed (RuntimeError: shapes do not match)"]
    assert "continuing with the next row" in capsys.readouterr().err


def test_a_row_that_hears_is_left_out_of_a_suite_without_sound_and_fails_nothing(
    bench: Bench,
    images_tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def opened(release: Path, recipe: ModelRecipe) -> Store:
        if recipe.name == "caer-net-s-f":
            raise NoSoundError("shows: none of its clips has sound")
        return tiny_store()

    monkeypatch.setattr(Bench, "runs", lambda self, entry, store: entry)
    entries = compare.suite(
        bench,
        "table3",
        images_tree,
        opened,
        preset="paper",
        features={},
        changed=lambda recipe: recipe,
    )
    assert "CAER-Net-S F" not in [e.label for e in entries] and len(entries) > 1
    assert bench.failures == []
    [section] = report.without_results(bench.left_out[:1])
    assert "CAER-Net-S F: left out (shows" in section.html
    assert "CAER-Net-S F: left out (shows: none of its clips" in " ".join(
        capsys.readouterr().err.split()
    )


def test_folds_as_results_hold_every_show_out_once(bench: Bench) -> None:
    store = tiny_store(30, 6, 12)
    samples = [replace(s, show=f"show-{i % 5}") for i, s in enumerate(store.samples)]
    store = replace(store, samples=samples)
    entry = folds.results(bench, tiny_recipe(epochs=1), store, 3)
    assert [run["fold"] for run in entry.runs] == [1, 2, 3]
    (held_out,) = entry.predictions()
    tested = held_out[held_out["split"] == "test"]
    assert sorted(tested["sample_id"]) == sorted(s.sample_id for s in samples)
    shows = [
        set(frame.loc[frame["split"] == "test", "show"])
        for frame in map(pd.read_parquet, (f / "predictions.parquet" for f in entry.folders))
    ]
    assert set.union(*shows) == {f"show-{i}" for i in range(5)}
    assert sum(map(len, shows)) == 5
    assert "no show in two of them" in entry.note
    assert entries.table([entry])["seeds"].tolist() == [1]


def test_folds_of_several_seeds_count_the_seeds(bench: Bench) -> None:
    two = replace(bench, seeds=range(2))
    entry = folds.results(two, tiny_recipe(epochs=1), tiny_store(12, 3, 3), 3)
    assert len(entry.runs) == 6 and entry.seeds == [0, 1]
    assert entries.table([entry])["seeds"].tolist() == [2]
    assert "over the folds and seeds" in entry.note


def test_cross_says_that_trees_without_hashes_cannot_be_checked(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bench, "runs", lambda self, entry, store, also_test=None: entry)
    compare.cross(bench, tiny_recipe(), tiny_store(), tiny_store())
    assert "was not checked" in capsys.readouterr().err


def test_mistakes_are_found_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs.py").write_text(
        "import torch\n"
        "class Bare(torch.nn.Module):\n"
        "    def __init__(self, recipe, classes):\n"
        "        super().__init__()\n"
        "    def forward(self, face, context):\n"
        "        return torch.zeros(2, 7)\n"
        "class Broken(Bare):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "class Short(Bare):\n"
        "    def forward(self, face):\n"
        "        return face\n"
        "from caer_data.benchmark.networks import Output\n"
        "class Fine(Bare):\n"
        "    def __init__(self, recipe, classes):\n"
        "        super().__init__(recipe, classes)\n"
        "        self.layer = torch.nn.Linear(3, classes)\n"
        "    def forward(self, face, context):\n"
        "        return Output(self.layer(face.flatten(2).mean(2)))\n"
        "class Breaks(Fine):\n"
        "    def forward(self, face, context):\n"
        "        assert not self.training, 'only tested'\n"
        "        return super().forward(face, context)\n"
        "class Detached(Fine):\n"
        "    def forward(self, face, context):\n"
        "        return Output(super().forward(face, context).logits.detach())\n"
        "class Three(Fine):\n"
        "    def forward(self, face, context):\n"
        "        found = super().forward(face, context)\n"
        "        return Output(found.logits, weights=torch.zeros(len(face), 3))\n"
        "class Flat(Fine):\n"
        "    def forward(self, face, context):\n"
        "        found = super().forward(face, context)\n"
        "        return Output(found.logits, attention=torch.zeros(len(face), 9))\n"
        "class Leaves(Fine):\n"
        "    def forward(self, face, context):\n"
        "        raise SystemExit(0)\n"
        "class Gone(Fine):\n"
        "    def __init__(self, recipe, classes):\n"
        "        raise SystemExit(0)\n"
    )
    (tmp_path / "unfinished.py").write_text("class Fine(torch.nn.Module): pass\n")
    (tmp_path / "left.py").write_text("raise SystemExit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name, sentence in {
        "Bare": "returns a Tensor for two samples, not an Output",
        "Broken": "cannot be created",
        "Short": "fails in testing on inputs of",
        "Breaks": "fails in training on inputs of .*only tested",
        "Detached": "nothing can learn",
        "Three": r"weights of shape \(2, 3\) for two samples, not \(2, 2\)",
        "Flat": r"attention of shape \(2, 9\) for two samples",
        "Missing": "theirs.py has no class Missing",
        "Leaves": "fails in testing on inputs of .*SystemExit: 0",
        "Gone": "cannot be created .*SystemExit: 0",
    }.items():
        with pytest.raises(CaerError, match=sentence):
            compare.check(vary(small(), {"model": f"theirs:{name}"}))
    for module, sentence in {
        "unfinished": "cannot be imported .*NameError: name 'torch'",
        "left": "cannot be imported .*SystemExit: 0",
        "nowhere": "No module named 'nowhere'; its module must be installed",
        "sys": "the module sys has no class Fine",
    }.items():
        with pytest.raises(CaerError, match=sentence):
            compare.check(vary(small(), {"model": f"{module}:Fine"}))
    compare.check(vary(small(), {"model": "theirs:Fine"}))
    with pytest.raises(CaerError, match="no such weight file"):
        compare.check(vary(load("vgg"), {"baseline": {"weights": "nowhere.pth"}}))
    with pytest.raises(CaerError, match="no such checkpoint"):
        compare.check(small(), tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("package", ["large", "pack"])
@pytest.mark.parametrize("error", ["ValueError('too many')", "SystemExit(0)"])
def test_a_mistake_that_only_larger_batches_show_names_its_line(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str, package: str
) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("from pack.large import Picky\n")
    monkeypatch.delitem(sys.modules, "large", raising=False)
    for name in ("pack", "pack.large"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / ("pack" if package == "pack" else "") / "large.py").write_text(
        "import torch\n"
        "from caer_data.benchmark.networks import Output\n"
        "class Picky(torch.nn.Module):\n"
        "    def __init__(self, recipe, classes):\n"
        "        super().__init__()\n"
        "        self.layer = torch.nn.Linear(3, classes)\n"
        "    def forward(self, face, context):\n"
        "        if len(face) > 2:\n"
        f"            raise {error}\n"
        "        return Output(self.layer(face.flatten(2).mean(2)))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    recipe = vary(tiny_recipe(epochs=1), {"model": f"{package}:Picky"})
    compare.check(recipe)
    with pytest.raises(CaerError, match=rf"model {package}:Picky: fails in line 9 of .*large\.py"):
        compare.single(bench, recipe, tiny_store())


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), own_class_errors(tiny_recipe()):
        raise ZeroDivisionError
