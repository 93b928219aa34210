"""`caer-data annotate`: serve, push, status, pull, pay, backup, restore, import."""

from __future__ import annotations

import signal
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from caer_data.cli import options as common
from caer_data.engine.progress import Reporter, options

if TYPE_CHECKING:
    from caer_data.annotate.push import Pushed
    from caer_data.engine.dataset import Dataset
    from caer_data.labels.agreement import Agreement

_DAY = click.DateTime(formats=["%Y-%m-%d"])
_url = click.option(
    "--url",
    help="A Label Studio that others run; its token comes from CAER_LABEL_STUDIO_TOKEN or a "
    "prompt. Default: the one of 'annotate serve'.",
)


class _Limit(click.ParamType[int | str]):
    """A number of clips, or the word 'all'."""

    name = "N|all"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        text = str(value)
        if text == "all":
            return text
        if not (text.isascii() and text.isdigit() and int(text)):
            self.fail(f"'{text}' is neither a number of clips nor 'all'.", param, ctx)
        return int(text)


@click.group()
def command() -> None:
    """Have the clips rated by three blind raters each, in Label Studio."""


@command.command()
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 for raters on other machines.",
)
@click.option(
    "--public-url",
    help="Where raters reach the server through an HTTPS proxy, such as https://rate.lab.org.",
)
@options
def serve(port: int, host: str, public_url: str | None, reporter: Reporter) -> None:
    """Run Label Studio on this machine until Ctrl-C.

    The first time it is installed (in an environment of its own) and its database is set up. One
    server serves all your datasets.
    """
    from caer_data.annotate.studio import server
    from caer_data.annotate.studio.folders import server_folder

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    server.serve(server_folder(), host, port, reporter, public_url)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """What ends the server, whichever signal asks for it."""
    raise KeyboardInterrupt


@command.command()
@common.dataset_clips
@click.option(
    "--raters",
    type=common.FILE,
    help="File of e-mail addresses, one per line; needed the first time.",
)
@click.option(
    "--replace",
    nargs=2,
    metavar="OLD NEW",
    help="Give the unanswered clips of a rater who leaves to another.",
)
@click.option(
    "--again",
    type=common.FILE,
    help="CSV with a column clip_id: have these rated again by raters who have not seen them.",
)
@click.option(
    "--known",
    type=common.FILE,
    help="CSV with the columns clip_id and emotion: clips whose right answer you know, for gold "
    "clips and training.",
)
@click.option(
    "--limit",
    type=_Limit(),
    help="Number of clips to deal in all, balanced as the recipe's annotate.first says; later "
    "pushes keep to it. 'all' lifts it.",
)
@click.option(
    "--labels",
    type=common.FILE,
    help="With --limit: CSV with the columns clip_id and emotion, first labels to balance by.",
)
@click.option(
    "--page", type=common.FILE, help="Labelling page (XML) to use in place of the shipped one."
)
@click.option(
    "--instructions",
    type=common.FILE,
    help="What raters read before they begin (HTML), in place of the shipped text.",
)
@_url
@options
def push(
    *,
    dataset: Path,
    raters: Path | None,
    replace: tuple[str, str] | None,
    again: Path | None,
    known: Path | None,
    limit: int | str | None,
    labels: Path | None,
    page: Path | None,
    instructions: Path | None,
    url: str | None,
    reporter: Reporter,
) -> None:
    """Deal the clips to the raters and put them on the server.

    Running it again adds what is new and changes nothing else.
    """
    from caer_data.annotate import push as pushing
    from caer_data.annotate.budget import Budget
    from caer_data.annotate.deal import assignments as deal
    from caer_data.annotate.studio import accounts
    from caer_data.annotate.studio.client import connect
    from caer_data.engine.dataset import Dataset
    from caer_data.engine.errors import CaerError

    own = Dataset(dataset)
    people = deal.read_raters(raters, own.recipe.annotate.raters_per_clip) if raters else None
    own.require()
    server = connect(url)
    done = pushing.push(
        own,
        server,
        reporter,
        raters=people,
        replace=replace,
        second_round_file=again,
        known=known,
        budget=Budget(limit, labels),
        page_file=page,
        instructions=instructions,
    )
    for clip, why in list(done.refused.items())[:20]:
        reporter.warn(f"not shown: {clip}: {why}")
    if len(done.refused) > 20:
        reporter.warn(f"not shown: {len(done.refused) - 20} more clips")
    reporter.say(
        f"{done.clips} clips are dealt to {len(done.addresses)} raters; "
        f"{done.added} tasks added, {done.removed} removed."
    )
    for line in done.training:
        reporter.say(f"Training: {line}.")
    if done.waiting:
        reporter.say(
            f"{done.waiting} more clips wait beyond the limit; 'push --limit N' with a greater N, "
            "or --limit all, deals them."
        )
    if done.checks:
        reporter.say(f"{done.checks} of the tasks are gold clips and repeats, which are no votes.")
    if done.gold_lacking:
        reporter.warn(
            f"{done.gold_lacking} gold clips are due, but too few answers are known; give more by "
            "--known, or push again when clips have been rated"
        )
    if again is not None:
        reporter.say(_dealt_again(again, done))
    if not server.guarded:
        reporter.warn(
            "This server runs without caer-data's guard: every rater can open the other raters' "
            "projects and answers, so blindness rests on their discipline. 'caer-data annotate "
            "serve' runs a guarded one."
        )
    passwords = accounts.password_path(server)
    if done.new_accounts or passwords.is_file():
        reporter.say(f"First passwords, to hand out: {passwords} (only you can read it).")
    width = max(map(len, done.addresses), default=0)
    for rater, address in done.addresses.items():
        reporter.say(f"  {rater:<{width}}  {address}")
    reporter.result(
        {
            "clips": done.clips,
            "added": done.added,
            "removed": done.removed,
            "refused": done.refused,
            "again": done.reassigned,
            "again_before": done.already_reassigned,
            "waiting": done.waiting,
            "training": done.training,
            "checks": done.checks,
            "gold_lacking": done.gold_lacking,
            "addresses": done.addresses,
            "problems": done.problems,
            "guarded": server.guarded,
            "passwords": str(passwords),
        }
    )
    if done.problems:
        raise CaerError(
            f"{len(done.problems)} of {len(done.addresses)} raters' projects are not as they "
            "should be, the others are complete:\n  " + "\n  ".join(done.problems.values())
        )


