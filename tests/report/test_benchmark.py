"""The results page, from real runs."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lightning_fabric import Fabric
from made_up import tiny_recipe, tiny_store
from PIL import Image

from caer_data.benchmark.recipe import vary
from caer_data.benchmark.results import attention, compare
from caer_data.benchmark.results.compare import Bench
from caer_data.benchmark.results.entries import Entry
from caer_data.benchmark.selftest import synthetic
from caer_data.benchmark.selftest.statements import Check, SelfTest
from caer_data.benchmark.training.run import folder_of
from caer_data.engine.progress import Reporter
from caer_data.report import benchmark as page
from caer_data.report.selftest import sections

QUIET = Reporter("quiet")
UNBROKEN = str.maketrans({"\N{NO-BREAK SPACE}": " ", "\N{NON-BREAKING HYPHEN}": "-"})


def text_of(path: Path) -> str:
    """What a reader sees, without what pictures hold."""
    html = re.sub(r"<(style|svg).*?</\1>", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html).translate(UNBROKEN))


def alts_of(path: Path) -> list[str]:
    return re.findall(r'(?:alt|aria-label)="([^"]*)"', path.read_text(encoding="utf-8"))


@pytest.fixture
def bench(tmp_path: Path, fabric: Fabric) -> Bench:
    return Bench(tmp_path, range(2), fabric, QUIET)


def test_rows_of_two_datasets_are_told_apart(bench: Bench, tmp_path: Path) -> None:
    here = tiny_store()
    there = replace(here, source=replace(here.source, name="theirs"))
    entries = compare.cross(bench, tiny_recipe(), here, there)
    page.write(tmp_path / "results.html", "Crossed", entries, {})
    text = text_of(tmp_path / "results.html")
    name = entries[0].label
    assert f"{name}, tested on theirs" in text
    assert "Made-up data" in text
    assert "paper" not in text  # no figure of the paper is of these
    assert alts_of(tmp_path / "results.html").count("confusion matrix") == 3  # one a training


def test_every_figure_of_the_paper_is_there(bench: Bench, tmp_path: Path) -> None:
    recipe = vary(synthetic.recipe(), {"train": {"epochs": 1, "batch_size": 8}})
    store = synthetic.store(synthetic.make(24, 8, 16), recipe.input.face)
    entry = bench.runs(Entry("CAER-Net-S", recipe, paper=73.51, paper_dataset="CAER-S"), store)
    weights = folder_of(bench.results, recipe, store, 0) / "weights.safetensors"
    examples = attention.examples(weights, recipe, store, bench.fabric)
    path = tmp_path / "results.html"
    page.write(path, "CAER-Net-S", [entry], {entry.label: examples})
    text, alts = text_of(path), alts_of(path)
    assert "73.51 CAER-S: another dataset" in text
    assert "±" in text
    for alt in ("loss by epoch", "validation, % by epoch", "confusion matrix"):
        assert alt in alts
    assert "fusion weights by class" in alts
    hidden = [alt for alt in alts if alt.startswith("attention, face hidden")]
    shown = [alt for alt in alts if alt.startswith("attention, face not hidden")]
    assert len(hidden) == len(shown) == len(examples) >= 3
    assert "wrong: " in text
    html = path.read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    page.write(tmp_path / "again.html", "CAER-Net-S", [entry], {entry.label: examples})
    assert (tmp_path / "again.html").read_bytes() == path.read_bytes()


def test_the_confusion_matrix_is_read_in_a_light_and_in_a_dark_scheme(
    bench: Bench, tmp_path: Path
) -> None:
    page.write(tmp_path / "r.html", "x", [compare.single(bench, tiny_recipe(), tiny_store())], {})
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    matrix = re.search(r'<svg[^>]*"confusion matrix".*?</svg>', html, re.DOTALL)[0]
    cells = base64.b64decode(re.search(r"data:image/png;base64,([^\"]*)", matrix)[1])
    opacity = np.asarray(Image.open(io.BytesIO(cells)).convert("RGBA"))[..., 3]
    assert opacity.min() == 0  # the page's ground, be it light or dark
    assert 0 < opacity.max() < 200
    assert set(re.findall(r"fill: ([^;\"]+)", matrix)) <= {"none", "currentColor"}


def test_the_self_test_shows_its_statements_and_clips(tmp_path: Path) -> None:
    clips = synthetic.make(20, 10, 10)
    store = synthetic.store(clips, (16, 16))
    table = pd.DataFrame({"model": ["face only"]})
    checks = [Check("It holds", "1", True), Check("It does not", "0", False)]
    first, second = sections(SelfTest(clips, store, [], table, checks))
    assert "Some statements do NOT hold." in first.html
    assert "It does not" in first.html
    assert second.html.count("<img") == 18  # six of each kind
