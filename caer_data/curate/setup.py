"""The setup of a build: dataset, recipe, limits, and decisions by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caer_data.curate import PRELOAD
from caer_data.curate.job import Job
from caer_data.curate.pyannote_files import Imported
from caer_data.engine.dataset import Dataset
from caer_data.engine.decisions import Decision
from caer_data.engine.engines import Engine, Stage
from caer_data.engine.forgotten import Forgotten
from caer_data.engine.pool import Limits, Outcome, Task
from caer_data.engine.progress import Reporter
from caer_data.engine.recipe import Recipe


@dataclass(frozen=True)
class Setup:
    """One build of one dataset.

    Attributes:
        dataset: the dataset, which is locked.
        recipe: the recipe.
        engine: runs the work on videos.
        reporter: receives the progress.
        limits: what one video may use.
        imported: pyannote.video's results, by `video_id`.
        weights: SHA-256 of the user's own face models.
        speaker_model: SHA-256 of the speaker detection model.
        drop_rated: whether to continue if rated clips would be changed or removed.
        decisions: decisions by hand that were not undone, in order.
        forgotten: what must not come back.
        seconds: time spent by stage, s; filled by the stages.
    """

    dataset: Dataset
    recipe: Recipe
    engine: Engine
    reporter: Reporter
    limits: Limits = field(default_factory=Limits)
    imported: Mapping[str, Imported] = field(default_factory=dict)
    weights: tuple[str, ...] = ()
    speaker_model: str = ""
    drop_rated: bool = False
    decisions: tuple[Decision, ...] = ()
    forgotten: Forgotten = field(default_factory=Forgotten)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def work(self) -> Path:
        """Folder of finished artifacts."""
        return self.dataset.work_folder

    def run(
        self,
        stage: Stage,
        tasks: Iterable[Task],
        on_progress: Callable[[Task, str, float], None] = lambda task, stage, amount: None,
    ) -> Iterator[Outcome]:
        """Run tasks on the engine, within the limits, and yield their outcomes."""
        return self.engine.run(stage, list(tasks), on_progress, self.limits, PRELOAD)


@dataclass
class Video:
    """A readable video: its row of `videos`, and its analysis."""

    row: dict[str, Any]
    job: Job
