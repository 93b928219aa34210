"""`caer-data audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from caer_data.cli import options as common
from caer_data.engine import progress
from caer_data.engine.progress import Reporter


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="audit",
    show_default=True,
    help="Folder for the page, the pairs and the verdicts.",
)
@click.option("--faces", "with_faces", is_flag=True, help="Also compare faces between the splits.")
@click.option("--strict", is_flag=True, help="Treat findings as a failure (exit code 1).")
@common.workers
@progress.options
def command(
    *,
    folder: Path,
    output: Path,
    with_faces: bool,
    strict: bool,
    workers: int | None,
    reporter: Reporter,
) -> None:
    """Look for leaks between the splits of any dataset in FOLDER.

    Reads CAER and CAER-S as released, pictures or videos in folders, lists such as train.txt, a CSV
    of clips, Hugging Face datasets on disk, MELD, DFEW, and releases of caer-data. Compares files,
    pictures and sound, and the shows, episodes, persons and times in tables.
    """
    from caer_data.auditing import entries, write
    from caer_data.auditing.run import audit_folder
    from caer_data.engine.cores import cores
    from caer_data.engine.progress import printable
    from caer_data.export.pairs import counted
    from caer_data.export.release import FindingsError

    jobs = workers or cores()
    if folder.is_dir():
        write.check_target(output, folder)
    found = audit_folder(folder, jobs, reporter, with_faces)
    write.write(found, output, jobs)
    for note in found.notes:
        reporter.say(f"  note: {printable(note)}")
    if found.unread:
        name, why = next(iter(found.unread.items()))
        many = entries.counted(len(found.unread), "entry", "entries")
        such = f"{name}: {why}" if len(found.unread) == 1 else f"such as {name}: {why}"
        reporter.warn(printable(f"{many} cannot be read, {such}"))
    for verdict in found.verdicts:
        reporter.say(printable(f"  {verdict}"))
    reporter.say(f"{counted(len(found.pairs))}: see {output / write.PAGE}.")
    answer: dict[str, Any] = {
        "folder": str(folder),
        "layout": found.layout,
        "entries": len(found.entries),
        "page": str(output / write.PAGE),
        "pairs": len(found.pairs),
        "findings": [str(verdict) for verdict in found.findings],
    }
    reporter.result(answer)
    if strict and found.findings:
        raise FindingsError(f"{folder}: {len(found.findings)} findings, and --strict was given")
