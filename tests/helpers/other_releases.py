"""Releases made from another: with other videos and clips, or with changed tables."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

import pandas as pd

from caer_data.engine import tables
from caer_data.export import checksums
from caer_data.export import manifest as manifests


def other(
    release: Path, folder: Path, name: str = "lab b", same_videos: Collection[str] = ()
) -> Path:
    """A copy of a release as another dataset's: other videos and clips under the same names."""
    shutil.copytree(release, folder)

    def digest(video: str) -> str:
        return hashlib.sha256(f"{folder}{video}".encode()).hexdigest()

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        new = ~rows["video_id"].isin(same_videos)
        column = "source_sha256" if "source_sha256" in rows else "sha256"
        rows.loc[new, column] = rows.loc[new, "video_id"].map(digest)
        if "clip_key" in rows:
            rows.loc[new, "clip_key"] = rows.loc[new, "clip_key"].map(lambda key: digest(key)[:10])
        return rows

    edit(folder, manifests.MANIFEST, "manifest", change)
    edit(folder, manifests.SOURCES, "sources", change)
    about = json.loads((folder / "release.json").read_text())
    about["facts"]["name"] = name
    (folder / "release.json").write_text(json.dumps(about))
    checksums.write(folder)
    return folder


def edit(
    folder: Path,
    table: tables.Table,
    name: str,
    change: Callable[[pd.DataFrame], pd.DataFrame],
) -> None:
    """Change a table of a release, and list its hash."""
    path = folder / f"{name}.parquet"
    tables.write(table, change(tables.read(table, path)), path)
    checksums.write(folder)
