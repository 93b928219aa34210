"""Detect the faces of a release without boxes, once, with the build's own detector."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from caer_data.benchmark.data.pictures import box_at, sampled
from caer_data.benchmark.data.samples import NO_BOXES, Boxes, Sample
from caer_data.benchmark.data.shards import MAX_FACES, Work
from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path
from caer_data.engine.hashing import hash_of
from caer_data.engine.pool import run_map
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Faces
from caer_data.faces.models.geometry import iou
from caer_data.faces.models.interface import Detector

SAMPLES_PER_FILE: Final = 64
LOOKS_PER_SECOND: Final = 2.5  # the build's rate; boxes between these frames are interpolated
_PICTURES: Final = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
SAME_FACE: Final = 0.1  # minimum overlap (IoU) of one face in pictures 0.4 s apart


def add_boxes(
    samples: Sequence[Sample], folder: Path, faces: Faces, workers: int, reporter: Reporter
) -> list[Work]:
    """Return samples with detected faces, of which the main one is the target.

    The target is the largest face of the sample, tracked from the frame in which it is largest. A
    known target is kept. All other faces are the sample's `others`. A sample without a face has no
    box, and the store will omit it. Detections are cached in `folder`, one file per 64 samples.

    Raises:
        CaerError: the detector's weights are missing.
    """
    chunks = [samples[i : i + SAMPLES_PER_FILE] for i in range(0, len(samples), SAMPLES_PER_FILE)]
    files = {folder / f"{_name(chunk, faces)}.json": chunk for chunk in chunks}
    missing = {path: chunk for path, chunk in files.items() if not path.is_file()}
    with reporter.stage("faces", total=len(samples), unit="samples") as bar:
        bar.advance(len(samples) - sum(len(chunk) for chunk in missing.values()))
        jobs = [(path, chunk, faces) for path, chunk in missing.items()]
        for searched in run_map(_detect_one, jobs, min(workers, len(jobs))):
            bar.advance(searched)
    works = []
    for path, chunk in files.items():
        found = json.loads(path.read_text())
        works += [_work(sample, found[sample.sample_id]) for sample in chunk]
    return works


def _name(chunk: Iterable[Sample], faces: Faces) -> str:
    parts: list[Any] = [faces.detector, faces.detector_size, faces.min_score, LOOKS_PER_SECOND]
    # includes the size, because an unreadable file may have been repaired since
    parts += [
        [*Work(s).fingerprint(), s.path.stat().st_size if s.path.is_file() else None] for s in chunk
    ]
    return "faces-" + hash_of(parts, 20)


def _detect_one(job: tuple[Path, Sequence[Sample], Faces]) -> int:
    _detect(*job)
    return len(job[1])


def _detect(path: Path, chunk: Sequence[Sample], faces: Faces) -> None:
    from caer_data.faces.models.choose import create_detector

    detector = create_detector(faces, threads=1)
    found: dict[str, list[list[float]]] = {}
    for sample in chunk:
        try:
            found[sample.sample_id] = _search(sample.path, detector, faces)
        except CaerError:
            found[sample.sample_id] = []  # the store reports why it cannot be read
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(found))


def with_boxes(sample: Sample, faces: Faces) -> Work:
    """Return one sample with newly detected boxes, without caching.

    Raises:
        CaerError: it cannot be read, or the detector's weights are missing.
    """
    from caer_data.faces.models.choose import create_detector

    return _work(sample, _search(sample.path, create_detector(faces, threads=1), faces))


def _search(path: Path, detector: Detector, faces: Faces) -> list[list[float]]:
    """Return the faces of a picture or clip, each as frame, x1, y1, x2, y2."""
    rows: list[list[float]] = []
    fps = LOOKS_PER_SECOND if path.suffix.lower() not in _PICTURES else None
    for frame, shown in sampled(path, fps):
        bgr = np.ascontiguousarray(shown.whole()[:, :, ::-1])
        seen = detector.detect([bgr], faces.min_score or detector.min_score)[0]
        rows += [[frame, *map(float, box)] for box in seen.boxes[:MAX_FACES]]
    return rows


def _work(sample: Sample, rows: list[list[float]]) -> Work:
    followed = follow(np.array(rows, np.float32).reshape(-1, 5))
    if len(sample.boxes):
        others = tuple(f for f in followed if not _is_target(f, sample.boxes))
        return Work(sample, others, searched=True)
    target, *rest = followed or [NO_BOXES]
    return Work(replace(sample, boxes=target), tuple(rest), searched=True)


def _is_target(face: Boxes, target: Boxes) -> bool:
    shared = [_overlap(row[1:], box_at(target, int(row[0]))) for row in face]
    return bool(np.mean(shared) > SAME_FACE)


def follow(rows: Boxes) -> list[Boxes]:
    """Link detections, shape (n, 5), into faces; each starts at the largest unassigned box.

    `faces.tracking.associate` is not suitable, because it assigns all faces of a frame at once and
    ends a track at a gap. A sample is one shot whose target is its largest face. That face must not
    lose a box to a smaller neighbour, nor be split because it was hidden for a while.
    """
    free = rows[np.argsort(rows[:, 0], kind="stable")]
    faces: list[Boxes] = []
    while len(free):
        size = (free[:, 3] - free[:, 1]) * (free[:, 4] - free[:, 2])
        start = int(size.argmax())
        taken = {start}
        for order in (range(start + 1, len(free)), range(start - 1, -1, -1)):
            taken |= set(_linked(free, start, order))
        chosen = sorted(taken)
        faces.append(free[chosen])
        free = np.delete(free, chosen, axis=0)
    return faces


def _linked(free: Boxes, start: int, order: Iterable[int]) -> list[int]:
    """Return the rows of one face followed in one direction, by the best overlap per frame."""
    linked: list[int] = []
    last, frame, best, overlap = free[start], free[start, 0], -1, SAME_FACE
    for i in [*order, -1]:
        if i == -1 or free[i, 0] != frame:
            if best >= 0:
                linked.append(best)
                last, best = free[best], -1
            overlap = SAME_FACE
            if i == -1:
                break
            frame = free[i, 0]
        if frame != free[start, 0] and (shared := _overlap(last[1:], free[i, 1:])) >= overlap:
            best, overlap = i, shared
    return linked


def _overlap(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    return float(iou(a[None].astype(np.float64), b[None].astype(np.float64))[0, 0])
