"""The separate Python environment of Label Studio, whose pinned versions would affect ours."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from filelock import FileLock

from caer_data.engine.cache import cache_folder
from caer_data.engine.errors import CaerError
from caer_data.engine.files import atomic_path
from caer_data.engine.progress import Reporter

VERSION = "1.23.2"
# Number of packages that this version installs, for the progress bar.
_PACKAGES = 160


def environment() -> Path:
    """Return the folder of the environment, whether or not it exists."""
    return cache_folder() / f"label-studio-{VERSION}"


def python(folder: Path) -> Path:
    """Return the interpreter of an environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def installed_version() -> str | None:
    """Return the version of the installed server; None if it is not installed."""
    return VERSION if python(environment()).exists() else None


def install(reporter: Reporter) -> Path:
    """Create the environment if it is missing; return its folder.

    This takes a few minutes and about 1 GB. The packages come from the index configured for pip.

    Raises:
        CaerError: pip cannot install the server; the message gives its reason.
    """
    folder = environment()
    if installed_version():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not installed_version():
            reporter.say(
                f"Installing Label Studio {VERSION} into {folder}. This happens once, takes a few "
                "minutes and needs about 1 GB."
            )
            with atomic_path(folder) as temporary:
                venv.create(temporary, with_pip=True)
                _pip(temporary, reporter)
    return folder


def _pip(folder: Path, reporter: Reporter) -> None:
    command = [
        str(python(folder)), "-m", "pip", "install", "--no-input", "--progress-bar", "off",
        "--disable-pip-version-check", f"label-studio=={VERSION}",
    ]  # fmt: skip
    last = ""
    with (
        reporter.stage("install", total=_PACKAGES, unit="packages") as bar,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - for the type checker
        for line in process.stdout:
            last = line.strip() or last
            if line.startswith("Collecting") and bar.done < _PACKAGES - 1:
                bar.advance(1, note=line.split()[1][:40])
            elif line.startswith("Installing collected"):
                bar.advance(0, note="unpacking")
        bar.advance(_PACKAGES - bar.done, note="")
    if process.returncode:
        raise CaerError(
            f"Label Studio {VERSION} could not be installed ({last}); check the network and pip's "
            "index, then run the same command again"
        )