def _dealt_again(listed: Path, done: Pushed) -> str:
    """What became of the clips of `--again`."""
    if not done.reassigned + done.already_reassigned:
        return f"{listed}: lists no clip; none is dealt again."
    sentences = []
    if done.reassigned:
        one = done.reassigned == 1
        clips, labels = ("clip is", "its label is") if one else ("clips are", "their labels are")
        sentences.append(
            f"{done.reassigned} {clips} dealt again: from the next pull on, {labels} open until "
            "rated again."
        )
    if done.already_reassigned:
        clips = "clip was" if done.already_reassigned == 1 else "clips were"
        sentences.append(f"{done.already_reassigned} {clips} skipped: already reassigned.")
    return " ".join(sentences)


@command.command()
@common.dataset_clips
@_url
@options
def status(dataset: Path, url: str | None, reporter: Reporter) -> None:
    """Show who has done how much, pace, time left, agreement so far."""
    from caer_data.annotate import status as progress
    from caer_data.annotate.studio.client import connect
    from caer_data.engine.dataset import Dataset

    own = Dataset(dataset)
    own.require()
    found = progress.status(own, connect(url), reporter)
    reporter.result(found.as_dict())
    if reporter.mode != "json":
        click.echo(found.text())


@command.command()
@common.dataset_clips
@_url
@options
def pull(dataset: Path, url: str | None, reporter: Reporter) -> None:
    """Fetch the answers, decide the labels, measure agreement."""
    from caer_data.annotate import pull as pulling
    from caer_data.annotate.studio.client import connect
    from caer_data.engine.dataset import Dataset

    own = Dataset(dataset)
    own.require()
    found = pulling.pull(own, connect(url), reporter)
    _show(own, found.summary(), found.agreement, reporter)


