"""Let a command work in a folder on what lies in a store of objects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from caer_data.engine.copies import Copy, Say
from caer_data.engine.errors import PartialFailure
from caer_data.engine.objects import Place


@contextmanager
def opened(
    place: Place,
    say: Say,
    *,
    clips: bool = True,
    artifacts: bool = False,
    dataset: bool = True,
    state: bool = True,
    prune: bool = False,
) -> Iterator[Path]:
    """Work on a place in a folder; what the block changes is put back when it ends.

    Also where it ends with a `PartialFailure`: the rest is done. Where it fails, the folder keeps
    what was done for the next command.

    Args:
        place: the dataset or release.
        say: receives sentences for people.
        clips: as `Copy`.
        artifacts: as `Copy`; they are put as they are finished.
        dataset: as `Copy`.
        state: as `Copy.push`.
        prune: remove from the store what the folder no longer holds.
    """
    copy = Copy(place, clips=clips, artifacts=artifacts, dataset=dataset)
    copy.pull(say)
    if artifacts:
        copy.check_writable()
    try:
        if artifacts:
            with copy.putting_artifacts():
                yield copy.folder
        else:
            yield copy.folder
    except PartialFailure:
        copy.push(state=state)
        raise
    copy.push(state=state)
    if prune:
        copy.prune()
