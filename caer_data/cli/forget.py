"""`caer-data forget`."""

from __future__ import annotations

import getpass
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from caer_data.cli import options as common
from caer_data.engine.progress import Reporter, options

if TYPE_CHECKING:
    from caer_data.engine.dataset import Dataset
    from caer_data.forget.run import Removed


def _many(what: str, text: str) -> common.Decorator:
    return click.option(f"--{what}", f"{what}s", multiple=True, metavar="NAME", help=text)


@click.command("forget")
@common.dataset_and_prune
@_many("video", "A video, by identifier, path or SHA-256.")
@_many("person", "A person, by identifier or given name.")
@_many("clip", "A clip, by name or key.")
@_many("rater", "A rater, by e-mail address or name.")
@click.option("--why", default="", help="The reason, for the record; do not mention names.")
@click.option("--undo", metavar="KEY", help="Allow something again from the next build on.")
@click.option("--list", "listed", is_flag=True, help="List what is forgotten, with keys.")
@click.option("--url", help="A Label Studio server run by others, from which to remove it, too.")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@options
def command(
    *,
    dataset: Path,
    videos: tuple[str, ...],
    persons: tuple[str, ...],
    clips: tuple[str, ...],
    raters: tuple[str, ...],
    why: str,
    undo: str | None,
    listed: bool,
    url: str | None,
    yes: bool,
    reporter: Reporter,
) -> None:
    """Permanently remove people or footage.

    Forgetting a person removes every clip in which the person is visible, even with another target.
    Later builds and imports skip what is forgotten. Existing releases are not changed.
    """
    from caer_data.engine.dataset import Dataset
    from caer_data.forget import run
    from caer_data.forget.selection import Selection, tombstones

    own, asked = Dataset(dataset), Selection(videos, persons, clips, raters)
    own.require()
    if listed or undo:
        _list_or_undo(own, undo, reporter)
        return
    if not asked and not run.has_tombstones(own):
        raise click.UsageError("give what to forget: --video, --person, --clip or --rater.")
    with own.lock():
        rows = tombstones(own, asked, getpass.getuser(), why)
        planned = run.estimate(own, run.with_new(own, rows))
        if not yes and not click.confirm(
            f"{dataset}: {planned.text()} would be removed and cannot be restored. Continue?",
            err=True,
        ):
            reporter.say("Nothing was removed.")
            return
        removed = run.forget(own, rows)
    _tell(own, removed, reporter)
    withdrawn = _take_off(own, url, reporter)
    reporter.result(removed.as_dict() | {"server": withdrawn})


def _tell(dataset: Dataset, removed: Removed, reporter: Reporter) -> None:
    reporter.say(f"{dataset.folder}: removed {removed.text()}, {removed.log_lines:,} log lines.")
    for path in removed.left:
        reporter.warn(f"{path} was modified after it was cut, so it was kept; check it yourself")
    if removed.releases:
        named = ", ".join(removed.releases)
        command = shlex.join(["caer-data", "export", "-d", str(dataset.folder), "--overwrite"])
        reporter.warn(
            f"existing releases still contain it, such as {named}; export them again with "
            f"'{command} -o RELEASE', and ask everyone with a copy to replace it"
        )
    else:
        reporter.say("Releases elsewhere still contain it; export them again.")


def _take_off(dataset: Dataset, url: str | None, reporter: Reporter) -> bool:
    """Remove it from the rating server, or print the command that does; return if it is gone."""
    from caer_data.annotate import forgotten
    from caer_data.annotate.presentations import dataset_id
    from caer_data.annotate.studio.client import connect
    from caer_data.engine.errors import CaerError

    if not (dataset.folder / "annotation.json").is_file():
        return True
    try:
        withdrawn = forgotten.withdraw(dataset, connect(url), dataset_id(dataset))
    except CaerError as error:
        command = ["caer-data", "annotate", "push", "-d", str(dataset.folder)]
        retry = shlex.join(command + (["--url", url] if url else []))
        reporter.warn(f"the rating server still has it ({error}); remove it with '{retry}'")
        return False
    reporter.say(f"Removed from the rating server: {withdrawn.text()}.")
    return True


def _list_or_undo(dataset: Dataset, undo: str | None, reporter: Reporter) -> None:
    import json

    from caer_data.engine.decisions import Decision, Decisions

    store = Decisions(dataset.folder)
    if undo is not None:
        if undo not in {row.key for row in store.standing("forget")}:
            raise click.UsageError(f"there is no forgotten item with the key '{undo}'; see --list.")
        store.append(Decision("undo", getpass.getuser(), value=json.dumps(undo)))
        reporter.say("The next build restores it; removed answers cannot be restored.")
    rows = store.standing("forget")
    for row in rows:
        reporter.say(f"{row.key}  {row.content['what']}  {row.when[:10]}  {row.why}".rstrip())
    if not rows:
        reporter.say(f"{dataset.folder}: nothing is forgotten.")
    kinds = [{"key": row.key, "what": row.content["what"], "when": row.when} for row in rows]
    reporter.result({"forgotten": kinds})
