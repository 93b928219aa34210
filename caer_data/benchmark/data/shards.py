"""Decode samples into shards: folders of arrays that are complete or absent.

A shard has the frames of some samples, one after the other:

    face.npy      (frames, h, w, 3) uint8, face crops
    context.npy   (frames, H, W, 3) uint8, whole frames, faces not hidden
    boxes.npy     (frames, MAX_FACES, 4) float32, in context pixels, the target first, unused zero
    sound.npy     (frames, bands, columns) float32, clips only: see `sound`
    shard.json    for each sample its number of frames, or why it has none and the state of its
                  file; the hash of each array
    checked.json  size and time of each array when its hash was last verified

Its name is the hash of everything that determines it. A shard is therefore made only once, and a
changed file, box or size gives a different shard.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from caer_data.benchmark.data.pictures import box_at, face_crop, sampled
from caer_data.benchmark.data.samples import Boxes, Sample
from caer_data.benchmark.data.sound import log_mel
from caer_data.benchmark.recipe import MELS, columns_of
from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path, sha256_of, write_text
from caer_data.engine.hashing import hash_of
from caer_data.engine.pool import run_map
from caer_data.engine.progress import Reporter
from caer_data.media.probe import probe

VERSION: Final = 5
MAX_FACES: Final = 8
CHECKED: Final = "checked.json"


@dataclass(frozen=True)
class Format:
    """Format of stored samples: sizes are height, width in pixels; without fps, images."""

    face: tuple[int, int]
    frame: tuple[int, int]
    fps: float | None

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the arrays of a shard; pictures have no sound."""
        return ("face", "context", "boxes", *(["sound"] if self.fps else []))


@dataclass(frozen=True)
class Work:
    """One sample to decode.

    Attributes:
        sample: the sample with its target's boxes.
        others: boxes of the other faces, if known.
        searched: whether a detector was run.
    """

    sample: Sample
    others: tuple[Boxes, ...] = ()
    searched: bool = False

    def fingerprint(self) -> list[Any]:
        """Return everything that determines the stored arrays: the file and the boxes."""
        content = self.sample.sha256 or _state(self.sample.path)
        boxes = hashlib.sha256(
            b"|".join(b.astype("<f4").tobytes() for b in (self.sample.boxes, *self.others))
        )
        return [self.sample.sample_id, content, boxes.hexdigest()]


def name_of(works: Sequence[Work], form: Format) -> str:
    """Return the name of the shard of these samples."""
    parts = [VERSION, form.face, form.frame, form.fps, [w.fingerprint() for w in works]]
    return hash_of(parts, 20)


def is_whole(folder: Path, works: Sequence[Work], form: Format) -> bool:
    """Return whether a shard exists and all its arrays have their recorded hashes.

    A shard is also outdated if an unusable file has changed since. Arrays are hashed again only if
    their size or time differ from those recorded at the last check.
    """
    try:
        shard = json.loads((folder / "shard.json").read_text())
        for work, note in zip(works, shard["samples"], strict=True):
            if not note["frames"] and note["file"] != _state(work.sample.path):
                return False
        state = {name: _state(folder / f"{name}.npy") for name in form.arrays}
        if None not in state.values() and state == _checked(folder):
            return True
        hashes = {name: sha256_of(folder / f"{name}.npy") for name in form.arrays}
        whole = bool(hashes == shard["sha256"])
    except (OSError, ValueError, KeyError):
        return False
    if whole:
        write_text(folder / CHECKED, json.dumps(state))
    return whole


