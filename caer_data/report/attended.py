"""Attention of a model, on pictures of its most confident correct and wrong predictions."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
from markupsafe import Markup

from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.report import pages
from caer_data.report.answers import ModelAnswers
from caer_data.report.pictures import Pictures

EACH: Final = 4
"""Number of correct predictions shown, and of wrong ones."""


def shown(dataset: Dataset, said: ModelAnswers, pictures: Pictures) -> Markup:
    """Return pictures of the attention to some clips; empty if the results have none.

    Raises:
        CaerError: results or release cannot be read.
    """
    clips = dataset.clips.dropna(subset=["clip_key"]).set_index("clip_key", drop=False)
    rows = said.answers
    rows = rows[rows["clip_key"].isin(clips.index)].sort_values("p_label", kind="stable")
    right = rows["predicted"] == rows["label"]
    chosen = pd.concat([rows[right].iloc[::-1].head(EACH), rows[~right].head(EACH)])
    tiles = []
    for row in tables.records(chosen):
        attention = said.attention(row["clip_key"])
        image = pictures.thumbnails(clips.loc[[row["clip_key"]]])[0].image
        if attention is not None and image:
            tiles.append(_tile(row, attention, image))
    if not tiles:
        return Markup()
    note = (
        "The most confident correct and wrong predictions. Redder means more attention (mean "
        "over the clip). The model does not see the uncoloured edges."
    )
    return Markup("<h3>Attention</h3>{}<ul class='sheet'>{}</ul>").format(
        pages.paragraph(note, "note"), Markup("").join(tiles)
    )


def _tile(row: dict[str, Any], attention: dict[str, Any], image: Markup) -> Markup:
    verdict = "right" if row["predicted"] == row["label"] else f"wrong: {row['label']}"
    return Markup(
        '<li><div class="seen">{}{}</div><div class="what">{}, {}</div>'
        '<div class="note">{}, by {}</div></li>'
    ).format(image, _heat(attention), row["predicted"], verdict, row["clip_id"], attention["row"])


def _heat(attention: dict[str, Any]) -> Markup:
    """Return a grid over the model's input; a uniform map is faint everywhere."""
    left, top, right, bottom = attention["box"]
    lines = attention["map"]
    width, height = (right - left) / len(lines[0]), (bottom - top) / len(lines)
    cells = len(lines) * len(lines[0])
    parts = [
        Markup('<rect x="{:.4f}" y="{:.4f}" width="{:.4f}" height="{:.4f}" fill-opacity="{:.2f}"/>')
        .format(left + x * width, top + y * height, width, height, min(0.75, 0.15 * share * cells))
        for y, line in enumerate(lines)
        for x, share in enumerate(line)
    ]  # fmt: skip
    return Markup(
        '<svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    ).format(Markup("").join(parts))
