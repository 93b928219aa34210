"""The subcommands of `caer-data benchmark`; the default is `train`.

Each of them except `compare` runs `train` in one of its modes, and accepts only the options that
have an effect in this mode.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from caer_data.cli import benchmark, benchmark_run
from caer_data.engine import progress
from caer_data.engine.progress import Reporter

_train = benchmark.command
_OPTIONS = {str(option.name): option for option in _train.params}
_MODES = ("describe", "suite", "cross", "weights", "self_test")
_REPORTING = ("quiet", "as_json", "verbose", "debug")
_MODEL = ("model", "preset", "baseline_input", "precision")
_MACHINE = ("device", "devices", "nodes", "output")
_DATA = ("store_folder", "detect", "max_left_out")
_FIT = ("seeds", "epochs", "batch_size", "compiled")
_RENAMED = {"--most-left-out": "--max-left-out"}
_release = click.argument("release", type=click.Path(path_type=Path), default="release")


class _Group(click.Group):
    """A group whose subcommand may be omitted."""

    default = _train

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if first not in self.commands and first not in ctx.help_option_names:
            args = [str(self.default.name), *args]
        return super().parse_args(ctx, [_by_present_name(arg) for arg in args])


def _by_present_name(arg: str) -> str:
    """Return an argument; a former option's name is replaced, with a message."""
    name, equals, value = arg.partition("=")
    if name not in _RENAMED:
        return arg
    new = _RENAMED[name]
    click.echo(f"{name} is now {new}; the old name will be removed in 0.3.", err=True)
    return f"{new}{equals}{value}"


@click.group(cls=_Group, subcommand_metavar="[COMMAND] [RELEASE] [OPTIONS]")
def command() -> None:
    """Train and test CAER-Net, its ablations and baselines on a release.

    The default command is 'train': 'caer-data benchmark' trains the default model on release/ and
    tests it, and 'caer-data benchmark train --help' shows the options. If a release's folder has
    the name of a command, write ./NAME.
    """


def _taking(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds options of `train`, by the names of its parameters."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        params = [_OPTIONS[name] for name in names]
        function.__click_params__ = [  # type: ignore[attr-defined]
            *getattr(function, "__click_params__", []),
            *reversed(params),
        ]
        return function

    return add


def _run(reporter: Reporter, **given: Any) -> int:
    """Run `train` with these values and the defaults of all other options."""
    ctx = click.get_current_context()
    defaults = {name: option.get_default(ctx) for name, option in _OPTIONS.items()}
    values = {
        name: option.type_cast_value(ctx, None if _unset(defaults[name]) else defaults[name])
        for name, option in _OPTIONS.items()
        if name not in _REPORTING
    }
    return benchmark_run.run(reporter, benchmark_run.Options(**(values | given)))


def _unset(default: Any) -> bool:
    return type(default).__name__ == "Sentinel"  # click 8.3 has a sentinel for "no default"


for _mode in _MODES:
    _OPTIONS[_mode].hidden = True  # type: ignore[attr-defined]
command.add_command(_train)
command.add_command(benchmark.compare_command)


@command.command()
@click.argument("weights", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@_release
@_taking(*_MODEL, "encoder", "batch_size", *_DATA, *_MACHINE)
@progress.options
def test(reporter: Reporter, **given: Any) -> int:
    """Test trained weights without training.

    WEIGHTS is a weights.safetensors of an earlier run, which is tested on RELEASE.
    """
    return _run(reporter, **given)


@command.command()
@click.argument("suite", metavar="NAME", type=_OPTIONS["suite"].type)
@_release
@_taking("preset", "precision", "features", "encoder", *_FIT, *_DATA, *_MACHINE)
@progress.options
def suite(reporter: Reporter, **given: Any) -> int:
    """Train every row of a table or an ablation.

    NAME is one of the tables and ablations of docs/benchmark.md, such as table3.
    """
    return _run(reporter, **given)


@command.command()
@click.argument("release", metavar="RELEASE", type=click.Path(path_type=Path))
@click.argument("cross", metavar="OTHER", type=click.Path(path_type=Path))
@_taking(*_MODEL, "features", "encoder", *_FIT, *_DATA, *_MACHINE)
@progress.options
def cross(reporter: Reporter, **given: Any) -> int:
    """Train and test across two releases.

    Trains on RELEASE, on OTHER and on both, and tests on both (Table 6).
    """
    return _run(reporter, **given)


@command.command()
@click.argument("describe", metavar="[MODEL]", default="caer-net")
@_taking("preset")
@progress.options
def describe(reporter: Reporter, **given: Any) -> int:
    """Show a model's layers, shapes, parameters and multiply-adds."""
    return _run(reporter, **given)


@command.command()
@_taking("seeds", "precision", "compiled", *_MACHINE)
@progress.options
def selftest(reporter: Reporter, **given: Any) -> int:
    """Check the method on synthetic clips.

    Exits with 1 if one of its statements is not confirmed.
    """
    return _run(reporter, self_test=True, **given)
