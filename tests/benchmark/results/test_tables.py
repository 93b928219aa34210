"""Tables of an analysis: to read, as numbers, in LaTeX; and folders of results read back."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from predicted import predictions

from caer_data.benchmark.results import saved_predictions, tables
from caer_data.benchmark.results.analysis import Analysis, analyse, as_json
from caer_data.benchmark.results.intervals import Estimate
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.report import results as report


@pytest.fixture(scope="module")
def rows() -> dict[str, list[pd.DataFrame]]:
    return {
        "base": [predictions(seed=s, skill=1.0) for s in range(2)],
        "b_50%": [predictions(seed=9, skill=3.0)],
        "third": [predictions(seed=8, skill=1.0)],
    }


@pytest.fixture(scope="module")
def found(rows: dict[str, list[pd.DataFrame]]) -> Analysis:
    return analyse(rows, EMOTIONS)


def test_every_table_is_there_for_every_row(found: Analysis) -> None:
    made = tables.every(found)
    assert list(made) == [
        "scores",
        "recall-by-class",
        "differences",
        "difference-matrix",
        "people",
        "by-vote-pattern",
        "by-confidence",
        "calibration",
        "average-precision",
        "by-show",
    ]
    recalls = tables.readable(made["recall-by-class"])
    assert recalls["row"].tolist() == ["base", "b_50%", "third"]
    assert recalls["fear"].str.fullmatch(r"[\d.]+ \[[\d.]+, [\d.]+\] n=\d+").all()
    shows = tables.readable(made["by-show"])
    assert shows["UAR %"].str.fullmatch(r"\d+\.\d|–").all()
    matrix = made["difference-matrix"].set_index("row minus column")
    better = matrix.loc["b_50%", "base"]
    assert better.startswith("+") and better.endswith("*")
    assert matrix.loc["base", "b_50%"] == better.replace("+", "-")
    assert matrix.loc["base", "base"] == "–"


def test_mcnemar_is_stated_once_for_each_pair(found: Analysis) -> None:
    made = tables.every(found)
    war = "Acc. (WAR) %"
    given = made["differences"].set_index(["row", "figure"])
    columns = [name for name in given if "McNemar" in name or name.endswith("right")]
    assert len(columns) == 4
    assert given.xs(war, level="figure")[columns].notna().all(axis=None)
    assert given.drop(index=war, level="figure")[columns].isna().all(axis=None)
    read = tables.readable(made["differences"]).set_index(["row", "figure"])
    assert read.loc[("third", war), "only this right"].isdigit()
    assert set(read.drop(index=war, level="figure")[columns].to_numpy().ravel()) == {"–"}


def test_no_figure_that_cannot_be() -> None:
    """Rows that answer alike differ by 0.0, not by -0.0 [0.0, 0.0]; no p-value is 3e-05."""
    runs = [predictions(seed=9, skill=3.0)]
    made = tables.every(analyse({"one": runs, "same": runs, "again": runs}, EMOTIONS))
    matrix = made["difference-matrix"].set_index("row minus column")
    assert matrix.loc["one"].tolist() == ["–", "0.0", "0.0"]
    assert set(tables.readable(made["differences"])["difference"]) == {"0.0"}
    assert tables._cell(3.05e-05, percent=False) == "<\N{NO-BREAK SPACE}0.001"
    assert tables._cell(0.84, percent=False) == "0.840"
    assert tables._cell(-0.0002, percent=False) == "0.000"


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (-0.0004, -0.0009, 0.0003, "0.0 [-0.1, 0.0]"),
        (0.0002, 0.0, 0.0004, "0.02 [0.00, 0.04]"),
        (0.5, 0.5, 0.5, "50.0"),
        (0.123, 0.101, 0.145, "12.3 [10.1, 14.5]"),
    ],
)
def test_rounding_makes_no_negative_zero_and_no_empty_interval(value, low, high, text) -> None:
    assert tables._estimate(Estimate(value, low, high, 0)) == text


def test_numbers_are_numbers(found: Analysis) -> None:
    scores = pd.read_csv(io.StringIO(tables.numeric(tables.every(found)["scores"]).to_csv()))
    assert (scores["Acc. (WAR) low"] < scores["Acc. (WAR)"]).all()
    assert scores["Acc. (WAR) n"].tolist() == [200] * 3


def test_latex_is_escaped(found: Analysis, tmp_path: Path) -> None:
    tables.write(tables.every(found), tmp_path)
    text = (tmp_path / "scores.tex").read_text(encoding="utf-8")
    assert r"b\_50\%" in text and r"\toprule" in text and "±" not in text
    assert (tmp_path / "scores.csv").is_file()


def test_the_json_holds_plain_values(found: Analysis) -> None:
    values = json.loads(json.dumps(as_json(found), allow_nan=False))
    base = values["rows"]["base"]
    assert base["intervals_over"] == "shows" and base["groups"] == 12
    assert base["human_ceiling"]["accuracy"]["n"] > 200
    assert [d["row"] for d in values["differences"]] == ["b_50%", "third"] * 2


def results_folder(folder: Path, rows: dict[str, list[pd.DataFrame]]) -> Path:
    saved_predictions.write_predictions(rows, folder)
    (folder / "results.json").write_text(json.dumps({"runs": [{"classes": EMOTIONS}]}))
    return folder


def test_folders_of_results_are_compared(
    rows: dict[str, list[pd.DataFrame]], tmp_path: Path
) -> None:
    one = results_folder(tmp_path / "x" / "same", {"base": rows["base"]})
    two = results_folder(tmp_path / "y" / "same", {"base": rows["b_50%"], "more": rows["third"]})
    merged, classes = saved_predictions.together([one, two])
    assert list(merged) == ["base (x/same)", "base (y/same)", "more"]
    assert [len(frames) for frames in merged.values()] == [2, 1, 1]
    compared, values = report.compare(merged, classes, tmp_path / "out")
    assert compared.differences[0].significant
    html = (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")
    assert "Every row against every other" in html and "Human performance" in html
    plots = sorted(path.name for path in (tmp_path / "out" / "plots").iterdir())
    assert len(plots) == 6 and plots[0].startswith("precision-and-recall-of-base")
    svg = (tmp_path / "out" / "plots" / plots[0]).read_text(encoding="utf-8")
    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert json.loads((tmp_path / "out" / "comparison.json").read_text()) == json.loads(
        json.dumps(values)
    )


def test_what_is_no_folder_of_results_is_named(
    rows: dict[str, list[pd.DataFrame]], tmp_path: Path
) -> None:
    with pytest.raises(CaerError, match=r"holds no results\.json and no predictions\.parquet"):
        saved_predictions.read(tmp_path)
    folder = results_folder(tmp_path / "a", {"base": rows["base"]})
    with pytest.raises(CaerError, match="only one row"):
        saved_predictions.together([folder])
    with pytest.raises(CaerError, match="is named twice"):
        saved_predictions.together([folder, tmp_path / "b" / ".." / "a"])
    (folder / "results.json").write_text("{")
    with pytest.raises(CaerError, match="cannot be read"):
        saved_predictions.read(folder)
