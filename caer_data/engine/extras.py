"""Extras: optional packages that some verbs and recipes need, and how to install them."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import Requirement

from caer_data.engine.errors import CaerError

_DISTRIBUTION: Final = "caer-data"


def require(extra: str, user: str) -> None:
    """Check that an extra is installed.

    Args:
        extra: name of the extra in pyproject.toml.
        user: what needs it, as the beginning of a sentence, such as "shots.detector 'transnet'".

    Raises:
        CaerError: it is not; the message names the missing packages and how to install them.
    """
    lacking = missing(extra)
    if lacking:
        names = ", ".join(requirement.name for requirement in lacking)
        raise CaerError(
            f"{user} needs packages that are not installed ({names}); run {install_command(extra)}"
        )


def missing(extra: str) -> list[Requirement]:
    """Return the packages of an extra that are missing or installed in an unsuitable version."""
    return [requirement for requirement in requirements(extra) if not _is_met(requirement)]


def install_command(extra: str) -> str:
    """Return the command that installs an extra: from the user's clone, or package by package.

    caer-data is not on PyPI, so `pip install 'caer-data[...]'` would find nothing.
    """
    clone, editable = _clone()
    if clone:
        return f"pip install {'-e ' if editable else ''}'{clone}[{extra}]'"
    return "pip install " + " ".join(f"'{_plain(item)}'" for item in requirements(extra))


def requirements(extra: str = "") -> list[Requirement]:
    """Return the requirements of an extra (by default of the package itself).

    Empty if caer-data is not installed.
    """
    try:
        lines = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    every = [Requirement(line) for line in lines]
    base = [r for r in every if r.marker is None or r.marker.evaluate({"extra": ""})]
    if not extra:
        return base
    return [r for r in every if r not in base and r.marker and r.marker.evaluate({"extra": extra})]


def version(distribution: str) -> str | None:
    """Return the version of an installed distribution; None if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _is_met(requirement: Requirement) -> bool:
    found = version(requirement.name)
    return found is not None and requirement.specifier.contains(found, prereleases=True)


def _plain(requirement: Requirement) -> str:
    """Return a requirement without its marker."""
    return f"{requirement.name}{requirement.specifier}"


def _clone() -> tuple[str, bool]:
    """Return the folder that caer-data was installed from, and whether the install is editable."""
    # A build leaves metadata in the clone that do not say where the package was installed from.
    known = importlib.metadata.distributions(name=_DISTRIBUTION)
    texts = [text for found in known if (text := found.read_text("direct_url.json"))]
    origin = json.loads(texts[0]) if texts else {}
    parts = urlsplit(origin.get("url", ""))
    if parts.scheme != "file" or "dir_info" not in origin:
        return "", False
    folder = url2pathname(parts.path)
    if not (Path(folder) / "pyproject.toml").is_file():
        return "", False
    return folder, bool(origin["dir_info"].get("editable"))
