"""Write the cards of a release."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import jinja2
import pandas as pd
import yaml

from caer_data.engine import tables
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.files import write_text
from caer_data.export import audit
from caer_data.export.cards import croissant, statements
from caer_data.export.cards.facts import Facts

_SIZES: Final = (("n<1K", 1_000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000))


def write(
    root: Path,
    facts: Facts,
    manifest: pd.DataFrame,
    verdicts: dict[str, list[audit.Verdict]],
    container: str,
) -> None:
    """Write `README.md`, `datasheet.md`, `croissant.json`, `audit.json` and `recipe.yaml`.

    Args:
        root: the release; its tables are written already.
        facts: what is known of it.
        manifest: its files.
        verdicts: its audit, by part.
        container: suffix of the clips in the layout `caer`, without the dot.
    """
    sizes = audit.box_sizes(manifest)
    lines = {part: [asdict(v) for v in found] for part, found in verdicts.items()}
    told = {
        "facts": facts,
        "about": facts.about,
        "emotions": EMOTIONS,
        "verdicts": verdicts,
        "box_sizes": _rows(sizes.reset_index()),
        "splits": list(sizes.columns),
        "rights": statements.rights(facts),
        "identity": statements.identity(facts),
        "say": statements,
        "header": _header(facts),
    }
    for name in ("README.md", "datasheet.md"):
        write_text(root / name, _template(f"{name}.j2").render(told).rstrip() + "\n")
    write_text(
        root / "audit.json", _json({"verdicts": lines, "median_box_height": told["box_sizes"]})
    )
    write_text(root / "croissant.json", _json(croissant.build(root, facts, container)))
    write_text(root / "recipe.yaml", facts.recipe)


def _header(facts: Facts) -> str:
    """YAML header of a Hugging Face dataset card.

    https://huggingface.co/docs/hub/datasets-cards and .../datasets-manual-configuration
    """
    count = facts.about["clips"]
    values: dict[str, Any] = {
        "pretty_name": facts.name,
        "license": "other",
        "license_name": "stated-below" if facts.about["rights"] else "not-stated",
        "task_categories": ["video-classification", "image-classification"],
        "tags": ["emotion-recognition", "context", "croissant"],
        "size_categories": [next((word for word, n in _SIZES if count < n), "100K<n<1M")],
        "configs": [
            {"config_name": "manifest", "data_files": "manifest.parquet", "default": True},
        ],
    }
    if facts.about["media"] and "huggingface" in facts.about["layouts"]:
        splits = [row["split"] for row in facts.split if row["clips"]]
        files = [{"split": s, "path": f"huggingface/{s}/*"} for s in splits]
        values["configs"][0].pop("default")
        values["configs"].insert(0, {"config_name": "clips", "data_files": files, "default": True})
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows = tables.records(frame)
    return [{k: None if pd.isna(v) else v for k, v in row.items()} for row in rows]


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("caer_data.export.cards", ""),
        autoescape=False,  # noqa: S701 - Markdown; text from outside goes through the filter below
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["text"] = _one_line
    return environment.get_template(name)


def _one_line(text: str) -> str:
    """Text from outside as one line of Markdown without markup of its own."""
    plain = " ".join(str(text).split())
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in plain)


def _json(values: Any) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
