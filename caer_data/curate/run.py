"""The build: runs its stages in order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd

from caer_data.curate import keeping, prerequisites
from caer_data.curate import videos as video_stage
from caer_data.curate.across import identify
from caer_data.curate.choosing import choose, mint_keys
from caer_data.curate.cutting import cut
from caer_data.curate.dialogue import Dialogue, collect_dialogue
from caer_data.curate.intake import Probed, analyse_videos, probe_files
from caer_data.curate.persons import persons
from caer_data.curate.pyannote_files import Imported, imported_for, require_some
from caer_data.curate.repeating import Repeated, drop_repeats
from caer_data.curate.result import BuildResult
from caer_data.curate.setup import Setup, Video
from caer_data.curate.writing import Built, write
from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.engine.artifacts import write_json
from caer_data.engine.dataset import Dataset
from caer_data.engine.decisions import Decisions
from caer_data.engine.engines import Engine, LocalEngine
from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error, remove_leftovers, write_text
from caer_data.engine.forgotten import Forgotten
from caer_data.engine.ledger import Ledger
from caer_data.engine.ownership import check_dataset, claim_dataset, is_outdated
from caer_data.engine.pool import Limits
from caer_data.engine.progress import Reporter, printable
from caer_data.engine.provenance import provenance
from caer_data.engine.secret import secret_of
from caer_data.faces import speakers
from caer_data.faces.models import weights

RecipeLike = str | os.PathLike[str] | Mapping[str, Any] | recipes.Recipe


def build(
    shows: Path,
    output: Path,
    recipe: RecipeLike | None = None,
    *,
    workers: int | None = None,
    limit: int | None = None,
    pyannote: Path | None = None,
    reporter: Reporter | None = None,
    limits: Limits | None = None,
    drop_rated: bool = False,
    engine: Engine | None = None,
    finish: Callable[[Dataset], object] | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> BuildResult:
    """Build a dataset from a folder of shows, or resume one.

    Args:
        shows: folder of shows, or one video.
        output: the dataset folder.
        recipe: name or file of a recipe; by default the dataset's own, otherwise `caer`.
        workers: number of processes on this machine; by default one per core.
        limit: maximum number of videos to process.
        pyannote: folder of pyannote.video's results to use instead of detecting shots and faces.
        reporter: receives the progress.
        limits: what one video may use.
        drop_rated: whether to continue if rated clips would be changed or removed.
        engine: runs the work on videos; by default `workers` processes of this machine.
        finish: called with the complete dataset while it is still locked, to write the report.
        meanwhile: called in a thread of its own while processes work on videos, to prepare
            `finish`.

    Raises:
        CaerError: there are no videos, the recipe has a mistake, or the output folder cannot be
            written or is not a dataset.
        RatedClipsError: rated clips would be changed or removed, and `drop_rated` is false.
        BusyError: another command is working on the dataset.
    """
    started = time.perf_counter()
    prepared = prepare(shows, output, recipe, limit, pyannote, reporter)
    engine, limits = engine or LocalEngine(workers), limits or Limits()
    dataset = prepared.dataset
    try:
        prepared.check_engine(engine)
        claim_dataset(output)
        with dataset.lock():
            remove_leftovers(output)
            setup = prepared.setup(engine, limits, drop_rated=drop_rated)
            with _kept_recipe(dataset):
                write_text(dataset.recipe_path, recipes.dump(setup.recipe))
                model = {"speaker_model": setup.speaker_model} if setup.speaker_model else {}
                write_json(dataset.provenance_path, provenance(shows) | model)
                if meanwhile is not None:
                    Thread(target=meanwhile).start()  # no daemon: an exit waits for it
                outcome = run_stages(setup, prepared.found)
            if finish is not None:
                finish(dataset)
            outcome.seconds = round(time.perf_counter() - started, 1)
            return outcome
    except OSError as error:
        raise CaerError(explain_os_error(error, output)) from error


@dataclass
class Prepared:
    """The checked arguments of a build, before anything is written."""

    shows: Path
    dataset: Dataset
    recipe: recipes.Recipe
    models: list[weights.ModelFile]
    reporter: Reporter
    found: list[video_stage.Found]
    notes: list[str]
    imported: dict[str, Imported]

    def check_engine(self, engine: Engine) -> None:
        """Create the dataset's folder, and check that the engine can run tasks that reach it.

        If it cannot, a folder that was not there before is removed again.

        Raises:
            CaerError: the engine cannot run tasks.
            OSError: the folder cannot be created.
        """
        folder = self.dataset.folder
        created = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            engine.check([folder, self.shows])
        except BaseException:
            for path in created:
                with suppress(OSError):  # not created, or another command uses it
                    path.rmdir()
            raise

    def setup(self, engine: Engine, limits: Limits, drop_rated: bool = False) -> Setup:
        """Return the setup of a build: print notes, and read decisions by hand."""
        folder, reporter, speech = self.dataset.folder, self.reporter, self.recipe.speech
        secret_of(folder)
        for note in self.notes:
            reporter.warn(printable(note))
        reporter.say(weights.detector_note(self.recipe.faces))
        for model in self.models:
            reporter.say(f"Face model {model.path} ({model.licence})")
        return Setup(
            dataset=self.dataset,
            recipe=self.recipe,
            engine=engine,
            reporter=reporter,
            limits=limits,
            imported=self.imported,
            weights=tuple(model.sha256 for model in self.models),
            speaker_model=speakers.check(speech.speaker, speech.speaker_model),
            drop_rated=drop_rated,
            decisions=tuple(Decisions(folder).standing()),
            forgotten=Forgotten.of(folder),
        )


def prepare(
    shows: Path,
    output: Path,
    recipe: RecipeLike | None,
    limit: int | None,
    pyannote: Path | None,
    reporter: Reporter | None,
) -> Prepared:
    """Check the arguments of `build` without writing anything.

    Raises:
        CaerError: there are no videos, the recipe has a mistake, or the output folder is not a
            dataset.
    """
    dataset = Dataset(output)
    check_dataset(output)
    if is_outdated(output):
        raise CaerError(
            f"{output}: was written by an earlier version of caer-data; run 'caer-data upgrade "
            f"{output}' first"
        )
    chosen = chosen_recipe(output, recipe)
    prerequisites.check(chosen)
    models = weights.chosen(chosen.faces)
    notes: list[str] = []
    found = video_stage.find(shows, chosen.videos, notes.append)[:limit]
    imported = {}
    if pyannote:
        imported = {item.video_id: imported_for(pyannote, item.relative) for item in found}
        require_some(pyannote, list(imported.values()))
    reporter = reporter or Reporter("quiet")
    return Prepared(shows, dataset, chosen, models, reporter, found, notes, imported)


def chosen_recipe(output: Path, recipe: RecipeLike | None) -> recipes.Recipe:
    """Return the requested recipe, otherwise the dataset's own, otherwise `caer`.

    Raises:
        CaerError: the recipe has a mistake.
    """
    dataset = Dataset(output)
    return recipes.load(recipe or (dataset.recipe_path if dataset.exists else "caer"))


@contextmanager
def _kept_recipe(dataset: Dataset) -> Iterator[None]:
    """Restore the recipe and provenance if a build stops because of rated clips."""
    paths = (dataset.recipe_path, dataset.provenance_path)
    earlier = {path: path.read_text(encoding="utf-8") for path in paths if path.is_file()}
    try:
        yield
    except keeping.RatedClipsError:
        for path, text in earlier.items():
            write_text(path, text)
        raise


def run_stages(setup: Setup, found: list[video_stage.Found]) -> BuildResult:
    """Run all stages in order, write the tables, and return the result.

    Raises:
        RatedClipsError: rated clips would be changed or removed, and `drop_rated` is false.
    """
    dataset = setup.dataset
    probed = probe_files(setup, found)
    videos = analyse_videos(setup, probed)
    decided = decide(setup, probed, videos)
    if not setup.drop_rated:
        keeping.check(decided.fates)
    unread = {key for key, row in probed.rows.items() if row["status"] == "failed"}
    absent, people = decided.absent, decided.people
    done = cut(setup, videos, decided.repeated.clips, absent, unread)
    built = Built(
        probed,
        videos,
        decided.tracks,
        people,
        done,
        absent,
        decided.repeated,
        decided.ledger,
        decided.said,
    )
    write(setup, built)
    kept = done.clips["status"].isin(tables.PRESENT)
    damaged = probed.damaged()
    for what, why in damaged.items():
        setup.reporter.warn(f"{what}: {why}")
    reasons = done.clips.loc[~kept, "reason"].value_counts()
    return BuildResult(
        dataset=dataset.folder,
        videos=len(videos),
        duplicates=sum(row["status"] == "duplicate" for row in probed.rows.values()),
        kept=int(kept.sum()),
        dropped={str(reason): int(count) for reason, count in reasons.items()},
        people=len(people),
        absent=len(absent.videos),
        rated=decided.fates,
        failed=probed.failed() | done.failed,
        damaged=damaged,
        forgotten=setup.forgotten.counts(),
    )


@dataclass
class Decided:
    """What a build decides about the videos of all shows together, before anything is cut.

    Attributes:
        tracks: tracks with persons, by `video_id`.
        people: persons of all shows.
        absent: tables of absent videos.
        repeated: repeated content, and the table `clips`, not yet cut.
        ledger: keys of clips.
        said: speech and subtitles.
        fates: number of rated clips that are the `same`, `changed` or `gone`.
    """

    tracks: dict[str, pd.DataFrame]
    people: pd.DataFrame
    absent: keeping.Absent
    repeated: Repeated
    ledger: Ledger
    said: Dialogue
    fates: dict[str, int]


def decide(setup: Setup, probed: Probed, videos: list[Video]) -> Decided:
    """Find persons and repeats, and choose the clips to cut; nothing is written but artifacts.

    These steps need all videos of a show or of all shows, so they are the barrier between analysing
    videos and cutting clips.

    Args:
        setup: the build.
        probed: the probed files.
        videos: the analysed videos.
    """
    dataset, ledger = setup.dataset, Ledger.of(setup.dataset)
    tracks, people = persons(setup, videos)
    clips = choose(setup, videos, tracks)
    mint_keys(videos, tracks, clips, ledger)
    said = collect_dialogue(setup, videos, probed.sidecars)
    clips = said.with_speech(clips)
    absent = keeping.absent(dataset, probed.rows.values())
    people, absent = identify(setup, videos, tracks, people, absent)
    repeated = drop_repeats(setup, videos, clips, absent, probed.rows)
    every = pd.concat([repeated.clips, absent.clips], ignore_index=True)
    fates = keeping.fates(dataset, every)
    return Decided(tracks, people, absent, repeated, ledger, said, fates)
