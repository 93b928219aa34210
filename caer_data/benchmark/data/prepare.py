"""Open the store of a release: read the release, detect faces if requested, decode."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from caer_data.benchmark.data import detect, sources, store
from caer_data.benchmark.data.shards import Format, Work
from caer_data.benchmark.data.store import Store
from caer_data.benchmark.recipe import ModelRecipe
from caer_data.engine.cores import cores
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Faces

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def open_store(
    release: Path,
    recipe: ModelRecipe,
    folder: Path,
    *,
    faces: Faces | None,
    max_left_out: float = store.MAX_LEFT_OUT,
    fabric: Fabric,
    reporter: Reporter,
) -> Store:
    """Return the store of a release that a recipe needs; the first process makes what is missing.

    Args:
        release: folder of the release.
        recipe: only its `input` (sizes, frame rate, clips or images) and `hide.faces` matter here.
        folder: folder for all stores.
        faces: detector for samples without boxes, and for the other faces that `hide.faces: all`
            needs; None to detect nothing.
        max_left_out: maximum share of unusable samples in a split.
        fabric: the processes.
        reporter: shows progress.

    Raises:
        CaerError: see `sources.read` and `store.build`; or boxes are needed but unknown.
    """
    source = sources.read(release, "clips" if recipe.clips else "images")
    everyone = recipe.hide.faces == "all"
    unknown = sum(not len(s.boxes) for s in source.samples)
    if faces is None and (everyone or unknown == len(source.samples)):
        what = "boxes of the other faces" if everyone else "face boxes"
        raise CaerError(
            f"{release}: has no {what}; put box lists (train.txt, ...) there, or let the build's "
            "detector find the faces with --detect mmod"
        )
    if faces is not None and not (everyone or unknown):
        reporter.warn(f"{release}: all samples have face boxes, so no faces are detected in it")
    form = Format(recipe.input.face, recipe.input.frame, recipe.input.fps if recipe.clips else None)

    def make() -> Store:
        works = [Work(sample) for sample in source.samples]
        if faces is not None and (everyone or unknown):
            works = detect.add_boxes(source.samples, folder, faces, cores(), reporter)
        return store.build(
            works, source, form, folder, reporter=reporter, max_left_out=max_left_out
        )

    # the other processes wait until the first has made everything
    found, problem = None, ""
    if fabric.is_global_zero:
        try:
            found = make()
        except CaerError as error:
            problem = str(error)
    problem = fabric.broadcast(problem)
    if problem:
        raise CaerError(problem)
    return found or make()


class NoSoundError(CaerError):
    """A model that uses sound was given clips without any sound."""


def check_heard(found: Store, recipe: ModelRecipe, reporter: Reporter) -> None:
    """Report how many clips have no sound.

    Raises:
        NoSoundError: no clip has sound.
    """
    last = found.first + found.frames - 1
    known = np.concatenate([~np.isnan(a).all((1, 2)) for a in found.shard_arrays("sound")])
    total = np.concatenate([[0], np.cumsum(known)])
    silent = int((total[last + 1] == total[found.first]).sum())
    if silent == len(found.samples):
        raise NoSoundError(
            f"{found.source.name}: none of its clips has sound, which {recipe.name} uses; export "
            "clips with their sound, or set streams.sound to false"
        )
    if silent:
        reporter.warn(
            f"{found.source.name}: {silent} of {len(found.samples)} clips have no sound; "
            f"{recipe.name} gets a mask of unknown sound for them"
        )
