"""Execution of `caer-data benchmark` after parsing its options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click
from click.core import ParameterSource

from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter

if TYPE_CHECKING:
    from caer_data.benchmark.recipe import ModelRecipe, Preset
    from caer_data.benchmark.results.compare import Bench
    from caer_data.benchmark.results.entries import Entry
    from caer_data.benchmark.results.plan import Changes, Stores
    from caer_data.engine.recipe import Faces


@dataclass(frozen=True)
class Options:
    """Values of the command line, by the names of its options."""

    release: Path
    model: str
    preset: Preset
    suite: str | None
    cross: Path | None
    seeds: int
    epochs: int | None
    batch_size: int | None
    baseline_input: Literal["frame", "face"] | None
    precision: Literal["auto", "fp32", "bf16"] | None
    features: tuple[str, ...]
    encoder: Path | None
    weights: Path | None
    folds: int | None
    grouped: bool
    detect: str | None
    max_left_out: float
    device: str
    devices: int
    compiled: bool
    nodes: int
    output: Path
    store_folder: Path | None
    describe: str | None
    self_test: bool


def run(reporter: Reporter, options: Options) -> int:
    """Run what the command line requests; return the exit code.

    Raises:
        CaerError: options exclude each other, or a run fails.
    """
    from caer_data.engine import extras

    _check(options)
    extras.require("benchmark", "the verb 'benchmark'")
    if options.describe:
        return _describe(reporter, options.describe, options.preset)
    from caer_data.benchmark.results.compare import Bench
    from caer_data.benchmark.training.runtime import start
    from caer_data.engine.files import remove_leftovers

    fabric = start(options.device, options.devices, options.nodes)
    if not fabric.is_global_zero:
        reporter = Reporter("quiet")
    for folder in (options.output, options.store_folder):
        if fabric.is_global_zero and folder is not None and folder.is_dir():
            remove_leftovers(folder)
    bench = Bench(options.output, range(options.seeds), fabric, reporter)
    if options.self_test:
        return _self_test(bench, options)
    return _benchmark(bench, options)


def _check(options: Options) -> None:
    """Check that no options exclude each other or would be ignored.

    Raises:
        CaerError: two of them cannot be combined.
    """
    alone = [n for n in ("describe", "suite", "cross", "weights", "self_test") if _has(options, n)]
    source = click.get_current_context().get_parameter_source("model")
    if source not in (ParameterSource.DEFAULT, None) and not {"cross", "weights"} & set(alone):
        alone.append("model")  # only these two modes take a model
    if len(alone) > 1:
        first, second = (_option(name) for name in alone[:2])
        raise CaerError(f"{first} and {second}: give only one of them")
    mode = next((name for name in alone if name != "model"), "")
    for name in _given():
        if name not in _USEFUL[mode]:
            raise CaerError(f"{_option(name)} has no effect with {_option(mode)}; omit one of them")
    if options.grouped and not options.folds:
        raise CaerError("--grouped needs --folds K, the number of folds")


def _given() -> list[str]:
    """Return the names of the options given on the command line."""
    context = click.get_current_context()
    sources = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    given = [name for name in context.params if context.get_parameter_source(name) in sources]
    return [name for name in given if name not in _REPORTING]


_REPORTING: Final = {"quiet", "as_json", "verbose", "debug"}
_MACHINE: Final = {"device", "devices", "nodes", "output"}
_DATA: Final = {"release", "store_folder", "detect", "max_left_out"}
_TRAINED: Final = {"seeds", "epochs", "batch_size", "compiled", "precision", "features", "encoder"}
_USEFUL: Final = {
    "": {*_MACHINE, *_DATA, *_TRAINED, "model", "preset", "baseline_input", "folds", "grouped"},
    "suite": {*_MACHINE, *_DATA, *_TRAINED, "suite", "preset"},
    "cross": {*_MACHINE, *_DATA, *_TRAINED, "cross", "model", "preset", "baseline_input"},
    "weights": {
        *_MACHINE, *_DATA, "weights", "model", "preset", "baseline_input", "precision", "encoder",
        "batch_size",
    },
    "self_test": {*_MACHINE, "self_test", "seeds", "precision", "compiled"},
    "describe": {"describe", "preset"},
}  # fmt: skip
"""Options that each mode uses; others are refused rather than ignored."""


def _has(options: Options, name: str) -> bool:
    return getattr(options, name) not in (None, False, ())


def _option(name: str) -> str:
    words = {"baseline_input": "--input", "compiled": "--compile", "store_folder": "--store"}
    return words.get(name, "RELEASE" if name == "release" else "--" + name.replace("_", "-"))


def _benchmark(bench: Bench, options: Options) -> int:
    from caer_data.benchmark.results.plan import Changes, Stores

    changed = Changes(
        options.epochs,
        options.batch_size,
        options.baseline_input,
        options.precision,
        str(options.encoder) if options.encoder else None,
        options.compiled,
        bench.with_graphs,
    )
    stores = Stores(
        options.store_folder or bench.results / "store",
        bench.fabric,
        bench.reporter,
        _detector(options.detect),
        options.max_left_out,
    )
    found = (
        _suite(bench, options, changed, stores)
        if options.suite
        else _model(bench, options, changed, stores)
    )
    if bench.fabric.is_global_zero:
        _report(options)
    bench.reporter.result(found)
    for failure in bench.failures:
        bench.reporter.warn(failure)
    return 1 if bench.failures else 0


def _report(options: Options) -> None:
    """Update the report of the dataset in `dataset`, if the release was exported from it."""
    from caer_data.engine.dataset import Dataset
    from caer_data.report.dataset import write_report
    from caer_data.report.known import is_known

    dataset = Dataset()
    if dataset.report_path.is_file() and is_known(dataset, options.release):
        write_report(dataset, options.release, options.output)


def _suite(bench: Bench, options: Options, changed: Changes, stores: Stores) -> dict[str, Any]:
    from caer_data.benchmark.results import compare

    name = options.suite or ""
    entries = compare.suite(
        bench,
        name,
        options.release,
        stores,
        preset=options.preset,
        features=_features(options.features),
        changed=changed,
        encoder=changed.encoder,
    )
    return _finish(bench, name, entries, stores, options.release)


def _model(bench: Bench, options: Options, changed: Changes, stores: Stores) -> dict[str, Any]:
    from caer_data.benchmark import recipe
    from caer_data.benchmark.data import sources
    from caer_data.benchmark.results import compare
    from caer_data.benchmark.results.plan import with_features

    wanted = changed(recipe.load(options.model, options.preset))
    if options.encoder and wanted.model != "onnx-probe":
        raise CaerError(f"--encoder: {wanted.name} has no encoder; add --model onnx-probe")
    wanted = with_features(wanted, _features(options.features))
    for folder in filter(None, (options.release, options.cross)):  # check all before decoding any
        sources.check(folder, "clips" if wanted.clips else "images")
    compare.check(wanted, options.weights)
    here = stores(options.release, wanted)
    title = wanted.name
    if options.cross:
        entries = compare.cross(bench, wanted, here, stores(options.cross, wanted))
        title += " crossed"
    elif options.grouped:
        from caer_data.benchmark.results import folds

        entries = [folds.results(bench, wanted, here, options.folds or 0)]
        title += f" {options.folds} folds"
    else:
        entries = [compare.single(bench, wanted, here, options.weights)]
        title += " weights" if options.weights else ""
    found = _finish(bench, title, entries, stores, options.release)
    if not (options.cross or options.weights or options.grouped):
        _suspicious(bench, wanted, entries[0], stores, options)
    return found


def _finish(
    bench: Bench, title: str, entries: list[Entry], stores: Stores, release: Path
) -> dict[str, Any]:
    """Write the results and print their table."""
    if not bench.fabric.is_global_zero:
        return {}
    from caer_data.benchmark.results import entries as results
    from caer_data.engine.files import slug
    from caer_data.report import results as report

    folder = bench.results / slug(release.resolve().name) / slug(title)
    examples = report.examples_of(bench, entries, stores, release)
    missing = [*bench.failures, *bench.left_out]
    found = report.publish(
        entries, folder, f"Benchmark: {title}", examples, report.without_results(missing)
    )
    made_up = any(run["made_up"] for entry in entries for run in entry.runs)
    title += " (made-up data: the figures say nothing about people)" if made_up else ""
    if bench.reporter.mode not in ("json", "quiet"):
        click.echo(results.as_text(results.table(entries, results.analysed(entries)), title))
    for note in sorted({entry.note for entry in entries} - {""}):
        bench.reporter.say(note)
    bench.reporter.say(f"Written: {folder}/results.html, results.json, results.csv and tables/.")
    return found


def _suspicious(
    bench: Bench, wanted: ModelRecipe, entry: Entry, stores: Stores, options: Options
) -> None:
    from caer_data.benchmark.results import suspicious
    from caer_data.benchmark.results.folds import predictions
    from caer_data.engine.files import slug

    store = stores(options.release, wanted)
    frames = entry.predictions()
    if options.folds:
        # the runs chose their epoch on validation clips, so the folds are the better judge of these
        frames = [frame[frame["split"] == "test"] for frame in frames]
        frames.append(predictions(bench, wanted, store, options.folds))
    if bench.fabric.is_global_zero:
        folder = bench.results / slug(store.source.name) / slug(wanted.name)
        path = folder / "suspicious.csv"
        count = suspicious.write(frames, store.source.classes, path)
        bench.reporter.say(f"{path} lists {count} clips whose label the model disagrees with.")
        if count and all(sample.clip_id for sample in store.samples):
            bench.reporter.say(f"Have them rated again: caer-data annotate push --again {path}")


def _self_test(bench: Bench, options: Options) -> int:
    from caer_data.benchmark.results import entries as results
    from caer_data.benchmark.results.plan import compute_of
    from caer_data.benchmark.selftest.statements import as_text, self_test
    from caer_data.report import results as report
    from caer_data.report.selftest import sections

    graphs = options.compiled and bench.with_graphs
    found = self_test(bench, compute=compute_of(options.compiled, graphs, options.precision))
    if bench.fabric.is_global_zero:
        folder = bench.results / "self-test"
        both = found.entries[2]
        examples = report.examples_of(
            bench, [both], lambda release, recipe: found.store, bench.results
        )
        values = report.publish(
            found.entries,
            folder,
            "Self-test on synthetic clips",
            examples,
            sections(found),
            made_up=True,
            checks=[vars(check) for check in found.checks],
            passed=found.passed,
        )
        if bench.reporter.mode not in ("json", "quiet"):
            click.echo(as_text(found, results.as_text))
        bench.reporter.say(f"Written: {folder}/results.html, results.json and results.csv.")
        bench.reporter.result(values)
    return 0 if found.passed else 1


def _describe(reporter: Reporter, model: str, preset: Preset) -> int:
    from dataclasses import asdict

    from caer_data.benchmark import recipe
    from caer_data.benchmark.results import describe

    found = describe.describe(recipe.load(model, preset))
    if reporter.mode == "json":
        reporter.result(asdict(found))
    else:
        click.echo(describe.as_text(found))
    return 0


def _detector(word: str | None) -> Faces | None:
    from caer_data.engine.recipe import Faces

    return None if word is None else Faces.model_validate({"detector": word})


def _features(pairs: tuple[str, ...]) -> dict[str, str]:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise CaerError(f"--features {wrong[0]}: use the form MODEL=FILE, such as vgg=vgg16.pth")
    found = {pair.split("=", 1)[0]: pair.split("=", 1)[1] for pair in pairs}
    if len(found) < len(pairs):
        raise CaerError("--features: give only one file per model")
    return found
