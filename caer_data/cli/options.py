"""Options that verbs share: one name, one meaning and one wording in all of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from caer_data.engine.objects import Place, is_remote, parse
from caer_data.engine.progress import log_options

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_DATASET = Path("dataset")


def as_json(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`, `--verbose` and `--debug` to a verb that only shows something.

    All other verbs use `progress.options`.
    """
    option = click.option(
        "--json", "as_json", is_flag=True, help="One JSON object per line, for programs."
    )
    return option(log_options(function))


if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # not generic in click 8.1
    _ParamType = click.ParamType


class _PlaceOrFolder(_ParamType):
    """A folder, or `s3://bucket/prefix`."""

    name = "path"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | Place:
        if isinstance(value, Path):
            return value
        return parse(value) if is_remote(value) else Path(value)


PLACE: Final = _PlaceOrFolder()


def worked_on(name: str, **how: bool) -> Decorator:
    """Return a decorator that replaces an address in an object store by a working copy.

    Args:
        name: name of the argument with the address.
        how: arguments of `remote.opened`.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with working_copy(kwargs[name], **how) as folder:
                return function(*args, **kwargs | {name: folder})

        return wrapper

    return decorate


@contextmanager
def working_copy(place: Path | Place, **how: bool) -> Iterator[Path]:
    """Yield a folder as it is, or the working copy of an address in an object store.

    Args:
        place: the folder or address.
        how: arguments of `remote.opened`.
    """
    if not isinstance(place, Place):
        yield place
        return
    from caer_data.engine.remote import opened

    with opened(place, _say, **how) as folder:
        yield folder


def _say(text: str) -> None:
    click.echo(text, err=True)


def dataset(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--dataset`, for verbs that read and write the dataset."""
    return _dataset(worked_on("dataset", artifacts=True)(function))


def dataset_and_prune(function: Callable[..., Any]) -> Callable[..., Any]:
    """Like `dataset`, for verbs that remove things permanently."""
    return _dataset(worked_on("dataset", artifacts=True, prune=True)(function))


def dataset_tables(function: Callable[..., Any]) -> Callable[..., Any]:
    """Like `dataset`, for verbs that only read tables."""
    return _dataset(worked_on("dataset", clips=False, writes=False)(function))


def dataset_clips(function: Callable[..., Any]) -> Callable[..., Any]:
    """Like `dataset`, for verbs that need no intermediate results."""
    return _dataset(worked_on("dataset")(function))


_dataset = click.option(
    "-d", "--dataset", type=PLACE, default=_DATASET, show_default=True, help="Dataset folder."
)

url = click.option(
    "--url",
    help="A Label Studio server run by others; its token is read from CAER_LABEL_STUDIO_TOKEN "
    "or a prompt. Default: the server of 'annotate serve'.",
)
"""The rating server, for verbs that connect to it."""


def release_and_results(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--release` and `--results`, the folders of a dataset's release and results."""
    function = click.option(
        "--results",
        type=FOLDER,
        default="results",
        show_default=True,
        help="Results of the benchmark.",
    )(function)
    return click.option(
        "--release", type=FOLDER, default="release", show_default=True, help="Its release."
    )(function)


def dataset_or_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Like `dataset`, for verbs that also take the folder as their argument."""
    return _or_argument(worked_on("dataset", artifacts=True)(function))


def tables_or_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Like `dataset_tables`, for verbs that also take the folder as their argument."""
    return _or_argument(worked_on("dataset", clips=False, writes=False)(function))


def clips_or_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Like `dataset_clips`, for verbs that also take the folder as their argument."""
    return _or_argument(worked_on("dataset")(function))


def _or_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    @click.argument("positional", metavar="[DATASET]", required=False, type=PLACE)
    @click.option("-d", "--dataset", type=PLACE, help=f"Dataset folder.  [default: {_DATASET}]")
    @functools.wraps(function)
    def wrapper(
        *args: Any, positional: Path | Place | None, dataset: Path | Place | None, **kwargs: Any
    ) -> Any:
        if positional is not None and dataset is not None:
            raise click.UsageError(
                f"two datasets, {positional} and {dataset}: give only one, with -d/--dataset"
            )
        return function(*args, dataset=positional or dataset or _DATASET, **kwargs)

    return wrapper


def built_dataset(text: str) -> Decorator:
    """Return an option for the dataset to write: `-o/--output` or `-d/--dataset`."""
    return click.option(
        "-o",
        "--output",
        "-d",
        "--dataset",
        "output",
        type=PLACE,
        default=_DATASET,
        show_default=True,
        help=text,
    )


def workers(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--workers`; its former name `--jobs` is accepted with a message."""

    @click.option(
        "--workers",
        type=click.IntRange(1, 256),
        metavar="N",
        help="Number of processes.  [default: one per core]",
    )
    @click.option("--jobs", type=click.IntRange(1), hidden=True)
    @functools.wraps(function)
    def wrapper(*args: Any, workers: int | None, jobs: int | None, **kwargs: Any) -> Any:
        if jobs is not None:
            click.echo("--jobs is now --workers; the old name will be removed in 0.3.", err=True)
        return function(*args, workers=workers or jobs, **kwargs)

    return wrapper
