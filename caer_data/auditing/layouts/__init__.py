"""Layouts of other datasets: one module each, tried in this order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from caer_data.auditing.entries import Recognised
from caer_data.auditing.layouts import dfew, folders, hugging_face, lists, meld, sheets
from caer_data.auditing.walk import Files
from caer_data.engine.errors import CaerError

LAYOUTS: Final[tuple[Callable[[Files], Recognised | None], ...]] = (
    meld.read,
    dfew.read,
    hugging_face.read,
    lists.read,
    sheets.read,
    folders.read,
)


def recognise(files: Files) -> Recognised:
    """Return a folder's dataset, read with the first layout that matches.

    Raises:
        CaerError: no layout matches, or a table cannot be read.
    """
    for read in LAYOUTS:
        found = read(files)
        if found is not None and len(found.entries):
            return found
    raise CaerError(
        f"{files.root}: not a known kind of dataset; known are folders of pictures or videos "
        "(including CAER and CAER-S as released), lists such as train.txt, a CSV of clips, "
        "a Hugging Face dataset on disk, MELD, DFEW, and releases of caer-data"
    )
