"""Read the split of each clip from the manifest of a release."""

from __future__ import annotations

from pathlib import Path

from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.export.manifest import MANIFEST


def splits_of(release: Path) -> dict[str, str]:
    """Return the split by `clip_key`.

    Raises:
        CaerError: the folder is not a release, or is an old one without clip keys.
    """
    path = release / "manifest.parquet"
    if not path.is_file():
        raise CaerError(
            f"{release}: not a release; give --release a folder that 'caer-data export' wrote"
        )
    rows = tables.read(MANIFEST, path)[["clip_key", "split"]].dropna()
    if rows.empty:
        raise CaerError(
            f"{release}: contains no clip keys, because an earlier version wrote it; "
            "export it again"
        )
    return dict(zip(rows["clip_key"], rows["split"], strict=True))
