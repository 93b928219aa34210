"""Plan a release from tables only: the split and every file, before any media is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from caer_data.engine import heap, tables
from caer_data.engine.artifacts import Artifact
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.recipe import Export
from caer_data.export import boxes, groups, labelled, layouts, lines, prints, repeated, splits
from caer_data.export.file_rows import FileRows, rows
from caer_data.export.manifest import SPLITS


@dataclass(frozen=True)
class Options:
    """Options of an export.

    Attributes:
        settings: the recipe's section on exports, with changes from the command line.
        seed: seed of the split and of all random choices.
        media: whether footage is part of the release.
        rights: the user's words on the right to share the footage; None if not stated.
        resplit: whether to ignore the split that was drawn earlier.
        overwrite: whether an older release at the target may be replaced.
        strict: whether a finding of the audit is a failure.
        drop_repeats: whether to release only one of several clips with the same footage.
        jobs: number of worker processes.
    """

    settings: Export
    seed: int
    media: bool = True
    rights: str | None = None
    resplit: bool = False
    overwrite: bool = False
    strict: bool = False
    drop_repeats: bool = False
    jobs: int = 1

    @property
    def scheme(self) -> splits.Scheme:
        """The way the clips are split."""
        return splits.Scheme(self.settings.split, self.settings.by, self.seed)


@dataclass(frozen=True)
class Plan:
    """Planned contents of a release.

    Attributes:
        clips: labelled clips with their `split`.
        sources: their videos, `SOURCES`.
        boxes: boxes of their targets, `BOXES`.
        files: the files; pictures also have `from_frame` and `to_frame`, between which the frame
            will be chosen. Columns that depend on the media are still empty.
        reached: the requested and the actual split.
        lines: their subtitles, `CLIP_LINES`; none without footage.
        repeats: pairs of clips with the same footage, see `repeated.of_clips`; None if not
            searched.
        dropped: number of clips omitted because they repeat another.
        prints: available fingerprints of the videos by `video_id`; none with footage.
    """

    clips: pd.DataFrame
    sources: pd.DataFrame
    boxes: pd.DataFrame
    files: FileRows
    reached: pd.DataFrame
    lines: pd.DataFrame = field(default_factory=lambda: tables.empty(lines.CLIP_LINES))
    repeats: pd.DataFrame | None = None
    dropped: int = 0
    prints: Mapping[str, Artifact] = field(default_factory=dict)


def plan(dataset: Dataset, options: Options) -> Plan:
    """Draw the split of a dataset's labelled clips and list the files.

    Raises:
        CaerError: there is nothing to release, the split is impossible, or an option needs repeats
            that were not searched for.
    """
    every = labelled.read(dataset)
    heap.return_unused()
    found = repeated.of_clips(dataset, every)
    clips = every
    if options.drop_repeats:
        clips = repeated.without(every, repeated.needed(found, "--drop-repeats"))
    by = options.settings.by
    if "scene" in groups.words_of(by):
        clips = groups.with_scenes(clips, repeated.needed(found, "--by scene"))
    elif found is not None and groups.groups_of(clips, by).nunique() < len(SPLITS):
        clips = groups.with_scenes(clips, found)  # another way to split, which the error names
    sources = labelled.sources(dataset, clips)
    of_targets = boxes.of_dataset(dataset, clips, sources)
    heap.return_unused()
    kept = {} if options.resplit else assigned(dataset, options.scheme)
    planned = of_tables(clips, sources, of_targets, options, kept)
    said = lines.of_clips(dataset, clips) if options.media else planned.lines
    if found is not None:
        known = pd.Index(clips["clip_id"])  # quicker than pandas' isin
        for name in ("clip_id", "of_clip_id"):
            found = found[known.get_indexer(found[name]) >= 0]
        found = found.reset_index(drop=True)
    known = {} if options.media else prints.of_dataset(dataset, sources)
    dropped = len(every) - len(clips)
    return replace(planned, lines=said, repeats=found, dropped=dropped, prints=known)


def of_tables(
    clips: pd.DataFrame,
    sources: pd.DataFrame,
    of_targets: pd.DataFrame,
    options: Options,
    kept: Mapping[str, str] | None = None,
) -> Plan:
    """Return a plan from tables: labelled clips, `SOURCES`, `BOXES`, and earlier splits."""
    clips = clips.assign(split=splits.assign(clips, options.scheme, kept))
    words = {name: pd.Categorical(clips[name]) for name in ("clip_id", "split", "emotion")}
    wanted = layouts.Wanted(clips.assign(**words), of_targets, options.settings, options.seed)
    planned = [
        layouts.module(word).plan(wanted) for word in dict.fromkeys(options.settings.layouts)
    ]
    boxes.put_down(of_targets)
    if not all(map(len, planned)):
        raise CaerError(
            "no frame of a labelled clip has a box of its target; run 'caer-data build' again"
        )
    listed = pd.concat(planned, ignore_index=True)
    reached = splits.reached(clips, clips["split"], options.scheme)
    return Plan(clips, sources, of_targets, rows(listed, clips), reached)


def assigned(dataset: Dataset, scheme: splits.Scheme) -> dict[str, str]:
    """Return splits drawn earlier under a scheme, by `clip_key`."""
    if not dataset.has(splits.ASSIGNED):
        return {}
    known = dataset.read(splits.ASSIGNED)
    known = known[known["scheme"] == str(scheme)]
    return dict(zip(known["clip_key"], known["split"], strict=True))


def remember(dataset: Dataset, planned: Plan, options: Options) -> None:
    """Store the split in the dataset, so that later exports keep the split of every clip.

    Raises:
        BusyError: another command is writing in the dataset.
    """
    scheme = options.scheme
    kept = {} if options.resplit else assigned(dataset, scheme)
    now = dict(zip(planned.clips["clip_key"], planned.clips["split"], strict=True))
    if kept | now == assigned(dataset, scheme):
        return
    own = pd.DataFrame(sorted((kept | now).items()), columns=["clip_key", "split"])
    with dataset.lock():
        parts = [own.assign(scheme=str(scheme))]
        if dataset.has(splits.ASSIGNED):
            others = dataset.read(splits.ASSIGNED)
            parts.append(others[others["scheme"] != str(scheme)])
        rows = pd.concat(parts).sort_values(["scheme", "clip_key"], ignore_index=True)
        dataset.write(splits.ASSIGNED, rows)
