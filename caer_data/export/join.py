"""Join the releases of several datasets of one lab into one release."""

from __future__ import annotations

import csv
import io
import os
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from caer_data import __version__
from caer_data.engine import ownership, tables
from caer_data.engine.errors import CaerError
from caer_data.engine.files import write_text
from caer_data.engine.hashing import hash_of
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Recipe
from caer_data.export import audit, cards, checksums, folder, lines, prints, release, splits
from caer_data.export import manifest as manifests
from caer_data.export.clip_files import ClipFile
from caer_data.export.file_rows import HeldRows
from caer_data.export.groups import groups_of, words_of
from caer_data.export.joined import Differing, Part, clips_of, parts_of
from caer_data.export.joined_facts import facts_of
from caer_data.export.joined_files import copied, placed
from caer_data.export.layouts import Wanted
from caer_data.export.layouts.caer_s_2019 import NAME as LEAKY
from caer_data.export.shows import Origin, read
from caer_data.export.verify import DamagedError, verify


@dataclass(frozen=True)
class Joined:
    """Result of joining releases.

    Attributes:
        folder: the joined release.
        clips: number of clips from each dataset, by the dataset's name.
        twice: number of clips that were in several releases and are kept once.
        shows: shows in several releases, whose persons are numbered separately.
        verdicts: verdicts of the audit, by part.
        missing: fields of `release.yaml` that are not stated.
        rights: the right to share the footage, if all releases state the same.
        media: whether footage is part of it.
        new: whether it was made now; False if it already existed.
    """

    folder: Path
    clips: dict[str, int]
    twice: int
    shows: list[str]
    verdicts: dict[str, list[audit.Verdict]]
    missing: tuple[str, ...]
    rights: str | None
    media: bool
    new: bool = True


@dataclass(frozen=True)
class _Whole:
    """The joined tables: files with `part`, `part_path`, `part_member`; clips; videos; boxes."""

    files: pd.DataFrame
    clips: pd.DataFrame
    sources: pd.DataFrame
    boxes: pd.DataFrame


def join(
    folders: list[Path],
    target: Path,
    shares: tuple[float, float, float] | None,
    by: str | None,
    overwrite: bool,
    reporter: Reporter,
) -> Joined:
    """Join releases into one with the same layouts.

    Names that collide get the dataset's name as a prefix. A clip in several releases is kept once.

    Args:
        folders: the releases.
        target: future folder of the joined release.
        shares: shares of train, validation and test for a new split; None keeps each clip's split.
        by: groups of the new split; None uses those of the first release.
        overwrite: whether an older release at the target may be replaced.
        reporter: receives the progress.

    Raises:
        DamagedError: a release differs from its manifest.
        CaerError: the releases are incompatible, a group would be in several splits, a clip has
            different labels, or the target is in use.
    """
    _check_places(folders, target)
    origins = [_verified(path, reporter) for path in folders]
    _check_fit(origins)
    recipe = _recipe(origins, shares, by)
    parts, differing = parts_of(origins, _names(origins))
    _refuse_differing(differing, target)
    whole = _whole(parts, recipe, shares is None)
    known = [hash_of(sorted(checksums.read(path).items()), 64) for path in folders]
    shape = [__version__, ownership.RELEASE_VERSION, [p.name for p in parts], shares, by]
    key = hash_of([*shape, known], 64)
    scheme = splits.Scheme(recipe.export.split, recipe.export.by, recipe.seed)
    reached = splits.reached(whole.clips, whole.clips["split"], scheme)
    facts = facts_of(parts, whole.clips, recipe, scheme, reached, len(_lines(parts)))
    verdicts = release.audit_parts(whole.files)
    if folder.about(target).get("key") == key:
        return _outcome(target, parts, facts, verdicts, new=False)
    for path in folders:
        folder.check_target(target, path, overwrite, holds="one of the releases")
    with folder.unfinished(target, key) as under_way:
        _write(under_way.root, key, parts, whole, facts, verdicts, recipe, reporter)
        under_way.publish(target)
    return _outcome(target, parts, facts, verdicts, new=True)


def _check_places(folders: list[Path], target: Path) -> None:
    paths = [Path(os.path.realpath(path)) for path in folders]
    if len(set(paths)) < 2 or len(set(paths)) < len(paths):
        raise CaerError("join: name two or more different releases")
    inside = [p for p in paths if Path(os.path.realpath(target)).is_relative_to(p)]
    if inside:
        raise CaerError(f"{target}: inside the release {inside[0]}; choose another folder")


