"""Make a release: process the clips, audit them, write the cards, and publish the folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from caer_data import __version__
from caer_data.engine import heap, ownership, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path, write_text
from caer_data.engine.hashing import hash_of
from caer_data.engine.pool import run_map
from caer_data.engine.progress import Reporter
from caer_data.engine.spill import Spill
from caer_data.export import (
    PRELOAD,
    audit,
    boxes,
    cards,
    checksums,
    folder,
    labelled,
    layouts,
    media,
    pairs,
    plan,
    prints,
)
from caer_data.export import manifest as manifests
from caer_data.export.clip_boxes import BoxesOfClips, FromFile
from caer_data.export.clip_files import ClipFile, ClipFiles
from caer_data.export.columns import COLUMNS
from caer_data.export.file_rows import FileRows, WrittenRows, in_words
from caer_data.export.layouts.caer_s_2019 import NAME as LEAKY
from caer_data.export.lines import CLIP_LINES
from caer_data.export.manifest import BOXES, MANIFEST, REPEATED, SOURCES
from caer_data.export.plan import Options, Plan
from caer_data.export.results import Results


class FindingsError(CaerError):
    """The audit has findings, and `--strict` was given."""

    exit_code = 1


@dataclass(frozen=True)
class Release:
    """A finished release.

    Attributes:
        folder: its folder.
        plan: the plan that it was made from, without boxes, and clips with a few columns only; its
            files are those of the manifest, which is read when they are asked for.
        verdicts: verdicts of the audit, by part: `release`, and the layout with its own split.
        new: whether it was made now; False if it already existed.
        missing: fields of `release.yaml` that are not stated.
        rights: the stated right to share the footage.
    """

    folder: Path
    plan: Plan
    verdicts: dict[str, list[audit.Verdict]]
    new: bool
    missing: tuple[str, ...] = ()
    rights: str | None = None

    @property
    def manifest(self) -> pd.DataFrame:
        """The table of its files, `MANIFEST`."""
        return self.plan.files.frame()

    @property
    def findings(self) -> list[audit.Verdict]:
        """Verdicts of the audit that are findings."""
        return [v for lines in self.verdicts.values() for v in lines if v.verdict == "finding"]


def export(dataset: Dataset, target: Path, options: Options, reporter: Reporter) -> Release:
    """Make a release of a dataset.

    The same call resumes an interrupted export, and the result is the same byte for byte.

    Raises:
        CaerError: there is nothing to release, the split is impossible, a clip's file is missing
            or changed, the target is in use, or the disk is full.
        FindingsError: `strict` is set and the audit has findings; nothing was published.
    """
    planned = plan.plan(dataset, options)
    heap.return_unused()
    changed = labelled.changed(dataset)
    if changed:
        reporter.warn(
            f"{changed:,} label{'s' * (changed != 1)} omitted: frames or target of the clip have "
            "changed since it was rated; have it rated again ('caer-data annotate push')"
        )
    facts = cards.collect(dataset, planned, options)
    key = _key(planned, facts)
    heap.return_unused()
    if folder.about(target).get("key") == key:
        with folder.unfinished(target, key):
            return _stated(_kept(dataset, target, planned, options), facts)
    folder.check_target(target, dataset.folder, options.overwrite)
    with folder.unfinished(target, key) as under_way:
        root, clip_files = under_way.root, ClipFiles(dataset.folder, planned.clips)
        write_boxes(root, planned.boxes)
        # from here on, boxes are read from the file, and most columns of clips are not needed
        planned = replace(planned, boxes=tables.empty(BOXES), clips=planned.clips[_OF_CLIPS])
        heap.return_unused()
        results = _results(planned, clip_files, options, under_way, reporter)
        heap.return_unused()
        write_manifest(root, Filled(planned.files, results))
        # from here on, files are read from the manifest
        files = WrittenRows(root)
        planned = replace(planned, files=files)
        del results
        heap.return_unused()
        manifest = files.frame(_AUDITED)
        release = Release(target, planned, audit_parts(manifest, planned.repeats), new=True)
        _refuse_findings(release, options)
        write_pairs(root, manifest, planned.repeats)
        del manifest
        heap.return_unused()
        write(root, files, planned.sources, facts, clip_files, planned.lines)
        heap.return_unused()
        prints.write(root, planned.prints)
        container = options.settings.container
        cards.write(root, facts, files.frame(cards.COLUMNS), release.verdicts, container)
        describe(root, key, facts, files)
        plan.remember(dataset, planned, options)
        under_way.publish(target)
    release = replace(release, plan=replace(planned, files=WrittenRows(target)))
    return _stated(release, facts)


_OF_CLIPS: Final = ["clip_id", "clip_key", "split", "emotion", "made_up"]


def _stated(release: Release, facts: cards.Facts) -> Release:
    return replace(release, missing=facts.missing, rights=facts.about["rights"])


def _kept(dataset: Dataset, target: Path, planned: Plan, options: Options) -> Release:
    """Return the release made by an earlier equal call, audited again."""
    audited = pa.concat_tables(part.select(list(_AUDITED)) for part in manifests.parts(target))
    verdicts = audit_parts(in_words(audited), planned.repeats)
    release = Release(target, replace(planned, files=WrittenRows(target)), verdicts, new=False)
    _refuse_findings(release, options)
    plan.remember(dataset, planned, options)
    return release


_AUDITED: Final = (*COLUMNS, "layout")
"""Columns that the audit, its evidence and `parts_of` use."""


def _results(
    planned: Plan,
    clip_files: ClipFiles,
    options: Options,
    under_way: folder.Unfinished,
    reporter: Reporter,
) -> Results:
    """Process all clips not done yet, and return the results of all."""
    boxes = FromFile(under_way.root / _BOXES)
    tasks = works(planned.files.frame(_OF_WORKS), boxes, clip_files, under_way.root, options.media)
    missing = (task for task in tasks if task.clip_id not in under_way.done)
    running = run_map(media.make, missing, options.jobs, PRELOAD)
    found = collect(running, len(clip_files), under_way, reporter)
    return Results(found, Spill(under_way.root.parent))


def _refuse_findings(release: Release, options: Options) -> None:
    if options.strict and release.findings:
        raise FindingsError(
            f"the audit has {len(release.findings)} findings and --strict was given, so "
            f"{release.folder} was not written: "
            + "; ".join(f"{v.check}: {v.text}" for v in release.findings)
        )


def works(
    planned: pd.DataFrame,
    boxes: BoxesOfClips,
    clip_files: Mapping[str, ClipFile],
    root: Path,
    write_files: bool,
) -> Iterator[media.Work]:
    """Yield the task for each clip, by `clip_id`; arguments as in `Plan` and `media.Work`."""
    of_clips = _files_of_clips(planned)
    del planned
    for clip_id, copies, pictures, has_clip in of_clips:
        clip = clip_files[clip_id]
        yield media.Work(
            clip_id=clip_id,
            source=clip.path,
            sha256=clip.sha256,
            frames=clip.frames,
            root=root,
            copies=copies,
            pictures=pictures,
            boxes=boxes[clip_id],
            hash_frames=has_clip,
            write=write_files,
        )


def _files_of_clips(
    planned: pd.DataFrame,
) -> Iterator[tuple[str, tuple[str, ...], tuple[media.Picture, ...], bool]]:
    """Yield each clip's files, by `clip_id`: copies, pictures, and whether it is there as a clip.

    A clip in an archive is not a copy, because its layout writes the archive.
    """
    named = planned["clip_id"].astype("category").cat.remove_unused_categories()
    clip_ids = named.cat.categories.to_numpy(object)
    by_name = np.argsort(clip_ids, kind="stable")
    code = np.argsort(by_name)[named.cat.codes.to_numpy()]
    order = np.argsort(code, kind="stable")
    starts = np.searchsorted(code[order], np.arange(len(clip_ids) + 1))
    in_archive = planned["member"].notna().to_numpy(bool)
    first, end = (planned[n].to_numpy(np.int64, na_value=-1) for n in ("from_frame", "to_frame"))
    path = planned["path"]
    del planned, named, code
    for at in range(0, len(clip_ids), _CLIPS):  # as objects of Python, all need much memory
        own = starts[at : at + _CLIPS + 1]
        rows = order[own[0] : own[-1]]
        paths = path.iloc[rows].to_numpy(object)
        files = list(zip(paths, first[rows].tolist(), end[rows].tolist(),
                         in_archive[rows].tolist(), strict=True))  # fmt: skip
        for name, begin, stop in zip(by_name[at:], own - own[0], own[1:] - own[0], strict=False):
            of_clip = files[begin:stop]
            pictures = [media.Picture(p, f, e) for p, f, e, _ in of_clip if f >= 0]
            copies = [path for path, f, _, packed in of_clip if f < 0 and not packed]
            has_clip = len(pictures) < len(of_clip)
            yield clip_ids[name], tuple(copies), tuple(pictures), has_clip


_OF_WORKS: Final = ("clip_id", "path", "member", "from_frame", "to_frame")

_CLIPS: Final = 10_000
"""Number of clips whose files are looked up at a time."""


def collect(
    running: Iterator[dict[str, Any]],
    total: int,
    under_way: folder.Unfinished,
    reporter: Reporter,
) -> Iterator[dict[str, Any]]:
    """Yield the results of clips: those of an earlier call, then the others as they come.

    A result with `failed` is not remembered: the next call tries the clip again.
    """
    with reporter.stage("clips", total, "clips") as bar:
        bar.advance(len(under_way.done))
        yield from under_way.results()
        for result in running:
            if "failed" not in result:
                under_way.note(result)
            yield result
            bar.advance(1, result["clip_id"])


class Filled:
    """The manifest: planned files, completed with the results from the media when asked for.

    Args:
        planned: as `Plan.files`.
        results: results of `media.make`.
    """

    def __init__(self, planned: FileRows, results: Results) -> None:
        self._planned, self._results = planned, results

    def __len__(self) -> int:
        return len(self._planned)

    def frame(self, names: Iterable[str], rows: slice = slice(None)) -> pd.DataFrame:
        """Return some columns of some rows."""
        wanted = list(names)
        if _FROM_MEDIA.isdisjoint(wanted):
            return self._planned.frame(wanted, rows)
        start, stop, _ = rows.indices(len(self))
        parts = [
            fill_manifest(self._planned.frame(_OF_FILLED, slice(at, min(at + _FILLED, stop))),
                          self._results)[wanted]
            for at in range(start, max(stop, start + 1), _FILLED)
        ]  # fmt: skip
        made = pd.concat(parts, ignore_index=True)
        for name, cells in made.items():  # the bytes of a file depend on where text is divided
            text = pa.array(cells) if isinstance(cells.dtype, pd.StringDtype) else None
            if isinstance(text, pa.ChunkedArray):
                made[name] = pd.array(text.combine_chunks(), cells.dtype)
        return made


_OF_FILLED: Final = (*MANIFEST.names, "from_frame")
_FILLED: Final = 1 << 15
"""Number of files that are completed at a time: the results of a clip need more memory than its
rows."""


def fill_manifest(planned: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Return the manifest, completed with the results from the media, in the plan's order.

    Args:
        planned: rows of `MANIFEST`, and `from_frame`, a number for pictures.
        results: results of `media.make`.
    """
    filled = {name: planned[name] for name in MANIFEST.names} | _cells(planned, results)
    return pd.DataFrame(filled, copy=False)


