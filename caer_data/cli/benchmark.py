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
    help="Settings as in the paper, or those that work best.",
)
@click.option(
    "--suite",
    type=click.Choice(["table3", "table4", "table5", "figure8", "readings", "modern"]),
    help="Train every row of a table of the paper, or of an additional ablation.",
)
@click.option(
    "--cross",
    type=click.Path(path_type=Path),
    metavar="RELEASE",
    help="Train on RELEASE, on this release and on both; test on both (Table 6).",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Number of runs, with the seeds 0, 1, ...",
)
@click.option("--epochs", type=click.IntRange(1), help="Number of epochs.  [default: the recipe's]")
@click.option("--batch-size", type=click.IntRange(2), help="Batch size.  [default: the recipe's]")
@click.option(
    "--input",
    "baseline_input",
    type=click.Choice(["frame", "face"]),
    help="Input of a baseline.  [default: the recipe's]",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    help="Numerical precision.  [default: the recipe's]",
)
@click.option(
    "--features",
    multiple=True,
    metavar="MODEL=FILE",
    help="Pretrained features of a baseline; may be repeated.",
)
@click.option(
    "--encoder",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="ONNX file with the encoder of the model onnx-probe.",
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Test these weights.safetensors without training.",
)
@click.option(
    "--folds",
    type=click.IntRange(3),
    metavar="K",
    help="Also find training clips with suspicious labels by K-fold cross-validation "
    "(suspicious.csv).",
)
@click.option(
    "--grouped",
    is_flag=True,
    help="With --folds: report the results of the folds over all clips. No show is in two folds "
    "(no video, if there are fewer than K shows).",
)
@click.option(
    "--detect",
    type=click.Choice([word for word, entry in DETECTORS.items() if entry.weights is None]),
    help="Detector for faces if the release has no boxes.",
)
@click.option(
    "--max-left-out",
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
    help="Device to compute on.",
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
    help="Compile models (on one GPU with CUDA graphs): slow to start, faster for many epochs.",
)
@click.option("--nodes", type=click.IntRange(1), default=1, show_default=True, help="Machines.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default="results",
    show_default=True,
    help="Folder for the results.",
)
@click.option(
    "--store",
    "store_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for decoded frames.  [default: store/ in the folder of results]",
)
@click.option(
    "--describe",
    metavar="MODEL",
    help="Only show a model's layers, shapes, parameters and multiply-adds.",
)
@click.option("--self-test", is_flag=True, help="Check the method on synthetic clips.")
@progress.options
def command(reporter: Reporter, **given: Any) -> int:
    """Train a model on RELEASE and test it.

    RELEASE is a folder written by 'caer-data export', or one with CAER/ or CAER-S/ as released
    [default: release]. The same command resumes interrupted runs; finished runs are not repeated.
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
    help="Folder for the comparison.",
)
@progress.options
def compare_command(reporter: Reporter, folders: tuple[Path, ...], output: Path) -> int:
    """Compare the rows of several folders of results that were tested on the same clips.

    FOLDERS are folders written by 'caer-data benchmark', such as results/release/caer-net. All rows
    are tested against the first one.
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
    reporter.say(f"Written: {output}/comparison.html, comparison.json, tables/ and plots/.")
    reporter.result(values)
    return 0
