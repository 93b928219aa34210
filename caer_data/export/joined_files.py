"""The files of a joined release: name them, and copy them from the releases."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import Final

import pandas as pd

from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path, explain_os_error
from caer_data.engine.progress import Reporter
from caer_data.engine.release_layouts import LAYOUTS
from caer_data.export import carry
from caer_data.export.clip_files import ClipFile
from caer_data.export.joined import Part
from caer_data.export.layouts import Wanted, module
from caer_data.export.layouts.caer_s import picture_paths
from caer_data.export.layouts.caer_s_2019 import NAME as LEAKY

_PICTURES: Final = ("caer-s", LEAKY)


def placed(files: pd.DataFrame, wanted: Wanted) -> pd.DataFrame:
    """Return the files with names from the layouts, numbered across all releases.

    Args:
        files: rows of the manifests, with their splits.
        wanted: input for planning the layouts.

    Raises:
        CaerError: a layout has two files of one clip.
    """
    found = []
    for word in wanted.settings.layouts:
        rows = files[files["layout"] == word].sort_values(["clip_id", "frame"], kind="stable")
        if word in _PICTURES:
            parent, named = LAYOUTS[word].folder, rows[["split", "emotion"]].copy()
            path = picture_paths(named, parent, wanted.settings.spelling)["path"]
            found.append(rows.assign(path=path))
            continue
        if rows["clip_id"].duplicated().any():
            raise CaerError(f"join: a release has two files of one clip in the layout {word}")
        of = wanted.clips[wanted.clips["clip_id"].isin(rows["clip_id"])]
        planned = module(word).plan(Wanted(of, wanted.boxes, wanted.settings, wanted.seed))
        names = planned[[n for n in ("clip_id", "path", "member") if n in planned]]
        rest = rows.drop(columns=["path", "member"])
        found.append(names.merge(rest, on="clip_id", validate="1:1").assign(layout=word))
    both = pd.concat(found, ignore_index=True)
    return both if "member" in both else both.assign(member=None)


def copied(
    root: Path, parts: list[Part], files: pd.DataFrame, reporter: Reporter
) -> dict[str, ClipFile]:
    """Copy the media; clips in shards are extracted to files, from which new shards are made.

    Args:
        root: the unfinished release.
        parts: the releases.
        files: rows of `MANIFEST` with `part`, `part_path` and `part_member`, the current places.
        reporter: receives the progress.

    Returns:
        The file of each clip from a shard, by `clip_id`.

    Raises:
        CaerError: a file cannot be read, or the disk is full.
    """
    plain = files[files["part_member"].isna() & files["sha256"].notna()]
    packed = files[files["part_member"].notna()]
    cut = root.with_name("cut")
    names = [f"{number:06d}.mp4" for number in range(len(packed))]
    clip_files = {
        str(clip): ClipFile(cut / name, 0)
        for clip, name in zip(packed["clip_id"], names, strict=True)
    }
    try:
        with reporter.stage("files", len(plain), "files") as bar:
            for row in tables.rows(plain):
                path = root / row.path
                # files are written atomically, so a file with the right size is complete
                if not (path.is_file() and path.stat().st_size == row.bytes):
                    with atomic_path(path) as temporary:
                        shutil.copyfile(parts[row.part].origin.folder / row.part_path, temporary)
                bar.advance(1)
        for _, rows in packed.groupby(["part", "part_path"], sort=True, observed=True):
            first = next(tables.rows(rows))
            members = {
                member: clip_files[clip].path
                for member, clip in zip(rows["part_member"], rows["clip_id"], strict=True)
            }
            carry.unpack(parts[first.part].origin.folder / first.part_path, members)
    except tarfile.TarError as error:
        raise CaerError(
            f"join: a shard cannot be read ({error}); run 'caer-data verify'"
        ) from error
    except OSError as error:
        raise CaerError(explain_os_error(error, root)) from error
    return clip_files
