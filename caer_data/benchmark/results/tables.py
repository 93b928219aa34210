"""Tables of an analysis: readable, as numbers (CSV), and for a paper (LaTeX)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from caer_data.benchmark.results.analysis import Analysis, RowAnalysis
from caer_data.benchmark.results.intervals import Estimate
from caer_data.benchmark.results.paired import Difference
from caer_data.engine.files import write_text

_SCORES: Final = {"war": "Acc. (WAR) %", "uar": "UAR %", "macro_f1": "macro-F1 %"}
_LATEX = {"±": r"$\pm$", "✓": r"\checkmark", "–": "--", "−": "$-$", "λ": r"$\lambda$"}
_LATEX |= {"<": "$<$", "\N{NO-BREAK SPACE}": "~"}


def every(found: Analysis) -> dict[str, pd.DataFrame]:
    """Return all non-empty tables by name; a cell may be an `Estimate` (a share)."""
    made = {
        "scores": _of_rows(found, lambda row: {_SCORES[k]: v for k, v in row.scores.items()}),
        "recall-by-class": _of_rows(found, lambda row: row.recalls),
        "differences": differences(found.differences),
        "difference-matrix": matrix(found),
        "people": people(found),
        "by-vote-pattern": _of_rows(found, lambda row: row.patterns),
        "by-confidence": _of_rows(found, lambda row: row.confidence),
        "calibration": calibration(found),
        "average-precision": _of_rows(
            found, lambda row: {name: 100 * curve.average for name, curve in row.curves.items()}
        ),
        "by-show": by_show(found),
    }
    return {name: frame for name, frame in made.items() if len(frame)}


def _of_rows(found: Analysis, cells: Callable[[RowAnalysis], Mapping[str, Any]]) -> pd.DataFrame:
    """Return a table with one line per row of the results."""
    lines = [(title, cells(row)) for title, row in found.rows.items()]
    return pd.DataFrame([{"row": title, **values} for title, values in lines if values])


def differences(found: Iterable[Difference]) -> pd.DataFrame:
    """Return a table that compares every other row with the first.

    McNemar's test compares accuracies, so its columns are empty for other figures.
    """
    lines = [
        {
            "row": d.row,
            "minus": d.base,
            "figure": _SCORES[d.figure],
            "difference": _of_difference(d),
            "p (bootstrap)": d.p,
            "p, Holm": d.p_corrected,
            **({} if d.figure != "war" else _mcnemar(d)),
        }
        for d in found
    ]
    counted = [name for name in ("only first right", "only this right") if lines]
    return pd.DataFrame(lines).astype(dict.fromkeys(counted, "Int64"))


def _mcnemar(d: Difference) -> dict[str, float]:
    return {
        "only first right": d.only_base,
        "only this right": d.only_row,
        "p (McNemar)": d.p_mcnemar,
        "p McNemar, Holm": d.p_mcnemar_corrected,
    }


def _of_difference(d: Difference) -> Estimate:
    """Return a difference; without an interval if all replicates agree, as for other figures."""
    spread = d.low < d.high
    return Estimate(d.value, d.low if spread else None, d.high if spread else None, 0)


def matrix(found: Analysis) -> pd.DataFrame:
    """Return accuracies of rows minus those of columns, in points; * marks significance."""
    if len(found.pairs) < 2:
        return pd.DataFrame()
    titles = [title for title in found.rows if title not in found.apart]
    cells = {(d.row, d.base): d for d in found.pairs}
    lines = []
    for title in titles:
        line: dict[str, str] = {"row minus column": title}
        for other in titles:
            line[other] = _points(cells.get((title, other)), cells.get((other, title)))
        lines.append(line)
    return pd.DataFrame(lines)


def _points(forward: Difference | None, backward: Difference | None) -> str:
    known = forward or backward
    if known is None:
        return "–"
    text = _rounded(100 * (known.value if forward else -known.value), 1)
    sign = "+" if float(text) > 0 else ""
    return sign + text + ("*" if known.significant else "")


def people(found: Analysis) -> pd.DataFrame:
    """Return human performance for each row, and the row's accuracy if all raters agree."""
    lines = [
        {
            "row": title,
            "a rater against the others": row.ceiling.accuracy,
            "model, all clips": row.scores["war"],
            "model, unanimous clips": row.unanimous,
        }
        for title, row in found.rows.items()
        if row.ceiling is not None
    ]
    return pd.DataFrame(lines)


