"""Programs and a certificate for tests of HTTPS proxies."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def need(*programs: str) -> None:
    """Skip the test where one of Debian's packages is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"no {program}; apt-get install {' '.join(programs)}")


def make(folder: Path, name: str) -> tuple[Path, Path]:
    """Certificate and key for a name, signed by nobody else."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key),
         "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key