def _cells(planned: pd.DataFrame, results: Results) -> dict[str, pd.Series]:
    """Return the columns of the manifest that come from the media."""
    of_file = results.of_files(planned["path"], planned["clip_id"])
    of_clip = results.of_clips(planned["clip_id"])
    is_picture = planned["from_frame"].notna().to_numpy(bool)
    # hash of the clip's own file, even without footage or in an archive
    is_file = (planned["member"].notna() | planned["path"].str.endswith(".mp4")).to_numpy(bool)
    found: dict[str, pd.Series] = {}

    def fill(name: str, cells: pa.ChunkedArray) -> None:
        found[name] = tables.to_pandas(pa.table({name: cells}))[name].set_axis(planned.index)

    for name in _SEEN:
        cells = of_file[name]
        if cells.null_count < len(cells):
            fill(name, cells)
    hashed = ~is_picture & is_file, ~is_picture & is_file, ~is_picture, ~is_picture
    for name, rows in zip(_HASHES, hashed, strict=True):
        fill(name, pc.if_else(pa.array(rows), of_clip[name], of_file[name]))
    y1, y2 = (
        found.get(name, planned[name]).to_numpy(float, na_value=np.nan) for name in ("y1", "y2")
    )
    height = (y2 - y1) / planned["height"].to_numpy(float)
    found["face_height"] = planned["face_height"].where(~is_picture, height)
    return found


