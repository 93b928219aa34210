"""Tables and files of results."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from made_up import tiny_recipe
from small_releases import small

from caer_data.benchmark.recipe import load, vary
from caer_data.benchmark.results import entries as results
from caer_data.benchmark.results.entries import Entry
from caer_data.engine.emotions import EMOTIONS


def result(
    seed: int, war: float, sizes: tuple[int, int, int] = (20, 5, 10), left_out: int = 0
) -> dict:
    tested = {
        "war": war,
        "uar": war / 2,
        "macro_f1": war / 4,
        "majority": 0.3,
        "per_class": dict.fromkeys(EMOTIONS, 0.5),
        "confusion": [[0] * 7] * 7,
    }
    return {
        **tested,
        "model": "caer-net",
        "recipe": tiny_recipe().model_dump(mode="json"),
        "seed": seed,
        "dataset": "mine",
        "made_up": True,
        "split_sizes": dict(zip(("train", "validation", "test"), sizes, strict=True)),
        "left_out": {"train": left_out, "validation": 0, "test": 0},
        "epochs": 2,
        "best_epoch": 1,
        "samples_per_s": 100.0,
        "also_tested": {"theirs": {**tested, "war": 0.1}},
    }


def entry(**changes: object) -> Entry:
    values = {
        "label": "CAER-Net",
        "recipe": small("caer-net"),
        "runs": [result(0, 0.5), result(1, 0.6)],
        "paper": 77.04,
        **changes,
    }
    return Entry(**values)


def test_the_table_has_the_papers_layout_and_spread() -> None:
    row = results.table([entry()]).iloc[0]
    assert row[["w/F", "w/C", "w/cA", "w/fA"]].tolist() == ["✓"] * 4
    assert row["Acc. (WAR) %"] == "55.00 ± 7.07"
    assert row["UAR %"] == "27.50 ± 3.54"
    assert row["seeds"] == 2


def test_a_users_own_class_is_not_said_to_have_streams() -> None:
    own = vary(small("caer-net"), {"model": "my_models:MeanColor"})
    assert "w/cA" not in results.table([entry(recipe=own)])
    beside = results.table([entry(), entry(recipe=own)]).iloc[1]
    assert beside[["w/F", "w/C", "w/cA", "w/fA"]].tolist() == [""] * 4


@pytest.mark.parametrize(
    ("sizes", "dataset", "text"),
    [
        pytest.param((20, 5, 10), "CAER", "CAER: another dataset", id="ours"),
        pytest.param((9222, 1316, 2637), "CAER", "CAER", id="the released CAER"),
        pytest.param((9222, 1316, 2637), "CAER-S", "CAER-S: another dataset", id="not -S"),
        pytest.param((42881, 6126, 20992), "CAER-S", "CAER-S", id="the released CAER-S"),
    ],
)
def test_the_papers_figure_is_marked(sizes: tuple[int, int, int], dataset: str, text: str) -> None:
    row = results.table([entry(runs=[result(0, 0.5, sizes)], paper_dataset=dataset)]).iloc[0]
    assert row["paper %"] == "77.04"
    assert row["paper's data"] == text


def test_a_sample_that_was_left_out_does_not_make_it_another_dataset() -> None:
    runs = [result(0, 0.5, (9220, 1316, 2637), left_out=2)]
    assert entry(runs=runs).same_dataset
    assert not entry(runs=[result(0, 0.5, (9220, 1316, 2637))]).same_dataset


def test_without_a_figure_of_the_paper_there_is_no_column_for_it() -> None:
    assert not results.table([entry(paper=None)]).filter(like="paper").size
    mixed = results.table([entry(), entry(label="mine", paper=None)])
    assert mixed["paper %"].tolist() == ["77.04", ""]


@pytest.mark.parametrize(
    ("model", "figure"),
    [("caer-net", (77.04, "CAER")), ("caer-net-s", (73.51, "CAER-S")), ("vgg", (None, "CAER-S"))],
)
def test_the_papers_figure_of_a_shipped_recipe(model: str, figure: tuple) -> None:
    assert results.paper_figure(load(model)) == figure


def test_files_hold_every_named_field(tmp_path: Path) -> None:
    results.write([entry(), entry(test="theirs")], tmp_path)
    found = json.loads((tmp_path / "results.json").read_text())
    assert len(found["runs"]) == 2
    assert found["runs"][0].keys() >= {
        "model", "recipe", "seed", "dataset", "split_sizes", "war", "uar", "macro_f1", "majority",
        "per_class", "confusion", "epochs", "samples_per_s",
    }  # fmt: skip
    first, second = found["summary"]
    assert first["war"]["mean"] == pytest.approx(0.55)
    assert first["paper_is_another_dataset"]
    assert second["tested_on"] == "theirs"
    assert second["war"] == {"mean": 0.1, "deviation": 0.0}
    table = pd.read_csv(tmp_path / "results.csv")
    assert table["tested_on"].tolist() == ["mine", "mine", "theirs", "theirs"]
    assert table["war"].tolist() == [0.5, 0.6, 0.1, 0.1]


def test_text_for_the_terminal_shows_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")  # in narrow terminals cells are broken into lines
    text = results.as_text(results.table([entry(), entry(label="other", paper=None)]), "Title")
    assert text.startswith("Title")
    assert "CAER-Net" in text and "other" in text and "another dataset" in text
