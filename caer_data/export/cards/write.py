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
from caer_data.engine.files import sha256_of, write_text
from caer_data.export import audit
from caer_data.export.cards import composition, croissant, statements
from caer_data.export.cards.facts import Facts
from caer_data.export.layouts import folder_features, split_folder

_LOADED: Final = {
    "huggingface": ("clips", "huggingface/{}/*", None),
    "caer": ("clips", "CAER/{}/**", "video"),
    "caer-s": ("frames", "CAER-S/{}/**", "image"),
}
"""Layouts that `datasets.load_dataset` can read with the card: name, files of each split, and what
is in a folder per class; None if the layout has a table of its classes."""

COLUMNS: Final = ("emotion", "split", "face_height", *composition.COLUMNS)
"""Columns of the manifest that `write` uses."""

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
        root: the release; its tables are already written.
        facts: its facts.
        manifest: its files; columns other than `COLUMNS` may be missing.
        verdicts: verdicts of its audit, by part.
        container: suffix of the clips in the layout `caer`, without the dot.
    """
    sizes = audit.box_sizes(manifest)
    lines = {part: [asdict(v) for v in found] for part, found in verdicts.items()}
    context = {
        "facts": facts,
        "about": facts.about,
        "emotions": EMOTIONS,
        "verdicts": verdicts,
        "made_of": composition.of_manifest(manifest),
        "box_sizes": _rows(sizes.reset_index()),
        "splits": list(sizes.columns),
        "rights": statements.rights(facts),
        "identity": statements.identity(facts),
        "say": statements,
        "given": lambda field: _stated(facts, field),
        "creators": "; ".join(_one_line(c["name"]) for c in facts.card.get("creators") or ())
        or f"**{statements.missing('creators')}**",
        "header": _header(root, facts),
    }
    for name in ("README.md", "datasheet.md"):
        write_text(root / name, _template(f"{name}.j2").render(context).rstrip() + "\n")
    write_text(
        root / "audit.json", _json({"verdicts": lines, "median_box_height": context["box_sizes"]})
    )
    write_text(root / "croissant.json", _json(croissant.build(root, facts, container)))
    write_text(root / "recipe.yaml", facts.recipe)


def _header(root: Path, facts: Facts) -> str:
    """Return the YAML header of a Hugging Face dataset card.

    https://huggingface.co/docs/hub/datasets-cards and .../datasets-manual-configuration
    """
    count = facts.about["clips"]
    values: dict[str, Any] = {
        "pretty_name": facts.name,
        **_licence(facts),
        "task_categories": ["video-classification", "image-classification"],
        "tags": ["emotion-recognition", "context", "croissant"],
        "size_categories": [next((word for word, n in _SIZES if count < n), "100K<n<1M")],
        "configs": [{**_config(facts), "description": _content(root)}],
    }
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def _content(root: Path) -> str:
    """Return what identifies the files and splits of a release.

    `datasets` keeps what it has loaded by the content of the card's header alone: without this, a
    release that was exported again with another split would load with the former one.
    """
    return f"manifest.parquet {sha256_of(root / 'manifest.parquet')[:16]}"


def _config(facts: Facts) -> dict[str, Any]:
    """Return the only configuration of the card.

    `datasets` uses one reader for all configurations of a card, so other layouts are loaded from
    their own folders, as the card explains.
    """
    shown = [word for word in _LOADED if word in facts.about["layouts"] and facts.about["media"]]
    if not shown:
        return {"config_name": "manifest", "data_files": "manifest.parquet", "default": True}
    name, pattern, kind = _LOADED[shown[0]]
    splits = [row["split"] for row in facts.split if row["clips"]]
    spelling = facts.about.get("spelling", "caer") if shown[0] != "huggingface" else "caer"
    files = [{"split": s, "path": pattern.format(split_folder(s, spelling))} for s in splits]
    config = {"config_name": name, "data_files": files, "default": True}
    return config if kind is None else {**config, "features": folder_features(kind, spelling)}


def _licence(facts: Facts) -> dict[str, str]:
    """Return the licence as the Hub names it: the SPDX identifier in lower case, or `other`."""
    stated = facts.card.get("license")
    if stated and "://" not in stated:
        return {"license": stated.lower()}
    if stated:
        return {"license": "other", "license_name": "stated-below", "license_link": stated}
    name = "stated-below" if facts.about["rights"] else "not-stated"
    return {"license": "other", "license_name": name}


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


def _stated(facts: Facts, field: str) -> str:
    """Return a field of `release.yaml` as Markdown; a placeholder is bold."""
    return (
        _one_line(facts.card[field])
        if facts.card.get(field)
        else f"**{statements.missing(field)}**"
    )


def _one_line(text: str) -> str:
    """Return untrusted text as one line of Markdown with all markup escaped."""
    plain = " ".join(str(text).split())
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in plain)


def _json(values: Any) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
