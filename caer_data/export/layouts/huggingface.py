"""A video folder for `datasets.load_dataset`: clips and their metadata, one folder per split."""

from __future__ import annotations

import json
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from caer_data.engine import tables
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.files import atomic_path
from caer_data.export.layouts import Finished, Wanted, numbered
from caer_data.export.manifest import MANIFEST

NAME = "huggingface"

_DTYPES: Final = {
    pa.string(): "string",
    pa.int64(): "int64",
    pa.float64(): "float64",
    pa.float32(): "float32",
    pa.bool_(): "bool",
}
_ELSEWHERE: Final = {"layout", "path", "member", "frame", "split", "x1", "y1", "x2", "y2"}

COLUMNS: Final = ("split", "path", *(n for n in MANIFEST.names if n not in _ELSEWHERE))


def plan(wanted: Wanted) -> pd.DataFrame:
    """Return one video file per clip."""
    rows = wanted.clips[["clip_id", "split"]].copy()
    number = numbered(rows, ["split"])
    rows["path"] = [
        f"huggingface/{split}/{n:06d}.mp4" for split, n in zip(rows["split"], number, strict=True)
    ]
    return rows.assign(layout=NAME)


def finish(finished: Finished) -> None:
    """Write `metadata.parquet` beside the videos: `file_name` and the manifest's columns.

    A release without footage has no video folder; load its manifest instead.
    """
    if not finished.media:
        return
    own = [field for field in MANIFEST.schema if field.name not in _ELSEWHERE]
    # `datasets` accepts class labels only in nullable columns
    fields = [field.with_nullable(True) for field in [pa.field("file_name", pa.string()), *own]]
    features = json.dumps({"info": {"features": _features(fields)}})
    schema = pa.schema(fields, metadata={"huggingface": features})
    for split, rows in finished.rows.groupby("split", sort=False, observed=True):
        data = rows.assign(file_name=rows["path"].str.rsplit("/", n=1).str[-1])[schema.names]
        # the file tells pandas the types of the frame, and categories are only for memory
        plain = data.astype(dict.fromkeys(data.select_dtypes("category").columns, tables.TEXT))
        table = pa.Table.from_pandas(plain, schema=schema, preserve_index=False)
        with atomic_path(finished.root / NAME / str(split) / "metadata.parquet") as temporary:
            pq.write_table(table, temporary)


def _features(fields: list[pa.Field]) -> dict[str, dict[str, Any]]:
    """Return the columns in the format of `datasets`, with `label` as a named class."""
    known = {field.name: {"dtype": _DTYPES[field.type], "_type": "Value"} for field in fields}
    return {**known, "label": {"names": list(EMOTIONS), "_type": "ClassLabel"}}
