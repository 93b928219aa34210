"""Options that verbs share: one name, one meaning and one wording in all of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_DATASET = Path("dataset")

as_json = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per line, for programs."
)
"""For verbs that only show something; the others take `progress.options`."""

dataset = click.option(
    "-d",
    "--dataset",
    type=click.Path(path_type=Path),
    default=_DATASET,
    show_default=True,
    help="Dataset folder.",
)
"""The dataset that a verb works on."""


def dataset_or_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Like `dataset`, for verbs that also take the folder as their argument."""

    @click.argument("positional", metavar="[DATASET]", required=False, type=_path())
    @click.option("-d", "--dataset", type=_path(), help=f"Dataset folder.  [default: {_DATASET}]")
    @functools.wraps(function)
    def wrapper(*args: Any, positional: Path | None, dataset: Path | None, **kwargs: Any) -> Any:
        if positional is not None and dataset is not None:
            raise click.UsageError(
                f"two datasets, {positional} and {dataset}: name one, with -d/--dataset"
            )
        return function(*args, dataset=positional or dataset or _DATASET, **kwargs)

    return wrapper


def built_dataset(text: str) -> Decorator:
    """The dataset that a verb writes: `-o/--output`, and `-d/--dataset` as everywhere."""
    return click.option(
        "-o",
        "--output",
        "-d",
        "--dataset",
        "output",
        type=_path(),
        default=_DATASET,
        show_default=True,
        help=text,
    )


def workers(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--workers`, and take its former name `--jobs` with a sentence."""

    @click.option(
        "--workers",
        type=click.IntRange(1, 256),
        metavar="N",
        help="Processes.  [default: one per core]",
    )
    @click.option("--jobs", type=click.IntRange(1), hidden=True)
    @functools.wraps(function)
    def wrapper(*args: Any, workers: int | None, jobs: int | None, **kwargs: Any) -> Any:
        if jobs is not None:
            click.echo("--jobs is now called --workers; the old name goes in 0.3.", err=True)
        return function(*args, workers=workers or jobs, **kwargs)

    return wrapper


def _path() -> click.Path:
    return click.Path(path_type=Path)
