"""Write the results of an audit: page, pairs and verdicts."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from caer_data.auditing.page import page
from caer_data.auditing.run import Audited
from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error, write_text
from caer_data.export import pairs as pair_lists

FORMAT: Final = "caer-data audit"
ABOUT: Final = "audit.json"
PAGE: Final = "audit.html"


def check_target(target: Path, folder: Path) -> None:
    """Raise a CaerError if writing an audit would destroy something.

    Raises:
        CaerError: the target is a file, is inside the audited folder, or contains something else.
    """
    if target.resolve().is_relative_to(folder.resolve()):
        raise CaerError(f"{target}: inside the audited folder; choose another folder")
    if target.is_file():
        raise CaerError(f"{target}: this is a file; choose another folder")
    if target.is_dir() and any(target.iterdir()) and not _ours(target):
        raise CaerError(f"{target}: not empty and not an audit; choose another folder")


def _ours(target: Path) -> bool:
    try:
        facts = json.loads((target / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(facts, dict) and facts.get("format") == FORMAT


def write(audited: Audited, target: Path, jobs: int) -> None:
    """Write the page, the pairs and the verdicts, replacing an earlier audit.

    Raises:
        CaerError: the folder cannot be written.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CaerError(explain_os_error(error, target)) from error
    facts = {
        "format": FORMAT,
        "layout": audited.layout,
        "entries": len(audited.entries),
        "verdicts": [asdict(verdict) for verdict in audited.verdicts],
        "pairs": len(audited.pairs),
        "notes": audited.notes,
        "unread": audited.unread,
    }
    write_text(target / ABOUT, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    pair_lists.write(audited.pairs, target / pair_lists.NAME)
    write_text(target / PAGE, page(audited, jobs))
