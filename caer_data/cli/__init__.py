"""The command line: one file per verb, which contains only its options and wording.

Commands are imported only when they run or show their own help, so that `caer-data --help` is fast.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from caer_data import __version__
from caer_data.engine import failures, logs
from caer_data.engine.cores import ONE_THREAD

# verb: (module with a click command named `command`, one line of help)
_VERBS = {
    "build": ("caer_data.cli.build", "Turn a folder of raw shows into clips ready for rating."),
    "status": (
        "caer_data.cli.status",
        "Show what is done, what comes next, and the command for it.",
    ),
    "inspect": ("caer_data.cli.inspect", "Show the funnel, a clip, or effects of thresholds."),
    "report": ("caer_data.cli.report", "Write one page with everything known about a dataset."),
    "view": ("caer_data.cli.view", "View a dataset in the browser and decide by hand."),
    "demo": ("caer_data.cli.demo", "Create small shows from free pictures and build them."),
    "recipe": ("caer_data.cli.recipe", "Explain a recipe's fields; compare two recipes."),
    "annotate": ("caer_data.cli.annotate", "Have the clips rated in Label Studio."),
    "export": ("caer_data.cli.export", "Turn labelled clips into a released dataset."),
    "audit": ("caer_data.cli.audit", "Look for leaks between the splits of any dataset."),
    "verify": ("caer_data.cli.verify", "Check a release against its manifest."),
    "rebuild": ("caer_data.cli.rebuild", "Recreate the clips of a release without media."),
    "diff": ("caer_data.cli.diff", "Show the differences between two releases."),
    "join": ("caer_data.cli.join", "Join several releases of one lab."),
    "upgrade": ("caer_data.cli.upgrade", "Convert an older dataset to this version's format."),
    "people": ("caer_data.cli.people", "List, merge, split and name persons."),
    "forget": ("caer_data.cli.forget", "Permanently remove people or footage."),
    "clean": ("caer_data.cli.clean", "Remove intermediate results that are no longer used."),
    "benchmark": ("caer_data.cli.benchmark_group", "Train and test CAER-Net and its baselines."),
    "doctor": (
        "caer_data.cli.doctor",
        "Check what is installed, what is missing and how to install it.",
    ),
}


class _LazyGroup(click.Group):
    """A group that imports a command when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        command = importlib.import_module(_VERBS[cmd_name][0]).command
        assert isinstance(command, click.Command)  # noqa: S101 - for the type checker
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib  # only needed after a mistake

            near = difflib.get_close_matches(args[0], _VERBS, n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean '{near[0]}'?", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, help_line) for verb, (_, help_line) in _VERBS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="caer-data")
def cli() -> None:
    """Build a context-aware emotion dataset from raw television shows, and benchmark it.

    By default, commands work on dataset/ in the current folder, and export writes release/.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; report any error in one sentence with a non-zero exit code."""
    logs.begin()
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] != ["benchmark"]:  # where PyTorch may train with the same library
        for name, value in ONE_THREAD.items():  # takes effect because NumPy is not imported yet
            os.environ.setdefault(name, value)
    try:
        result: Any = cli.main(args=arguments, prog_name="caer-data", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as stop:
        if isinstance(
            stop.__cause__, EOFError
        ):  # standard input ended, which click treats like Ctrl-C
            raise stop.__cause__ from None
        click.echo("\nStopped. Run the same command again to resume.", err=True)
        sys.exit(130)
    except Exception as error:
        sys.exit(_report(error))
    sys.exit(result if isinstance(result, int) else 0)


def _report(error: Exception) -> int:
    """Print an error in one sentence; return the exit code.

    Raises:
        Exception: `error` itself, if it is a bug whose traceback is in no log.
    """
    problem = failures.explain(error)
    trace = logs.record(error)
    if isinstance(problem, failures.OutputClosed):
        # Python flushes at exit, which would print another error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return problem.exit_code
    if failures.is_foreseen(error):
        click.echo(f"Error: {problem}", err=True)
    elif trace is None:
        raise error
    else:
        click.echo(f"Error: {problem}; the traceback is in {trace}", err=True)
    return problem.exit_code
