"""Croissant 1.1 metadata with its responsible-AI fields, as JSON-LD.

Specifications: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html and
https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from caer_data import __version__
from caer_data.engine import parquet
from caer_data.engine.columns import Table
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.files import sha256_of
from caer_data.engine.release_layouts import LAYOUTS
from caer_data.export.cards import statements
from caer_data.export.cards.facts import Facts
from caer_data.export.manifest import BOXES, MANIFEST, SOURCES, SPLITS
from caer_data.export.prints import FINGERPRINTS, SOUND

_CONTEXT: Final = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_TYPES: Final = {
    pa.string(): "sc:Text",
    pa.int64(): "sc:Integer",
    pa.float64(): "sc:Float",
    pa.float32(): "sc:Float",
    pa.bool_(): "sc:Boolean",
}

_CONTENTS: Final = {".png": "sc:ImageObject"}
"""Media with a record set of their own. mlcroissant 1.1 cannot read records of video files, so
clips are described by rows of the manifest with their paths, and by a file set."""

_REFERENCES: Final = {
    ("manifest", "split"): "splits/name",
    ("manifest", "emotion"): "emotions/name",
}
"""Columns whose values are rows of another record set."""

_FORMATS: Final = {".png": "image/png", ".mp4": "video/mp4", ".avi": "video/x-msvideo",
                   ".tar": "application/x-tar"}  # fmt: skip


def build(root: Path, facts: Facts, container: str) -> dict[str, Any]:
    """Return the metadata of a release whose tables are already written.

    Args:
        root: the release.
        facts: its facts.
        container: suffix of the clips in the layout `caer`, without the dot.
    """
    made_up = facts.about["made_up_ratings"]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.1",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": facts.name,
        "description": (f"{statements.MADE_UP} " if made_up else "")
        + f"{facts.about['clips']:,} clips of television shows, each labelled with the emotion "
        f"that raters perceived in the person it shows. {statements.MEANING}"
        + (f" {statements.joined(facts.about)}" if facts.about.get("joined") else "")
        + (f" {statements.rebuilt(facts.about)}" if facts.about.get("rebuilt") else ""),
        "license": facts.card.get("license_url") or statements.rights(facts),
        "keywords": ["emotion recognition", "context", "video", *EMOTIONS],
        **_stated(facts),
        **_responsible(facts),
        "distribution": [*_tables(root), *_media(facts, container)],
        "recordSet": [
            _words("emotions", EMOTIONS, "sc:Enumeration"),
            _words("splits", SPLITS, "cr:Split"),
            *(_records(root, table) for table in _present(root)),
            *_media_records(facts),
        ],
    }


def _stated(facts: Facts) -> dict[str, Any]:
    """Return the fields from `release.yaml`; missing fields needed for citation are marked."""
    card, given = facts.card, partial(statements.given, facts)
    creators = [
        {
            "@type": "sc:Person",
            "name": creator["name"],
            **({"url": creator["url"]} if creator["url"] else {}),
            **(
                {"affiliation": {"@type": "sc:Organization", "name": creator["affiliation"]}}
                if creator["affiliation"]
                else {}
            ),
        }
        for creator in card.get("creators") or ()
    ]
    return {
        "version": card.get("version") or "0.0.0",
        "citeAs": given("cite_as"),
        "creator": creators or [{"@type": "sc:Person", "name": statements.missing("creators")}],
        **({"url": card["url"]} if card.get("url") else {}),
        **({"datePublished": card["date_published"]} if card.get("date_published") else {}),
    }


def _responsible(facts: Facts) -> dict[str, Any]:
    votes = ", ".join(f"{name} {value:.3f}" for name, value in facts.agreement.items())
    return {
        "rai:dataCollection": "Shots of television shows that show one person well, found and cut "
        f"automatically with caer-data {__version__}.",
        "rai:dataCollectionType": ["Secondary Data Analysis", "Manual Human Curator"],
        "rai:dataCollectionRawData": f"{facts.about['episodes']:,} episodes of "
        f"{facts.about['shows']:,} shows; hashes in sources.parquet.",
        "rai:dataCollectionMissingData": "; ".join(
            f"{count:,} clips dropped ({stage}: {reason})" for stage, reason, count in facts.drops
        )
        or "no clip was dropped",
        "rai:dataPreprocessingProtocol": [
            "Shot boundaries, face tracks, clustering of persons, filters, cutting: recipe.yaml.",
        ],
        "rai:dataAnnotationProtocol": [
            statements.annotation(facts),
            "The rule that derives the label is in recipe.yaml, and all votes are in the manifest.",
        ],
        "rai:dataAnnotationPlatform": [statements.platform(facts)],
        "rai:dataAnnotationAnalysis": [votes or "agreement was not measured"],
        "rai:annotatorDemographics": [statements.given(facts, "raters")],
        "rai:machineAnnotationTools": [f"{n} {v}" for n, v in facts.built_with],
        "rai:personalSensitiveInformation": [statements.identity(facts)],
        "rai:dataBiases": [statements.BIASES],
        "rai:dataLimitations": list(statements.limits(facts)),
        "rai:dataUseCases": list(statements.USES),
        "rai:dataSocialImpact": statements.LAW,
        "rai:dataReleaseMaintenancePlan": statements.given(facts, "maintenance"),
        "rai:hasSyntheticData": bool(facts.about["made_up_ratings"]),
        "prov:wasDerivedFrom": [
            "Episodes of television shows, by hash in sources.parquet; rights: "
            + statements.rights(facts)
        ],
        "prov:wasGeneratedBy": [
            "Collection: shots that show one person well were found and cut automatically.",
            f"Annotation: {statements.annotation(facts)}",
        ],
    }


def _present(root: Path) -> list[Table]:
    """Return the tables of the release; only releases without footage have fingerprints."""
    every = (MANIFEST, SOURCES, BOXES, FINGERPRINTS, SOUND)
    return [table for table in every if (root / f"{table.name}.parquet").is_file()]


def _tables(root: Path) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:FileObject",
            "@id": f"{table.name}.parquet",
            "name": f"{table.name}.parquet",
            "description": f"One row is {table.row}.",
            "contentUrl": f"{table.name}.parquet",
            "contentSize": f"{(root / f'{table.name}.parquet').stat().st_size} B",
            "encodingFormat": "application/x-parquet",
            "sha256": sha256_of(root / f"{table.name}.parquet"),
        }
        for table in _present(root)
    ]


def _media(facts: Facts, container: str) -> list[dict[str, Any]]:
    if not facts.about["media"]:
        return []
    sets = []
    for layout in facts.about["layouts"]:
        pattern, what = f"{LAYOUTS[layout].folder}/{LAYOUTS[layout].media}", LAYOUTS[layout].about
        if layout == "caer":
            pattern = str(Path(pattern).with_suffix(f".{container}"))
        sets.append(
            {
                "@type": "cr:FileSet",
                "@id": layout,
                "name": layout,
                "description": what,
                "encodingFormat": _FORMATS[Path(pattern).suffix],
                "includes": pattern,
            }
        )
    return sets


def _media_records(facts: Facts) -> list[dict[str, Any]]:
    """Return record sets with one record per picture: its path as in the manifest, and content."""
    if not facts.about["media"]:
        return []
    return [
        {
            "@type": "cr:RecordSet",
            "@id": f"{layout}-files",
            "name": f"{layout}-files",
            "description": f"One row is one of the {LAYOUTS[layout].about}; its label is in the "
            "manifest's row of the same path.",
            "key": {"@id": f"{layout}-files/path"},
            "field": [
                _of_file(layout, "path", "sc:Text", "fullpath"),
                _of_file(
                    layout, "content", _CONTENTS[Path(LAYOUTS[layout].media).suffix], "content"
                ),
            ],
        }
        for layout in facts.about["layouts"]
        if Path(LAYOUTS[layout].media).suffix in _CONTENTS
    ]


def _of_file(layout: str, name: str, kind: str, extracted: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{layout}-files/{name}",
        "name": name,
        "dataType": kind,
        "source": {"fileSet": {"@id": layout}, "extract": {"fileProperty": extracted}},
    }


def _words(name: str, words: tuple[str, ...], kind: str) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "dataType": kind,
        "key": {"@id": f"{name}/name"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": column,
                "dataType": kind,
            }
            for column, kind in (("name", "sc:Text"), ("label", "sc:Integer"))
        ],
        "data": [
            {f"{name}/name": word, f"{name}/label": label} for label, word in enumerate(words)
        ],
    }


def _records(root: Path, table: Table) -> dict[str, Any]:
    written = set(parquet.schema_of(root / f"{table.name}.parquet").names)
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": f"One row is {table.row}.",
        "key": [{"@id": f"{table.name}/{name}"} for name in table.key],
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{table.name}/{column.name}",
                "name": column.name,
                "description": column.meaning + (f" ({column.unit})" if column.unit else ""),
                "dataType": _TYPES[column.type],
                "source": {
                    "fileObject": {"@id": f"{table.name}.parquet"},
                    "extract": {"column": column.name},
                },
                **_reference(table.name, column.name),
            }
            for column in table.columns
            if column.name in written
        ],
    }


def _reference(table: str, column: str) -> dict[str, Any]:
    target = _REFERENCES.get((table, column))
    return {"references": {"field": {"@id": target}}} if target else {}