def _checked(folder: Path) -> dict[str, list[int]] | None:
    """Return sizes and times of the arrays when their hashes were last verified."""
    try:
        found = json.loads((folder / CHECKED).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def make_all(
    shards: dict[Path, list[Work]], form: Format, workers: int, reporter: Reporter
) -> None:
    """Make the given shards in parallel processes; finished ones are kept if interrupted."""
    if not shards:
        return
    total = sum(len(works) for works in shards.values())
    jobs = [(folder, works, form) for folder, works in shards.items()]
    with reporter.stage("decode", total=total, unit="samples") as bar:
        for made in run_map(_make_one, jobs, min(workers, len(jobs))):
            bar.advance(made)


def _make_one(job: tuple[Path, list[Work], Format]) -> int:
    make(*job)
    return len(job[1])


def make(folder: Path, works: Iterable[Work], form: Format) -> None:
    """Decode samples into one shard; unusable samples are recorded with the reason."""
    cv2.setNumThreads(1)
    parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in form.arrays}
    notes: list[dict[str, Any]] = []
    for work in works:
        try:
            arrays = decode(work, form)
        except CaerError as error:
            failed = {"frames": 0, "reason": str(error), "file": _state(work.sample.path)}
            notes.append({"sample": work.sample.sample_id, **failed})
            continue
        for name in form.arrays:
            parts[name].append(arrays[name])
        notes.append({"sample": work.sample.sample_id, "frames": len(arrays["face"])})
    empty = {
        "face": np.zeros((0, *form.face, 3), np.uint8),
        "context": np.zeros((0, *form.frame, 3), np.uint8),
        "boxes": np.zeros((0, MAX_FACES, 4), np.float32),
        "sound": np.zeros((0, MELS, columns_of(form.fps or 1)), np.float32),
    }
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for name in form.arrays:
            np.save(temporary / f"{name}.npy", np.concatenate([empty[name], *parts[name]]))
        hashes = {name: sha256_of(temporary / f"{name}.npy") for name in form.arrays}
        (temporary / "shard.json").write_text(json.dumps({"samples": notes, "sha256": hashes}))


def decode(work: Work, form: Format) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of one sample: `face`, `context`, `boxes` and, for a clip, `sound`.

    Shapes are those of `Batch`, without N.

    Raises:
        CaerError: it cannot be read, differs from its hash, or has no face.
    """
    sample = work.sample
    if not sample.path.is_file():
        raise CaerError(f"{sample.path}: does not exist")
    if not len(sample.boxes):
        next(sampled(sample.path, form.fps))  # raises if the file cannot be read
        advice = "; add a box list, or detect faces with --detect mmod"
        raise CaerError(
            f"{sample.path}: no face {'was found in it' if work.searched else 'is known' + advice}"
        )
    if sample.sha256 and sha256_of(sample.path) != sample.sha256:
        raise CaerError(f"{sample.path}: differs from its hash in the manifest; export it again")
    faces, contexts, boxes = [], [], []
    info = probe(sample.path) if form.fps else None
    for frame, shown in sampled(sample.path, form.fps, info):
        box = box_at(sample.boxes, frame)
        try:
            faces.append(face_crop(shown, box, form.face))
        except CaerError as error:
            raise CaerError(f"{sample.path}, frame {frame}: {error}") from error
        contexts.append(shown.at(form.frame))
        scale = np.tile(np.divide(form.frame, shown.size)[::-1], 2)
        known = [box, *(box_at(other, frame) for other in work.others if _shown(other, frame))]
        rows = np.zeros((MAX_FACES, 4), np.float32)
        rows[: len(known)] = np.stack(known[:MAX_FACES]) * scale
        boxes.append(rows)
    found: dict[str, npt.NDArray[Any]] = {
        "face": np.stack(faces),
        "context": np.stack(contexts),
        "boxes": np.stack(boxes),
    }
    if form.fps and info:
        found["sound"] = log_mel(sample.path, info, form.fps, len(faces))
    return found


def _state(path: Path) -> list[int] | None:
    """Return a file's size and time, to detect changes; None if it does not exist."""
    status = path.stat() if path.is_file() else None
    return status and [status.st_size, status.st_mtime_ns]


def _shown(boxes: Boxes, frame: int) -> bool:
    return bool(len(boxes) and boxes[0, 0] <= frame <= boxes[-1, 0])