def _verified(path: Path, reporter: Reporter) -> Origin:
    found = verify(path, reporter)
    if found.problems:
        count = len(found.problems)
        raise DamagedError(
            f"{path}: {count:,} of its files differ from its manifest (such as "
            f"{found.problems[0]}); fetch or export the release again before you join it"
        )
    origin = read(path)
    if found.rebuilt is not None:
        raise CaerError(
            f"{path}: is a rebuild; join the releases without footage instead, and rebuild what "
            "comes out"
        )
    return origin


def _check_fit(origins: list[Origin]) -> None:
    """Raise a CaerError if releases have different layouts, spellings, media or recipes."""
    first = origins[0]
    for other in origins[1:]:
        both = f"{first.folder} and {other.folder}"
        mine, theirs = (set(o.manifest["layout"]) for o in (first, other))
        if mine != theirs:
            raise CaerError(
                f"{both}: only one has the layout {', '.join(sorted(mine ^ theirs))}; export both "
                "with the same layouts"
            )
        one, two = first.recipe.export, other.recipe.export
        if (one.spelling, one.container) != (two.spelling, two.container):
            raise CaerError(f"{both}: different spellings or containers; export both with the same")
        if first.facts.about["media"] != other.facts.about["media"]:
            raise CaerError(f"{both}: only one has footage; export both with it or without")
        if not first.facts.about["media"] and first.recipe.media != other.recipe.media:
            raise CaerError(
                f"{both}: their recipes cut clips differently (section media), so that no single "
                "recipe can rebuild both; join releases with footage instead"
            )


def _recipe(
    origins: list[Origin], shares: tuple[float, float, float] | None, by: str | None
) -> Recipe:
    """Return the first release's recipe, with the split of the joined release.

    Raises:
        CaerError: splits are to be kept, but were made in different ways.
    """
    first = origins[0].recipe
    remedy = "draw a new split with --split 70/10/20 --by person"
    by = by or first.export.by
    if "scene" in words_of(by):
        raise CaerError(
            f"join: splits by {by} require repeats between the releases to be known; {remedy}"
        )
    ways = {(o.recipe.export.split, o.recipe.export.by) for o in origins}
    if shares is None and len(ways) > 1:
        raise CaerError(f"join: the releases are not split in the same way; {remedy}")
    changes = {
        "split": shares or first.export.split,
        "by": by,
        "layouts": tuple(dict.fromkeys(origins[0].manifest["layout"])),
    }
    return first.model_copy(update={"export": first.export.model_copy(update=changes)})


def _names(origins: list[Origin]) -> list[str]:
    """Return unique prefixes for the datasets: their names, or the names of their folders."""
    for found in (
        [str(o.facts.name) for o in origins],
        [Path(os.path.realpath(o.folder)).name for o in origins],
    ):
        names = [re.sub(r"[^\w.]+", "-", name).strip("-.")[:60] for name in found]
        if all(names) and len(set(names)) == len(names):
            return names
    return [f"dataset-{number}" for number in range(1, len(origins) + 1)]


def _refuse_differing(differing: list[Differing], target: Path) -> None:
    """Raise a CaerError if clips have different labels, and list them in a file."""
    if not differing:
        return
    header = [field.name for field in fields(Differing)]
    path = target.with_name(f"{target.name}.differing.csv")
    text = io.StringIO()
    table = csv.DictWriter(text, header, lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(row) for row in differing)
    try:
        start = path.read_text("utf-8") if path.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise CaerError(f"{path}: cannot be read ({error}); move it elsewhere") from error
    if path.exists() and start.partition("\n")[0] != ",".join(header):
        raise CaerError(
            f"{path}: needed for a list of clips with different labels; move this file elsewhere"
        )
    write_text(path, text.getvalue())
    count = len(differing)
    raise CaerError(
        f"join: {count:,} clip{'s' * (count != 1)} in several releases ha"
        f"{'ve' if count != 1 else 's'} different emotions (listed in {path}); agree on one "
        "in the datasets, or drop the clips from one, and export again"
    )