def calibration(found: Analysis) -> pd.DataFrame:
    """Return calibration figures: lower is better, and a temperature of 1 is best."""
    return _of_rows(
        found,
        lambda row: {
            "Brier": row.calibration.brier,
            "ECE %": 100 * row.calibration.ece,
            "temperature": row.calibration.temperature,
            "ECE %, scaled": _percent(row.calibration.ece_scaled),
            "KL to votes, nats": row.calibration.kl,
            "Brier to votes": row.calibration.brier_votes,
            "clips with votes": row.calibration.voted,
        },
    )


def by_show(found: Analysis) -> pd.DataFrame:
    """Return the figures of each row for each show."""
    parts = [row.shows.assign(row=title) for title, row in found.rows.items() if len(row.shows)]
    if not parts:
        return pd.DataFrame()
    whole = pd.concat(parts, ignore_index=True)
    name = "show" if "show" in whole else "video"
    accuracies = [
        Estimate(war, low, high, n)
        for war, low, high, n in zip(
            whole["war"], whole["low"], whole["high"], whole["n"], strict=True
        )
    ]
    return pd.DataFrame(
        {
            "row": whole["row"],
            name: whole[name],
            _SCORES["war"]: accuracies,
            _SCORES["uar"]: 100 * whole["uar"],
        }
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def readable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with readable cells: estimates in percent with interval and n."""
    cells = {
        name: [_cell(value, percent="%" in str(name)) for value in frame[name]] for name in frame
    }
    return pd.DataFrame(cells, index=frame.index, columns=frame.columns)


def _cell(value: Any, percent: bool) -> str:
    if isinstance(value, Estimate):
        return _estimate(value)
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, float) and percent:
        return _rounded(value, 1)
    if isinstance(value, float) and 0 < value < 0.0005:
        return "<\N{NO-BREAK SPACE}0.001"
    if isinstance(value, float):
        return _rounded(value, 3 if abs(value) < 1 else 2)
    return str(value)


def _rounded(value: float, digits: int) -> str:
    """Return a number with so many decimals; zero has no sign."""
    text = f"{value:.{digits}f}"
    return text if float(text) else text.removeprefix("-")


def _estimate(found: Estimate) -> str:
    if found.value is None:
        return "–"
    text = _rounded(100 * found.value, 1)
    if found.low is not None and found.high is not None:
        for digits in (1, 2):  # an interval that is narrow, but not empty, must not look empty
            low, high = (_rounded(100 * bound, digits) for bound in (found.low, found.high))
            if low != high:
                text = f"{_rounded(100 * found.value, digits)} [{low}, {high}]"
                break
    return text + (f" n={found.n:,}" if found.n else "")


def numeric(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with every estimate as four numeric columns: share, bounds, n."""
    columns: dict[str, Any] = {}
    for name in frame:
        values = list(frame[name])
        if not any(isinstance(value, Estimate) for value in values):
            columns[str(name)] = values
            continue
        title = str(name).removesuffix(" %")
        for part in ("value", "low", "high", "n"):
            found = [getattr(v, part) if isinstance(v, Estimate) else None for v in values]
            columns[title if part == "value" else f"{title} {part}"] = found
    return pd.DataFrame(columns)


def as_latex(frame: pd.DataFrame) -> str:
    """Return a readable frame as a LaTeX tabular (booktabs)."""
    text = str(frame.map(str).to_latex(index=False, escape=True))
    for sign, command in _LATEX.items():
        text = text.replace(sign, command)
    return text


def write(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write each table as `NAME.csv` (numbers) and `NAME.tex` into the folder."""
    for name, frame in tables.items():
        write_text(folder / f"{name}.csv", numeric(frame).to_csv(index=False))
        write_text(folder / f"{name}.tex", as_latex(readable(frame)))
