"""Croissant 1.1 metadata with its responsible-AI fields, as JSON-LD.

Specifications: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html and
https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from caer_data import __version__
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.files import sha256_of
from caer_data.engine.release_layouts import LAYOUTS
from caer_data.engine.schema import Table
from caer_data.export.cards import statements
from caer_data.export.cards.facts import Facts
from caer_data.export.manifest import BOXES, MANIFEST, SOURCES, SPLITS

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

_FORMATS: Final = {".png": "image/png", ".mp4": "video/mp4", ".avi": "video/x-msvideo",
                   ".tar": "application/x-tar"}  # fmt: skip


def build(root: Path, facts: Facts, container: str) -> dict[str, Any]:
    """The metadata of a release whose tables are written already.

    Args:
        root: the release.
        facts: what is known of it.
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
        + f"{facts.about['clips']:,} clips of television shows, each with the emotion that raters "
        f"perceived in the person it shows. {statements.MEANING}",
        "license": statements.rights(facts),
        "version": "1.0.0",
        "keywords": ["emotion recognition", "context", "video", *EMOTIONS],
        "citeAs": (
            "@inproceedings{lee2019context, title={Context-Aware Emotion Recognition Networks}, "
            "author={Lee, Jiyoung and Kim, Seungryong and Kim, Sunok and Park, Jungin and "
            "Sohn, Kwanghoon}, booktitle={ICCV}, year={2019}}"
        ),
        **_responsible(facts),
        "distribution": [*_tables(root), *_media(facts, container)],
        "recordSet": [
            _words("emotions", EMOTIONS),
            _words("splits", SPLITS),
            _records(MANIFEST),
            _records(SOURCES),
            _records(BOXES),
        ],
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
            "Raters saw each clip with sound, chose one of seven emotions and gave a confidence; "
            "the rule that makes one label of them is in recipe.yaml, all votes are in the "
            "manifest.",
            *([statements.MADE_UP] if facts.about["made_up_ratings"] else []),
        ],
        "rai:dataAnnotationPlatform": ["Label Studio"],
        "rai:dataAnnotationAnalysis": [votes or "agreement was not measured"],
        "rai:annotatorDemographics": ["[to be filled in by the researcher]"],
        "rai:machineAnnotationTools": [f"{n} {v}" for n, v in facts.built_with],
        "rai:personalSensitiveInformation": [statements.identity(facts)],
        "rai:dataBiases": [statements.LIMITS[2]],
        "rai:dataLimitations": list(statements.LIMITS),
        "rai:dataUseCases": list(statements.USES),
        "rai:dataSocialImpact": statements.LAW,
        "rai:dataReleaseMaintenancePlan": "[to be filled in by the researcher]",
    }


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
        for table in (MANIFEST, SOURCES, BOXES)
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


def _words(name: str, words: tuple[str, ...]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "dataType": "sc:Enumeration",
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


def _records(table: Table) -> dict[str, Any]:
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
            }
            for column in table.columns
        ],
    }
