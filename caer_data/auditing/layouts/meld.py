"""MELD (Poria et al. 2019): tables such as `train_sent_emo.csv`, clips `dia0_utt0.mp4` by split."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any, Final

import pandas as pd

from caer_data.auditing.entries import Recognised, frame, split_of
from caer_data.auditing.layouts.texts import sheet
from caer_data.auditing.walk import Files
from caer_data.engine import tables

_TABLES: Final = {
    "train_sent_emo.csv": "train",
    "dev_sent_emo.csv": "validation",
    "test_sent_emo.csv": "test",
}
_NEEDED: Final = ("Dialogue_ID", "Utterance_ID", "Emotion")
_CLIP: Final = re.compile(r"(?:final_videos_test)?dia(\d{1,9})_utt(\d{1,9})\.mp4", re.ASCII)
_TIME: Final = re.compile(r"(\d{1,3}):(\d{2}):(\d{2})[,.](\d{1,3})", re.ASCII)


def read(files: Files) -> Recognised | None:
    """Return a dataset with at least two of MELD's tables; None if this is not MELD."""
    lists = files.named(*_TABLES)
    if len({path.rpartition("/")[2] for path in lists}) < 2:
        return None
    media = _media(files)
    rows: list[dict[str, Any]] = []
    for path in lists:
        split = _TABLES[path.rpartition("/")[2]]
        table = sheet(files, path)
        if not set(_NEEDED) <= set(table.columns):
            return None
        rows += [_row(row, split, media) for row in tables.records(table)]
    entries = frame(rows).drop_duplicates(["split", "clip_id"]).reset_index(drop=True)
    missing = int(entries["path"].isna().sum())
    notes = [f"{missing:,} of {len(entries):,} utterances have no clip here"] if missing else []
    return Recognised("MELD", entries, notes)


def _media(files: Files) -> dict[tuple[str, str, str], str]:
    """Return clips by split, dialogue and utterance; the nearest folder gives the split."""
    found: dict[tuple[str, str, str], str] = {}
    for path in files.ending(".mp4"):
        named = _CLIP.fullmatch(path.rpartition("/")[2])
        if named is None:
            continue
        split = next(
            (s for part in reversed(PurePosixPath(path).parts[:-1]) if (s := _split(part))), None
        )
        if split is not None:
            found.setdefault((split, str(int(named[1])), str(int(named[2]))), path)
    return found


def _split(folder: str) -> str | None:
    return "test" if folder.endswith("_test") else split_of(folder)


def _row(row: dict[str, Any], split: str, media: dict[tuple[str, str, str], str]) -> dict[str, Any]:
    dialogue, utterance = _whole(row["Dialogue_ID"]), _whole(row["Utterance_ID"])
    path = media.get((split, dialogue, utterance))
    season, episode = row.get("Season"), row.get("Episode")
    speaker = row.get("Speaker")
    start, end = (_seconds(row.get(name)) for name in ("StartTime", "EndTime"))
    ordered = start is not None and end is not None and start < end
    return {
        "clip_id": f"dia{dialogue}_utt{utterance}" if path is None else path,
        "path": path,
        "kind": "none" if path is None else "video",
        "split": split,
        "label": row["Emotion"],
        "video_id": f"season {season}, episode {episode}" if season and episode else None,
        "person_id": speaker,
        "start_s": start if ordered else None,
        "end_s": end if ordered else None,
    }


def _whole(cell: Any) -> str:
    text = str(cell)
    return str(int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _seconds(cell: Any) -> float | None:
    found = _TIME.fullmatch(str(cell))
    if found is None:
        return None
    hours, minutes, seconds, rest = found.groups()
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return float(pd.to_numeric(f"{whole}.{rest}"))
