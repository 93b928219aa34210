"""Lets a command work in a local folder on a dataset or release in an object store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from caer_data.engine.copies import Copy, Say, at_work
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
    writes: bool = True,
) -> Iterator[Path]:
    """Yield a working copy of a dataset or release; upload its changes when the block ends.

    Changes are also uploaded after a `PartialFailure`, since the remaining work was done. After any
    other exception, the folder keeps the finished work for the next command that writes.

    Args:
        place: address of the dataset or release.
        say: receives sentences for people.
        clips: see `Copy`.
        artifacts: see `Copy`; artifacts are uploaded as they are finished.
        dataset: see `Copy`.
        state: see `Copy.push`.
        prune: whether to remove from the store what the folder no longer contains.
        writes: whether the command may change something. If so, a store that cannot be written is
            refused before anything is fetched or done; otherwise nothing is uploaded.
    """
    copy = Copy(place, clips=clips, artifacts=artifacts, dataset=dataset)
    copy.check(writes=writes)
    copy.pull(say)
    try:
        uploads = artifacts and writes
        with at_work(copy), copy.putting_artifacts() if uploads else nullcontext():
            yield copy.folder
    except PartialFailure:
        if writes:
            copy.push(state=state)
        raise
    if writes:
        copy.push(state=state)
    if prune:
        copy.prune()
