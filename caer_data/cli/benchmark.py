"""Options of `caer-data benchmark train` and `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from caer_data.cli.benchmark_run import Options, run
from caer_data.engine import progress
from caer_data.engine.face_models import DETECTORS
from caer_data.engine.progress import Reporter


@click.command("train")
@click.argument("release", type=click.Path(path_type=Path), default="release")
@click.option("--model", default="caer-net", show_default=True, help="Shipped recipe or YAML file.")
@click.option(
    "--preset",
    type=click.Choice(["paper", "tuned"]),
    default="paper",
    show_default=True,
    help="The paper as we read it, or the settings that work best.",
)
@click.option(
    "--suite",
    type=click.Choice(["table3", "table4", "table5", "figure8", "readings", "modern"]),
    help="Every row of a table of the paper, or of an ablation of ours.",
)
@click.option(
    "--cross",
    type=click.Path(path_type=Path),
    metavar="RELEASE",
    help="Train on this release, on the other and on both; test on both (Table 6).",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Number of runs, with the seeds 0, 1, ...",
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
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    help="Instead of the recipe's.",
)
@click.option(
    "--features",
    multiple=True,
    metavar="MODEL=FILE",
    help="Trained features of a baseline (repeatable).",
)
@click.option(
    "--encoder",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="ONNX file whose features the model onnx-probe learns from.",
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
    "--grouped",
    is_flag=True,
    help="With --folds: the folds, over all clips, are the results. No show (where there are fewer "
    "than K, no video) is in two of them.",
)
@click.option(
    "--detect",
    type=click.Choice([word for word, entry in DETECTORS.items() if entry.weights is None]),
    help="Find faces where the release has no boxes.",
)
@click.option(
    "--max-left-out",
    "--most-left-out",  # the former name
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    metavar="SHARE",
    help="Maximum share of a split that may be unusable.",
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
    help="Devices per machine.",
)
@click.option(
    "--compile",
    "compiled",
    is_flag=True,
    help="Compile models, on one GPU with CUDA graphs: slow to start, worthwhile for many epochs.",
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
@click.option("--self-test", is_flag=True, help="Check the method on synthetic clips.")
@progress.options
def command(reporter: Reporter, **given: Any) -> int:
    """Train a model on RELEASE and test it.

    RELEASE is what 'caer-data export' wrote, or a folder with CAER/ or CAER-S/ as released
    [default: release]. The same command resumes interrupted runs; finished ones are not repeated.
    """
    return run(reporter, Options(**given))


@click.command("compare")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default="results/comparison",
    show_default=True,
    help="Folder of the comparison.",
)
@progress.options
def compare_command(reporter: Reporter, folders: tuple[Path, ...], output: Path) -> int:
    """Compare the rows of several folders of results that were tested on the same clips.

    FOLDERS are what 'caer-data benchmark' wrote, such as results/release/caer-net. The first row is
    the one that the others are tested against.
    """
    from caer_data.engine import extras

    extras.require("benchmark", "the verb 'benchmark'")
    from caer_data.benchmark.results import entries, saved_predictions, tables
    from caer_data.report import results, uncertainty

    rows, classes = saved_predictions.together(folders)
    found, values = results.compare(rows, classes, output)
    made = tables.every(found)
    if reporter.mode not in ("json", "quiet"):
        for name in ("scores", "differences", "difference-matrix"):
            if name in made:
                click.echo(entries.as_text(tables.readable(made[name]), name.replace("-", " ")))
    for note in uncertainty.notes(found):
        reporter.say(note)
    reporter.say(f"{output}/comparison.html, comparison.json, tables/ and plots/ are written.")
    reporter.result(values)
    return 0