def _whole(parts: list[Part], recipe: Recipe, keep: bool) -> _Whole:
    """Return the joined tables, with splits and paths."""
    numbered = [part.manifest.assign(part=number) for number, part in enumerate(parts)]
    files = pd.concat([rows for rows in numbered if len(rows)], ignore_index=True)
    boxes = pd.concat([part.boxes for part in parts], ignore_index=True)
    sources = pd.concat([part.sources for part in parts], ignore_index=True)
    clips = clips_of(files)
    scheme = splits.Scheme(recipe.export.split, recipe.export.by, recipe.seed)
    if keep:
        _refuse_straddling(clips, scheme.by)
    else:
        clips = clips.assign(split=splits.assign(clips, scheme))
    own = files["clip_id"].map(clips.set_index("clip_id")["split"])
    files["split"] = files["split"].where(files["layout"] == LEAKY, own)
    files = placed(files, Wanted(clips, boxes, recipe.export, recipe.seed))
    extra = files[["part", "part_path", "part_member"]].reset_index(drop=True)
    checked = tables.to_pandas(
        tables.check(manifests.MANIFEST, files[manifests.MANIFEST.names].reset_index(drop=True))
    )
    return _Whole(
        pd.concat([checked, extra], axis=1),
        clips,
        sources.sort_values("video_id", ignore_index=True),
        boxes.sort_values(["clip_id", "frame"], ignore_index=True),
    )


def _refuse_straddling(clips: pd.DataFrame, by: str) -> None:
    counts = (
        clips["split"].groupby(groups_of(clips, by), observed=True).agg(lambda of: of.nunique())
    )
    straddling = sorted(counts[counts > 1].index)
    if straddling:
        count = len(straddling)
        raise CaerError(
            f"join: {count:,} group{'s' * (count != 1)} (by {by}, such as '{straddling[0]}') would "
            "be in several splits, because each release has its own; draw a new split with "
            f"--split 70/10/20 --by {by.partition('+')[0]}"
        )
    across = _overlapping(clips)
    if across is not None:
        raise CaerError(
            f"join: {across[0]} and {across[1]} show the same moments of one video and would be "
            "in two splits; draw a new split with --split 70/10/20 --by video"
        )


def _overlapping(clips: pd.DataFrame) -> tuple[str, str] | None:
    """Return two clips in different splits that overlap in a shared video; None if none do."""
    parts = clips.groupby("video_id", observed=True)["part"].transform("nunique")
    for _, rows in clips[parts > 1].sort_values("start_pts").groupby("video_id", observed=True):
        last: dict[str, tuple[int, str]] = {}  # latest end, and its clip, by split
        for row in tables.rows(rows):
            for split, (end, clip_id) in last.items():
                if split != row.split and end > row.start_pts:
                    return clip_id, row.clip_id
            last[row.split] = max(last.get(row.split, (0, "")), (row.end_pts, row.clip_id))
    return None


def _write(
    root: Path,
    key: str,
    parts: list[Part],
    whole: _Whole,
    facts: cards.Facts,
    verdicts: dict[str, list[audit.Verdict]],
    recipe: Recipe,
    reporter: Reporter,
) -> None:
    manifest = whole.files[manifests.MANIFEST.names]
    clip_files: dict[str, ClipFile] = {}
    if facts.about["media"]:
        clip_files = copied(root, parts, whole.files, reporter)
    else:
        prints.write_joined(root, [(p.origin.folder, p.origin.sources, p.videos) for p in parts])
    said = _lines(parts)
    release.write_boxes(root, whole.boxes)
    files = HeldRows.of_frame(manifest)
    release.write_manifest(root, files)
    release.write(root, files, whole.sources, facts, clip_files, said)
    release.write_pairs(root, manifest, None)
    cards.write(root, facts, manifest, verdicts, recipe.export.container)
    release.describe(root, key, facts, files)


def _lines(parts: list[Part]) -> pd.DataFrame:
    """Return the subtitles of the clips, under their new names."""
    found = []
    for part in parts:
        said = lines.read(part.origin.folder)
        own = said[said["clip_id"].isin(part.clips)]
        found.append(own.assign(clip_id=own["clip_id"].map(part.clips)))
    both = pd.concat(found, ignore_index=True)
    ordered = both.sort_values(["clip_id", "track", "number"], ignore_index=True)
    return tables.to_pandas(tables.check(lines.CLIP_LINES, ordered))


def _outcome(
    target: Path,
    parts: list[Part],
    facts: cards.Facts,
    verdicts: dict[str, list[audit.Verdict]],
    new: bool,
) -> Joined:
    shows = pd.Series([show for part in parts for show in sorted(set(part.manifest["show"]))])
    return Joined(
        target,
        {part.name: int(part.manifest["clip_id"].nunique()) for part in parts},
        sum(part.twice for part in parts),
        sorted(shows[shows.duplicated()].unique()),
        verdicts,
        facts.missing,
        facts.about["rights"],
        bool(facts.about["media"]),
        new,
    )
