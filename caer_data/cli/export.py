"""`caer-data export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caer_data.cli import options as common
from caer_data.engine import progress
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import GROUPS
from caer_data.engine.release_layouts import LAYOUTS

if TYPE_CHECKING:
    from caer_data.export.plan import Options
    from caer_data.export.release import Release

_RECIPE = "recipe"


def _shares(
    ctx: click.Context, _: click.Parameter, value: str
) -> tuple[float, float, float] | None:
    """Return the shares of train, validation and test; None for those of the recipe.

    Raises:
        CaerError: the shares are not valid.
        UsageError: the value is a folder, which an older version interpreted as the dataset.
    """
    if value == _RECIPE:
        return None
    if Path(value).is_dir():
        raise click.UsageError(
            f"--split {value}: is a folder; give the dataset with -d {value}", ctx
        )
    from caer_data.export.splits import parse_shares

    return parse_shares(value)


@click.command()
@common.worked_on("output", dataset=False)
@common.clips_or_argument
@click.option(
    "--split",
    is_flag=False,
    flag_value=_RECIPE,
    default=_RECIPE,
    callback=_shares,
    metavar="[70/10/20]",
    help="Shares of train, validation and test; without a value, the recipe's.",
)
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(GROUPS),
    help="What to keep together in one split; may be repeated. Default: the recipe's.",
)
@click.option(
    "--layout",
    "layouts",
    multiple=True,
    type=click.Choice(list(LAYOUTS)),
    help="Layout of the files; may be repeated.",
)
@click.option(
    "-o",
    "--output",
    type=common.PLACE,
    default="release",
    show_default=True,
    help="Folder of the release.",
)
@click.option(
    "--no-media", is_flag=True, help="Omit all footage, so that the release may be shared."
)
@click.option("--rights", metavar="TEXT", help="Your right to share footage, for the cards.")
@click.option(
    "--frames-per-clip", type=click.IntRange(1, 1000), help="CAER-S: maximum frames per clip."
)
@click.option("--container", type=click.Choice(["mp4", "avi"]), help="CAER: container of clips.")
@click.option(
    "--spelling",
    type=click.Choice(["caer", "peers"]),
    help="CAER, CAER-S: names as in CAER (validation, Anger) or as others use them (val, Angry).",
)
@click.option("--seed", type=click.IntRange(0), help="Seed of the split.  [default: the recipe's]")
@click.option("--init", is_flag=True, help="Only write release.yaml for you to fill in.")
@click.option("--resplit", is_flag=True, help="Discard the earlier split and draw again.")
@click.option("--drop-repeats", is_flag=True, help="Release only one of several repeated clips.")
@click.option("--strict", is_flag=True, help="Treat audit findings as a failure (exit code 1).")
@click.option("--overwrite", is_flag=True, help="Replace an older release.")
@common.workers
@progress.options
def command(
    *,
    dataset: Path,
    output: Path,
    layouts: tuple[str, ...],
    split: tuple[float, float, float] | None,
    by: tuple[str, ...],
    seed: int | None,
    workers: int | None,
    frames_per_clip: int | None,
    container: str | None,
    spelling: str | None,
    no_media: bool,
    init: bool,
    reporter: Reporter,
    **flags: Any,
) -> None:
    """Turn the labelled clips of DATASET into a release that others can load.

    Layouts: caer (clips by class), caer-s (frames and box lists), huggingface, webdataset,
    fiftyone, and caer-s-2019 (the leaking split of the first release, to reproduce published
    figures).
    """
    from caer_data.engine.cores import cores
    from caer_data.engine.dataset import Dataset
    from caer_data.export.plan import Options
    from caer_data.export.release import export

    data = Dataset(dataset)
    recipe = data.recipe
    if init:
        from caer_data.export.cards import about

        path = about.init(data.folder)
        reporter.say(f"{path} was created; fill it in. Every 'caer-data export' will read it.")
        reporter.result({"release_yaml": str(path)})
        return
    changes: dict[str, Any] = {
        "split": split,
        "by": "+".join(dict.fromkeys(by)) or None,
        "layouts": layouts or None,
        "frames_per_clip": frames_per_clip,
        "container": container,
        "spelling": spelling,
    }
    settings = recipe.export.model_copy(update={k: v for k, v in changes.items() if v is not None})
    for option, value, of in (
        ("--container", container, ("caer",)),
        ("--frames-per-clip", frames_per_clip, ("caer-s", "caer-s-2019")),
    ):
        if value is not None and not set(of) & set(settings.layouts):
            raise click.UsageError(f"{option} belongs to the layout {of[0]}; add --layout {of[0]}")
    options = Options(
        settings=settings,
        seed=recipe.seed if seed is None else seed,
        media=not no_media,
        jobs=workers or cores(),
        **flags,
    )
    release = export(data, output, options, reporter)
    if data.report_path.is_file():
        from caer_data.report.dataset import write_report

        write_report(data, release.folder)
    _say(release, options, reporter)


def _say(release: Release, options: Options, reporter: Reporter) -> None:
    from caer_data.export.layouts.caer_s_2019 import NAME as LEAKY

    reporter.say(f"Split {options.scheme}:")
    for row in release.plan.reached.to_dict("records"):
        if row["asked"]:
            reporter.say(
                f"  {row['split']:<11}{row['reached']:6.1%} (target {row['asked']:.0%}), "
                f"{row['clips']:,} clip{'s' * (row['clips'] != 1)} in "
                f"{row['groups']:,} group{'s' * (row['groups'] != 1)}"
            )
    if options.drop_repeats:
        dropped = release.plan.dropped
        reporter.say(
            f"{dropped:,} clip{' was' if dropped == 1 else 's were'} left out because of the same "
            "footage as another one."
        )
    unused = _unused_classes(release, options)
    if unused:
        reporter.say(
            f"No clip shows {', '.join(unused)}: load the folders CAER and CAER-S by their path, "
            "since load_dataset('imagefolder', data_dir=...) numbers only classes that have files."
        )
    for part, lines in release.verdicts.items():
        reporter.say(f"Audit of {'the split' if part == 'release' else part}:")
        for line in lines:
            reporter.say(f"  {line}")
    if LEAKY in options.settings.layouts:
        reporter.warn(
            f"Warning: {LEAKY} leaks: frames of one clip are in both train and test. Use it only "
            "to reproduce published figures."
        )
    if release.plan.clips["made_up"].any():
        reporter.warn(
            "Warning: the ratings are made up for a demonstration, as the cards state. Do not use "
            "them for training or publications."
        )
    if not release.new:
        reporter.say(f"{release.folder} already contains this release; nothing was changed.")
    if release.missing:
        reporter.say(_to_fill_in(release.missing))
    reporter.say(_last_sentence(release, options))
    reporter.result(
        {
            "release": str(release.folder),
            "new": release.new,
            "files": len(release.plan.files),
            "clips": len(release.plan.clips),
            "media": options.media,
            "split": release.plan.reached.to_dict("records"),
            "findings": [str(line) for line in release.findings],
        }
    )


def _unused_classes(release: Release, options: Options) -> list[str]:
    """Return the classes without any clip, if there are layouts with a folder per class."""
    if not {"caer", "caer-s", "caer-s-2019"} & set(options.settings.layouts) or not options.media:
        return []
    used = set(release.plan.clips["emotion"])
    return [emotion for emotion in EMOTIONS if emotion not in used]


def _to_fill_in(fields: tuple[str, ...]) -> str:
    return (
        f"{len(fields)} field{'s' * (len(fields) != 1)} to fill in on the cards "
        f"({', '.join(fields)}): edit the dataset's release.yaml, which 'caer-data export --init' "
        "creates, and export again."
    )


def _last_sentence(release: Release, options: Options) -> str:
    where = release.folder
    if not options.media:
        return (
            f"{where} contains annotations, timestamps, hashes and the recipe, but no footage. You "
            "may share it; anyone who has the shows can cut the clips with 'caer-data rebuild'."
        )
    if release.rights:
        return f"{where} contains footage, shared under the rights you stated: {release.rights}"
    return (
        f"{where} contains footage for your own use: its cards say that no rights are stated and "
        "that it must not be passed on. To share a release, use --no-media, or state your rights "
        "with --rights."
    )
