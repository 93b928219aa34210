"""How far off `build --dry-run` is: what it estimates, and what the build then takes.

    python performance/dry_run.py SHOWS [--recipe caer] [--workers N]

Prints one row per quantity. The processor time of the build is that of the command and all that it
started; disk is that of clips and intermediate results. Clips are compared with those that the
build kept, and with these and the repeats that it dropped, which the estimate ignores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import checkout  # noqa: F401 - finds this checkout
import scale

from caer_data import Dataset
from caer_data.engine.cores import cores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shows", type=Path)
    parser.add_argument("--recipe", default="caer")
    parser.add_argument("--workers", type=int, default=cores())
    arguments = parser.parse_args()
    words = ["build", "--shows", str(arguments.shows), "--recipe", arguments.recipe]
    words += ["--workers", str(arguments.workers)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "d"
        words += ["-o", str(folder)]
        said = subprocess.run(
            [sys.executable, "-m", "caer_data", *words, "--dry-run", "--json"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        told = json.loads(said.splitlines()[-1])
        took = scale.run([*words, "-q"], arguments.workers)
        clips = Dataset(folder).clips
        kept = clips["status"] == "kept"
        repeats = clips["reason"] == "repeated"
        files = {
            path.stat().st_ino: path.stat().st_size
            for part in ("clips", "work")
            for path in (folder / part).rglob("*")
            if path.is_file()
        }
    print(f"{told['hours_left'] * 60:.1f} min of video; {json.dumps(told['rates'])}")
    rows = (
        ("processor time, s", told["core_hours"] * 3600, took.cpu_s),
        ("time, s", told["seconds"], took.wall_s),
        ("disk, MB", told["bytes"] / 1e6, sum(files.values()) / 1e6),
        ("clips kept", told["clips"], int(kept.sum())),
        ("clips kept or dropped as repeats", told["clips"], int((kept | repeats).sum())),
    )
    print("| | estimate | build | estimate / build |\n|---|---|---|---|")
    for what, estimate, actual in rows:
        share = f"{estimate / actual:.2f}" if actual else ""
        print(f"| {what} | {estimate:.1f} | {actual:.1f} | {share} |")


if __name__ == "__main__":
    main()
