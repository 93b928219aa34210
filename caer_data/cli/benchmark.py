"""The command line of `caer-data benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from caer_data.engine import progress
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter

if TYPE_CHECKING:
    from caer_data.benchmark.data.store import Store
    from caer_data.benchmark.recipe import ModelRecipe, Preset
    from caer_data.benchmark.results.compare import Bench
    from caer_data.benchmark.results.entries import Entry
    from caer_data.engine.recipe import Faces


@click.command()
@click.argument("release", type=click.Path(path_type=Path), default="release")
@click.option("--model", default="caer-net", show_default=True, help="Shipped recipe or YAML file.")
@click.option(
    "--preset",
    type=click.Choice(["paper", "tuned"]),
    default="paper",
    show_default=True,
    help="The literal reading, or what works best.",
)
@click.option(
    "--suite",
    type=click.Choice(["table3", "table4", "table5", "readings", "figure8"]),
    help="Every row of a table of the paper, or of an ablation of ours.",
)
@click.option(
    "--cross",
    type=click.Path(path_type=Path),
    metavar="RELEASE",
    help="Train here, there and on both; test on both (Table 6).",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Runs, with the seeds 0, 1, ...",
)
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--batch-size", type=click.IntRange(2), help="Instead of the recipe's.")
@click.option(
    "--input",
    "baseline_input",
    type=click.Choice(["frame", "face"]),
    help="What a baseline sees, instead of the recipe's.",
)
@click.option(
    "--features",
    multiple=True,
    metavar="MODEL=FILE",
    help="Trained features of a baseline (repeatable).",
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Test these weights.safetensors; train nothing.",
)
@click.option(
    "--folds",
    type=click.IntRange(3),
    metavar="K",
    help="Also judge training clips, by K-fold cross-validation, in suspicious.csv.",
)
@click.option(
    "--detect",
    type=click.Choice(["centerface", "mmod", "hog"]),
    help="Find faces where the release has no boxes.",
)
@click.option(
    "--most-left-out",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    metavar="SHARE",
    help="Stop where more of a split cannot be used.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to compute.",
)
@click.option(
    "--devices",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Devices of each machine.",
)
@click.option(
    "--compile",
    "compiled",
    is_flag=True,
    help="Compile models, on one GPU with CUDA graphs: takes a while, pays for many epochs.",
)
@click.option("--nodes", type=click.IntRange(1), default=1, show_default=True, help="Machines.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default="results",
    show_default=True,
    help="Folder of results.",
)
@click.option(
    "--store",
    "store_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of decoded frames  [default: store/ in the folder of results]",
)
@click.option(
    "--describe",
    metavar="MODEL",
    help="Show a model's layers, shapes, parameters and multiply-adds; train nothing.",
)
@click.option("--self-test", is_flag=True, help="Check on made-up clips that the science works.")
@progress.options
def command(reporter: Reporter, **options: Any) -> int:
    """Train and test CAER-Net, its ablations and baselines on a release.

    RELEASE is what 'caer-data export' wrote, or a folder with CAER/ or CAER-S/ as released
    [default: release]. Stopped runs go on with the same command; finished ones are not repeated.
    """
    from caer_data.engine import extras

    alone = [n for n in ("describe", "suite", "cross", "weights", "self_test") if options[n]]
    source = click.get_current_context().get_parameter_source("model")
    if source is not ParameterSource.DEFAULT and not {"cross", "weights"} & set(alone):
        alone.append("model")  # only those two are of a model
    if len(alone) > 1:
        first, second = (name.replace("_", "-") for name in alone[:2])
        raise CaerError(f"--{first} and --{second}: give one of them")
    extras.require("benchmark", "the verb 'benchmark'")
    if options["describe"]:
        return _describe(reporter, options["describe"], options["preset"])
    from caer_data.benchmark.results.compare import Bench
    from caer_data.benchmark.training.runtime import start
    from caer_data.engine.files import remove_leftovers

    fabric = start(options["device"], options["devices"], options["nodes"])
    if not fabric.is_global_zero:
        reporter = Reporter("quiet")
    for folder in (options["output"], options["store_folder"]):
        if fabric.is_global_zero and folder is not None and folder.is_dir():
            remove_leftovers(folder)
    bench = Bench(options["output"], range(options["seeds"]), fabric, reporter)
    if options["self_test"]:
        return _self_test(bench)
    _benchmark(bench, options)
    return 0


def _benchmark(bench: Bench, options: dict[str, Any]) -> None:
    from caer_data.benchmark import recipe
    from caer_data.benchmark.data import sources
    from caer_data.benchmark.results import compare
    from caer_data.engine.files import slug

    store_folder = options["store_folder"] or bench.results / "store"
    faces = _detector(options["detect"])
    features = _features(options["features"])
    opened: dict[str, Store] = {}

    def open_store(release: Path, wanted: ModelRecipe) -> Store:
        from caer_data.benchmark.data.prepare import open_store as prepare

        key = f"{release} {wanted.input} {wanted.hide.faces == 'all'}"
        if key not in opened:
            opened[key] = prepare(
                release,
                wanted,
                store_folder,
                faces=faces,
                most_left_out=options["most_left_out"],
                fabric=bench.fabric,
                reporter=bench.reporter,
            )
        return opened[key]

    def changed(wanted: ModelRecipe) -> ModelRecipe:
        train = {name: options[name] for name in ("epochs", "batch_size") if options[name]}
        baseline = {"input": options["baseline_input"]} if options["baseline_input"] else {}
        fabric = bench.fabric
        graphs = fabric.device.type == "cuda" and fabric.world_size == 1
        compute = {"compile": True, "cuda_graphs": graphs} if options["compiled"] else {}
        changes = {"train": train, "baseline": baseline, "compute": compute}
        return recipe.vary(wanted, changes, "command line")

    release = options["release"]
    if options["suite"]:
        entries = compare.suite(
            bench,
            options["suite"],
            release,
            open_store,
            preset=options["preset"],
            features=features,
            changed=changed,
        )
        bench.reporter.result(_finish(bench, options["suite"], entries, open_store, release))
        return
    wanted = changed(recipe.load(options["model"], options["preset"]))
    if features:
        wanted = recipe.vary(
            wanted, {"baseline": {"weights": _only(features, wanted)}}, "--features"
        )
    for folder in filter(None, (release, options["cross"])):  # before one of them is decoded
        sources.check(folder, "clips" if wanted.clips else "images")
    here = open_store(release, wanted)
    if options["cross"]:
        entries = compare.cross(bench, wanted, here, open_store(options["cross"], wanted))
    else:
        entries = [compare.one(bench, wanted, here, options["weights"])]
    way = " crossed" if options["cross"] else " weights" if options["weights"] else ""
    title = f"{wanted.name}{way}"
    found = _finish(bench, title, entries, open_store, release, options["weights"])
    if not options["cross"] and not options["weights"]:
        folder = bench.results / slug(here.source.name) / slug(wanted.name)
        _suspicious(bench, wanted, here, options["folds"], folder)
    bench.reporter.result(found)


def _finish(
    bench: Bench,
    title: str,
    entries: list[Entry],
    open_store: Any,
    release: Path,
    given: Path | None = None,
) -> dict[str, Any]:
    """Write results and page, and print the table; attention is that of the given weights."""
    if not bench.fabric.is_global_zero:
        return {}
    from caer_data.benchmark.results import attention
    from caer_data.benchmark.results import entries as results
    from caer_data.benchmark.training.run import folder_of
    from caer_data.engine.files import slug
    from caer_data.report import benchmark as page

    folder = bench.results / slug(release.resolve().name) / slug(title)
    found = results.write(entries, folder)
    examples = {}
    for entry in entries:
        store = open_store(release, entry.recipe)
        run_folder = folder_of(bench.results, entry.recipe, store, bench.seeds[0])
        weights = given or run_folder / "weights.safetensors"
        if weights.is_file() and entry.runs[0]["data"] == store.fingerprint and not entry.test:
            examples[entry.label] = attention.examples(weights, entry.recipe, store, bench.fabric)
    page.write(folder / "results.html", f"Benchmark: {title}", entries, examples)
    made_up = any(run["made_up"] for entry in entries for run in entry.runs)
    title += " (made-up data: no figure says anything about people)" if made_up else ""
    if bench.reporter.mode != "json":
        click.echo(results.as_text(results.table(entries), title))
    for note in sorted({entry.note for entry in entries} - {""}):
        bench.reporter.say(note)
    bench.reporter.say(f"{folder}/results.html, results.json and results.csv are written.")
    return found


def _suspicious(
    bench: Bench, wanted: ModelRecipe, store: Store, folds: int | None, folder: Path
) -> None:
    import pandas as pd

    from caer_data.benchmark.results import suspicious
    from caer_data.benchmark.results.folds import predictions
    from caer_data.benchmark.training.run import folder_of

    frames = []
    for seed in bench.seeds:
        path = folder_of(bench.results, wanted, store, seed) / "predictions.parquet"
        frames.append(pd.read_parquet(path))
    if folds:
        # validation clips chose the epoch of the runs: the folds judge them better
        frames = [frame[frame["split"] == "test"] for frame in frames]
        frames.append(predictions(bench, wanted, store, folds))
    if bench.fabric.is_global_zero:
        path = folder / "suspicious.csv"
        count = suspicious.write(frames, store.source.classes, path)
        bench.reporter.say(f"{path} lists {count} clips whose label the model disagrees with.")
        if count and all(sample.clip_id for sample in store.samples):
            bench.reporter.say(f"Have them rated again: caer-data annotate push --again {path}")


def _self_test(bench: Bench) -> int:
    from caer_data.benchmark.results import attention
    from caer_data.benchmark.results import entries as results
    from caer_data.benchmark.selftest.statements import as_text, self_test
    from caer_data.benchmark.training.run import folder_of
    from caer_data.report import benchmark as page
    from caer_data.report.selftest import sections

    found = self_test(bench)
    if bench.fabric.is_global_zero:
        folder = bench.results / "self-test"
        checks = [vars(check) for check in found.checks]
        values = results.write(
            found.entries, folder, made_up=True, checks=checks, passed=found.passed
        )
        both = found.entries[2]
        weights = folder_of(bench.results, both.recipe, found.store, bench.seeds[0])
        weights /= "weights.safetensors"
        examples = attention.examples(weights, both.recipe, found.store, bench.fabric)
        page.write(
            folder / "results.html",
            "Self-test on made-up clips",
            found.entries,
            {both.label: examples},
            sections(found),
        )
        if bench.reporter.mode != "json":
            click.echo(as_text(found, results.as_text))
        bench.reporter.say(f"{folder}/results.html, results.json and results.csv are written.")
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
        raise CaerError(f"--features {wrong[0]}: write MODEL=FILE, such as vgg=vgg16.pth")
    return {pair.split("=", 1)[0]: pair.split("=", 1)[1] for pair in pairs}


def _only(features: dict[str, str], wanted: ModelRecipe) -> str:
    if list(features) != [wanted.model] or wanted.is_caer_net:
        raise CaerError(
            f"--features {', '.join(features)}: this run is of {wanted.model}, and only baselines "
            "take trained features"
        )
    return features[wanted.model]
