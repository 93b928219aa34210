"""`caer-data annotate push`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caer_data.cli import options as common
from caer_data.engine.progress import Reporter, options

if TYPE_CHECKING:
    from caer_data.annotate.push import Pushed


class _Limit(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
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


@click.command("push")
@common.dataset_clips
@click.option(
    "--raters",
    type=common.FILE,
    help="File with the raters' e-mail addresses, one per line; required for the first push.",
)
@click.option(
    "--replace",
    nargs=2,
    metavar="OLD NEW",
    help="Reassign the unanswered clips of a rater who leaves to another.",
)
@click.option(
    "--again",
    type=common.FILE,
    help="CSV with a column clip_id: clips to be rated again, by raters who have not seen them.",
)
@click.option(
    "--known",
    type=common.FILE,
    help="CSV with the columns clip_id and emotion: clips whose correct answer you know, used for "
    "gold clips and training.",
)
@click.option(
    "--limit",
    type=_Limit(),
    help="Total number of clips to assign, balanced by the recipe's annotate.first; it also "
    "applies to later pushes. 'all' removes the limit.",
)
@click.option(
    "--labels",
    type=common.FILE,
    help="With --limit: CSV with the columns clip_id and emotion, first labels to balance by.",
)
@click.option(
    "--page", type=common.FILE, help="Labelling page (XML) to use instead of the shipped one."
)
@click.option(
    "--instructions",
    type=common.FILE,
    help="Instructions for raters (HTML) to use instead of the shipped ones.",
)
@common.url
@options
def command(
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
    """Assign the clips to raters and upload them to the server.

    Running it again only adds what is new.
    """
    from caer_data.annotate import push as pushing
    from caer_data.annotate.assign import assignments as assign
    from caer_data.annotate.budget import Budget
    from caer_data.annotate.studio import accounts
    from caer_data.annotate.studio.client import connect
    from caer_data.engine.dataset import Dataset
    from caer_data.engine.errors import CaerError

    own = Dataset(dataset)
    people = assign.read_raters(raters, own.recipe.annotate.raters_per_clip) if raters else None
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
    _say(done, reporter)
    if again is not None:
        reporter.say(_reassigned(again, done))
    if not server.guarded:
        reporter.warn(
            "This server runs without caer-data's guard: every rater can open the other raters' "
            "projects and answers, so blindness depends on their discipline. To run a guarded "
            "server, use 'caer-data annotate serve'."
        )
    passwords = accounts.password_path(server)
    if done.new_accounts or passwords.is_file():
        reporter.say(f"Initial passwords to hand out: {passwords} (only you can read it).")
    width = max(map(len, done.addresses), default=0)
    for rater, address in done.addresses.items():
        reporter.say(f"  {rater:<{width}}  {address}")
    values = _values(done) | {"guarded": server.guarded, "passwords": str(passwords)}
    reporter.result(values)
    if done.problems:
        raise CaerError(
            f"the projects of {len(done.problems)} of {len(done.addresses)} raters are incomplete; "
            "the others are complete:\n  " + "\n  ".join(done.problems.values())
        )


def _say(done: Pushed, reporter: Reporter) -> None:
    """Report what was assigned."""
    for clip, why in list(done.refused.items())[:20]:
        reporter.warn(f"not shown: {clip}: {why}")
    if len(done.refused) > 20:
        reporter.warn(f"not shown: {len(done.refused) - 20} more clips")
    reporter.say(
        f"{done.clips} clips assigned to {len(done.addresses)} raters; "
        f"{done.added} tasks added, {done.removed} removed."
    )
    for line in done.training:
        reporter.say(f"Training: {line}.")
    if done.waiting:
        reporter.say(
            f"{done.waiting} more clips exceed the limit; assign them with 'push --limit N' with a "
            "larger N, or --limit all."
        )
    if done.checks:
        reporter.say(f"{done.checks} of the tasks are gold clips and repeats, which are not votes.")
    if done.gold_lacking:
        reporter.warn(
            f"{done.gold_lacking} gold clips are missing, because too few answers are known; "
            "supply more with --known, or push again when clips have been rated"
        )


def _values(done: Pushed) -> dict[str, Any]:
    """Return the result of a push, for `--json`."""
    return {
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
    }


def _reassigned(listed: Path, done: Pushed) -> str:
    """Return sentences about the clips of `--again`."""
    if not done.reassigned + done.already_reassigned:
        return f"{listed}: lists no clips; none were reassigned."
    sentences = []
    if done.reassigned:
        one = done.reassigned == 1
        clips, labels = ("clip is", "its label is") if one else ("clips are", "their labels are")
        sentences.append(
            f"{done.reassigned} {clips} reassigned; from the next pull on, {labels} open until "
            "rated again."
        )
    if done.already_reassigned:
        clips = "clip was" if done.already_reassigned == 1 else "clips were"
        sentences.append(f"{done.already_reassigned} {clips} skipped: already reassigned.")
    return " ".join(sentences)
