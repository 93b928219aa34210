"""Tar shards for large-scale training, with a video and a JSON file of labels for each clip.

The clips are in an order shuffled by the seed, so sequential reading is already shuffled.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any, Final

import pandas as pd

from caer_data.engine import tables
from caer_data.engine.emotions import PROBABILITY_COLUMNS
from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path, explain_os_error
from caer_data.engine.hashing import shuffle_key
from caer_data.export.layouts import Finished, Wanted

NAME = "webdataset"

SHARD_CLIPS: Final = 1000
SHARD_BYTES: Final = 512 * 1024**2

_TOLD = [
    "clip_id", "split", "emotion", "label", "frames", "fps", "width", "height", "show", "episode",
    "shot_id", "person_id", "start_s", "end_s", "votes", "confidence", "made_up", "speech",
    "speaker", "cut", "cut_score", *PROBABILITY_COLUMNS,
]  # fmt: skip

COLUMNS: Final = ("path", "member", "sha256", *_TOLD)

_SAID = ["start_s", "end_s", "text", "language", "speaker"]


def plan(wanted: Wanted) -> pd.DataFrame:
    """Return one member per clip; a shard has at most 1,000 clips and 512 MB."""
    rows = wanted.clips[["clip_id", "split", "bytes"]].copy()
    rows["order"] = [
        shuffle_key(wanted.seed, clip_id, separator=":") for clip_id in rows["clip_id"]
    ]
    rows = rows.sort_values(["split", "order"], ignore_index=True)
    paths, members = [], []
    for split, of_split in rows.groupby("split", sort=False, observed=True):
        shard, held, size = 0, 0, 0
        for number, clip_bytes in enumerate(of_split["bytes"]):
            if held and (held == SHARD_CLIPS or size + clip_bytes > SHARD_BYTES):
                shard, held, size = shard + 1, 0, 0
            held, size = held + 1, size + clip_bytes
            paths.append(f"webdataset/{split}-{shard:06d}.tar")
            members.append(f"{split}-{number:06d}.mp4")
    return rows[["clip_id", "split"]].assign(path=paths, member=members, layout=NAME)


def finish(finished: Finished) -> None:
    """Write the shards, each complete or absent.

    Raises:
        CaerError: a clip cannot be read, or the disk is full.
    """
    if not finished.media:
        return
    boxes = dict(iter(finished.boxes().groupby("clip_id", observed=True)))
    lines = dict(iter(finished.lines.groupby("clip_id", observed=True)))
    for path, rows in finished.rows.groupby("path", sort=False, observed=True):
        with (
            atomic_path(finished.root / str(path)) as temporary,
            tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as shard,
        ):
            for row in tables.records(rows):
                clip = finished.clip_files[row["clip_id"]].path
                try:
                    video = clip.read_bytes()
                except OSError as error:
                    raise CaerError(explain_os_error(error, clip)) from error
                if hashlib.sha256(video).hexdigest() != row["sha256"]:
                    raise CaerError(f"{clip}: changed during the export; run the command again")
                description = describe(row, boxes.get(row["clip_id"]), lines.get(row["clip_id"]))
                _add(shard, row["member"], video)
                _add(shard, f"{row['member'].removesuffix('.mp4')}.json", description)


def describe(
    row: dict[str, Any], boxes: pd.DataFrame | None, lines: pd.DataFrame | None = None
) -> bytes:
    """Return the JSON of one clip: labels, source, subtitles, and the target's box per frame."""
    values = {name: None if pd.isna(row[name]) else row[name] for name in _TOLD}
    target: list[list[float] | None] = [None] * row["frames"]
    if boxes is not None:
        for box in tables.rows(boxes):
            target[box.frame] = [round(float(v), 2) for v in (box.x1, box.y1, box.x2, box.y2)]
    said = [] if lines is None else lines[_SAID].to_dict("records")
    spoken = [{k: None if pd.isna(v) else v for k, v in line.items()} for line in said]
    return json.dumps({**values, "boxes": target, "lines": spoken}, ensure_ascii=False).encode()


def _add(shard: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)  # without time and owner, so that equal clips give equal shards
    entry.size = len(data)
    shard.addfile(entry, io.BytesIO(data))