@command.command()
@common.dataset_clips
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSV file to write.  [default: to the terminal]",
)
@click.option("--since", type=_DAY, help="First day that counts, UTC, such as 2026-03-01.")
@click.option("--until", type=_DAY, help="Last day that counts.")
@options
def pay(
    dataset: Path,
    output: Path | None,
    since: datetime | None,
    until: datetime | None,
    reporter: Reporter,
) -> None:
    """Count each rater's clips and hours in the pulled answers, as CSV."""
    from caer_data.annotate.pay import pay as count
    from caer_data.engine.dataset import Dataset
    from caer_data.engine.files import write_text

    own = Dataset(dataset)
    own.require()
    first, last = (day.date().isoformat() if day else None for day in (since, until))
    table = count(own, first, last)
    text = table.to_csv(index=False, lineterminator="\n")
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
        reporter.say(f"{len(table)} raters, {table['hours'].sum():.1f} hours: {output}")


@command.command()
@click.argument("archive", type=click.Path(dir_okay=False, path_type=Path))
@options
def backup(archive: Path, reporter: Reporter) -> None:
    """Save the rating server of this machine in one file.

    The server may run meanwhile. The file holds answers, clips and passwords: keep it as safe as
    the server.
    """
    from caer_data.annotate.studio import archive as archives
    from caer_data.annotate.studio.folders import server_folder

    count = archives.backup(server_folder(), archive, reporter)
    reporter.say(f"{count} files of {server_folder()} are saved in {archive}.")
    reporter.result({"archive": str(archive), "files": count})


@command.command()
@click.argument("archive", type=common.FILE)
@options
def restore(archive: Path, reporter: Reporter) -> None:
    """Make a rating server from a backup, in an empty $CAER_SERVER."""
    from caer_data.annotate.studio import archive as archives
    from caer_data.annotate.studio.folders import server_folder

    count = archives.restore(archive, server_folder(), reporter)
    reporter.say(
        f"{count} files are restored to {server_folder()}; start it with 'caer-data annotate "
        "serve'. Everybody logs in again."
    )
    reporter.result({"folder": str(server_folder()), "files": count})


@command.command("import")
@common.dataset_clips
@click.argument("ratings", type=common.FILE)
@click.option(
    "--map",
    "mapped",
    multiple=True,
    metavar="NAME=COLUMN",
    help="The file's column for one of ours, such as rater=WorkerId; may be repeated.",
)
@click.option(
    "--confidence-scale",
    "scale",
    default="0..1",
    show_default=True,
    help="From a guess to certain, such as 1..5 or 0..100.",
)
@click.option("--synonyms", is_flag=True, help="Take joy as happy, angry as anger and the like.")
@click.option("--encoding", help="The file's encoding. Default: told from its bytes.")
@options
def import_(
    dataset: Path,
    ratings: Path,
    mapped: tuple[str, ...],
    scale: str,
    synonyms: bool,
    encoding: str | None,
    reporter: Reporter,
) -> None:
    """Take ratings from a CSV: clip_id, rater, emotion, confidence."""
    from caer_data.annotate.pull import Pulled, agreement_of
    from caer_data.engine.dataset import Dataset
    from caer_data.labels import csv_import
    from caer_data.labels import decide as labels
    from caer_data.labels.cells import Scale

    own = Dataset(dataset)
    own.require()
    pairs = [(ours, theirs) for ours, _, theirs in (pair.partition("=") for pair in mapped)]
    wishes = csv_import.ImportOptions(pairs, Scale.parse(scale), synonyms, encoding)
    with own.lock():
        fresh = csv_import.read(ratings, own, wishes, reporter.say)
        everything, decided = labels.update(own, fresh, snapshot=False)
        found = Pulled(everything, decided, agreement_of(own, everything, decided))
    _show(own, found.summary(), found.agreement, reporter)


def _show(dataset: Dataset, summary: str, agreement: Agreement, reporter: Reporter) -> None:
    """Print the outcome and bring the dataset's report up to date."""
    from caer_data.labels.agreement_text import agreement_text
    from caer_data.report.dataset import write_report

    reporter.say(summary)
    if reporter.mode == "bars":
        click.echo(agreement_text(agreement))
    write_report(dataset)
    reporter.say(f"The report is in {dataset.report_path}.")
    reporter.result({"alpha": agreement.alpha, "report": str(dataset.report_path)})