_SEEN: Final = ("frame", "x1", "y1", "x2", "y2")
_HASHES: Final = ("sha256", "bytes", "framehash", "perceptual_hash")
_FROM_MEDIA: Final = {*_SEEN, *_HASHES, "face_height"}


def audit_parts(
    manifest: pd.DataFrame, repeated: pd.DataFrame | None = None
) -> dict[str, list[audit.Verdict]]:
    """Audit a release; layouts with the clips' split form one part, one with its own another."""
    return {part: audit.audit(files, repeated) for part, files in parts_of(manifest)}


def parts_of(manifest: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the parts of a release with different splits, by name."""
    leaky = manifest["layout"] == LEAKY
    if not leaky.any():
        return [("release", manifest)] if len(manifest) else []
    parts = [("release", manifest[~leaky]), (LEAKY, manifest[leaky])]
    return [(part, files) for part, files in parts if len(files)]


def write_pairs(root: Path, manifest: pd.DataFrame, repeated: pd.DataFrame | None) -> None:
    """Write the audit's evidence, and the pairs with the same footage if they were searched."""
    found = [pairs.find(files, repeated, part) for part, files in parts_of(manifest)]
    pairs.write(pd.concat(found, ignore_index=True), root / pairs.NAME)
    if repeated is not None:
        known = set(manifest["clip_id"].unique().tolist()) if len(repeated) else set()
        present = repeated[["clip_id", "of_clip_id"]].map(known.__contains__).all(axis=1)
        own = repeated[present].reset_index(drop=True)
        tables.write(REPEATED, own, root / "repeats.parquet")


def write_boxes(root: Path, of_targets: pd.DataFrame) -> None:
    """Write the boxes of the targets, which `write` and the layouts then find."""
    tables.write_parts(BOXES, boxes.parts(of_targets, _PART), root / _BOXES)


def write_manifest(root: Path, files: tables.Rows) -> None:
    """Write the list of the files."""
    tables.write(MANIFEST, files, root / "manifest.parquet")


def _boxes(root: Path) -> pd.DataFrame:
    """Return the boxes with categories of clips: 29 bytes for each box."""
    path, names = root / _BOXES, list(BOXES.names)
    count = tables.count(BOXES, path)
    code = np.empty(count, np.int32)
    columns: dict[str, npt.NDArray[Any]] = {
        name: np.empty(count, BOXES.schema.field(name).type.to_pandas_dtype()) for name in names[1:]
    }
    place: dict[str, int] = {}
    start = 0
    for part in tables.read_parts(BOXES, path, names, words="clip_id"):
        own = slice(start, start + len(part))
        words = part["clip_id"].combine_chunks()
        codes = [place.setdefault(word, len(place)) for word in words.dictionary.to_pylist()]
        code[own] = np.array(codes, np.int32)[words.indices.to_numpy()]
        for name in names[1:]:
            columns[name][own] = part[name].to_numpy()
        start = own.stop
    clips = pd.Categorical.from_codes(code, pd.Index(place, dtype=object))
    return pd.DataFrame({"clip_id": clips, **columns}, copy=False)


_BOXES: Final = "boxes.parquet"


def write(
    root: Path,
    files: FileRows,
    sources: pd.DataFrame,
    facts: cards.Facts,
    clip_files: Mapping[str, ClipFile],
    said: pd.DataFrame | None = None,
) -> None:
    """Write the other tables and the additional files of the layouts."""
    tables.write(SOURCES, sources, root / "sources.parquet")
    said = tables.empty(CLIP_LINES) if said is None else said
    if len(said):
        tables.write(CLIP_LINES, said, root / "lines.parquet")
    with atomic_path(root / "splits.csv") as temporary:
        reached = pd.DataFrame(list(facts.split))
        reached.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")
    media_there, spelling = facts.about["media"], facts.about.get("spelling", "caer")
    boxes = partial(_boxes, root)
    for word, own in files.by_layout().items():
        layout = layouts.module(word)
        rows = files.frame(layout.COLUMNS, own)
        layout.finish(layouts.Finished(root, rows, boxes, clip_files, media_there, said, spelling))


def describe(root: Path, key: str, facts: cards.Facts, files: FileRows) -> None:
    """Write `release.json` and `SHA256SUMS`."""
    values = {
        "format": ownership.RELEASE_FORMAT,
        "version": ownership.RELEASE_VERSION,
        "caer_data": __version__,
        "key": key,
        "facts": asdict(facts),
    }
    write_text(root / folder.ABOUT, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    listed = files.frame(("path", "member", "sha256"))
    known = listed[listed["member"].isna() & listed["sha256"].notna()]
    checksums.write(root, dict(zip(known["path"], known["sha256"], strict=True)))


def _key(planned: Plan, facts: cards.Facts) -> str:
    found = pd.DataFrame() if planned.repeats is None else planned.repeats
    files = planned.files
    columns = (*MANIFEST.names, "from_frame", "to_frame")
    some = (slice(at, at + _HASHED) for at in range(0, len(files), _HASHED))
    rows = (files.frame(columns, own) for own in some)
    held = boxes.parts(planned.boxes, _HASHED)
    parts = chain(rows, [planned.sources], held, [planned.lines, found])
    return hash_of([ownership.RELEASE_VERSION, __version__, str(facts), digest_of(parts)], 64)


def digest_of(parts: Iterable[pd.DataFrame]) -> str:
    """Return the SHA-256 of the hashes of all rows of some tables."""
    digest = hashlib.sha256()
    for table in parts:
        for at in range(0, len(table), _HASHED):
            rows = _without_unused(table.iloc[at : at + _HASHED])
            digest.update(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def _without_unused(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose categories all occur in them; pandas hashes every category."""
    words = rows.select_dtypes("category")
    return rows.assign(**{str(n): words[n].cat.remove_unused_categories() for n in words})


_HASHED: Final = 1 << 18
"""Number of rows hashed at a time."""

_PART: Final = 1 << 20
"""Number of rows written at a time, which is a row group."""
