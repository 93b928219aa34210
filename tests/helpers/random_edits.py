"""Random edits of a small labelled dataset, and what must hold whatever was edited.

The build's own bookkeeping runs as it is: keys, absent videos, rated clips, files that it removes,
tables. Only what looks at pictures is made up: a video is a number, from which its shots and faces
follow.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from made_up_build import MadeUp, Settings, sha_of, without_pictures

from caer_data.curate import keeping
from caer_data.curate import run as run_module
from caer_data.curate.setup import Setup
from caer_data.engine import anchors, ownership, tables
from caer_data.engine import recipe as recipes
from caer_data.engine.dataset import Dataset
from caer_data.engine.decisions import Decision, Decisions
from caer_data.engine.engines import LocalEngine
from caer_data.engine.errors import CaerError
from caer_data.engine.files import write_text
from caer_data.engine.forgotten import Forgotten
from caer_data.engine.identity import Anchor
from caer_data.engine.progress import Reporter
from caer_data.export import labelled
from caer_data.forget import run as forgetting
from caer_data.forget.selection import Selection, tombstones
from caer_data.labels import csv_import
from caer_data.labels import decide as labels


@dataclass(frozen=True)
class Truth:
    """What somebody saw: nothing of it comes from the code under test."""

    content: int
    start: int
    end: int
    person: int
    rater: str


class Killed(BaseException):
    """The process died here."""


@dataclass
class World:
    """A folder of shows, a dataset, its raters, and somebody's own files in between."""

    folder: Path
    seed: int
    files: dict[str, int] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    said: dict[float, Truth] = field(default_factory=dict)
    foreign: dict[Path, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    forgotten: Forgotten = field(default_factory=Forgotten)
    answers: int = 0
    raters: list[str] = field(default_factory=lambda: ["r0", "r1", "r2"])

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.dataset = Dataset(self.folder / "dataset")
        self.contents: list[int] = []
        self.dataset.folder.mkdir(parents=True)
        write_text(self.dataset.recipe_path, recipes.dump(recipes.Recipe()))
        ownership.claim_dataset(self.dataset.folder)
        for _ in range(3):
            self.add()
        self.build()

    def step(self) -> None:
        """One random edit, then perhaps a build; what must hold is looked at."""
        edits = (self.add, self.remove, self.back, self.replace, self.rename, self.swap,
                 self.thresholds, self.machine, self.rate, self.rate, self.own_file,
                 self.damage, self.decide, self.forget)  # fmt: skip
        edit = self.draw.choice(edits)
        self.counts[edit.__name__] += 1
        edit()
        if self.draw.random() < 0.8:
            self.build()
        self.check()

    def add(self) -> None:
        content = self.draw.randrange(10**9)
        self.contents.append(content)
        self.files[f"v{self.draw.randrange(6)}"] = content

    def remove(self) -> None:
        if len(self.files) > 1:
            del self.files[self.draw.choice(sorted(self.files))]

    def back(self) -> None:
        self.files[f"v{self.draw.randrange(6)}"] = self.draw.choice(self.contents)

    def replace(self) -> None:
        self.contents.append(self.draw.randrange(10**9))
        self.files[self.draw.choice(sorted(self.files))] = self.contents[-1]

    def rename(self) -> None:
        content = self.files.pop(self.draw.choice(sorted(self.files)))
        self.files[f"v{self.draw.randrange(6)}"] = content

    def swap(self) -> None:
        one, other = (self.draw.choice(sorted(self.files)) for _ in range(2))
        self.files[one], self.files[other] = self.files[other], self.files[one]

    def thresholds(self) -> None:
        self.settings.shortest = self.draw.choice([10, 10, 30, 60])
        self.settings.longest = self.draw.choice([400, 400, 50, 33])
        self.settings.second_person = self.draw.random() < 0.3

    def machine(self) -> None:
        self.settings.jitter = self.draw.choice([0, 1])

    def own_file(self) -> None:
        name = self.draw.choice(["clips/s/mine.mp4", "clips/holiday/beach.mp4", "NOTES.md",
                                 "clips/s/v0.s1.c9.mp4", ".secret.part"])  # fmt: skip
        path = self.dataset.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
        self.foreign[path] = "mine"

    def damage(self) -> None:
        clips = sorted(self.dataset.clips_folder.glob("*/v*.mp4"))
        if clips:
            path = self.draw.choice(clips)
            if path not in self.foreign:
                path.write_text("damaged") if self.draw.random() < 0.5 else path.unlink()
        for path in sorted((self.dataset.folder / "work").rglob("*.zip")):
            if self.draw.random() < 0.1:
                path.write_bytes(path.read_bytes()[: self.draw.randrange(400)])

    def decide(self) -> None:
        """Drop or keep a clip by hand, or take the last such decision back."""
        clips = anchors.of_clips(self.dataset.clips)
        store = Decisions(self.dataset.folder)
        standing = store.standing("keep", "drop")
        if standing and self.draw.random() < 0.4:
            store.append(Decision("undo", "me", value=json.dumps(standing[-1].key)))
        elif clips:
            kind = self.draw.choice(["keep", "drop"])
            store.append(Decision(kind, "me", (clips[self.draw.choice(sorted(clips))],)))

    def forget(self) -> None:
        """Forget a video, person, clip or rater, maybe killed on the way and then begun again."""
        asked = self._whom()
        if asked is None:
            return
        rows = tombstones(self.dataset, asked, "me", "")
        with pytest.MonkeyPatch.context() as patch:
            for name in ("write_report", "follow"):  # reports show pictures that nobody made
                patch.setattr(forgetting, name, lambda dataset: None)
            try:
                with _killed(self.draw.choice([None, 0, 3])):
                    forgetting.forget(self.dataset, rows)
            except Killed:
                self.counts["forgetting killed"] += 1
                forgetting.forget(self.dataset, tombstones(self.dataset, asked, "me", ""))
        labels.follow(self.dataset)
        self.forgotten = Forgotten.of(self.dataset.folder)
        for number, truth in list(self.said.items()):
            seen = Anchor(sha_of(truth.content), truth.start, truth.end, 1, None)
            if self.forgotten.covers(seen) or truth.rater in asked.raters:
                del self.said[number]
        for name in asked.raters:
            self.raters[self.raters.index(name)] = f"r{self.answers}"

    def _whom(self) -> Selection | None:
        clips = anchors.of_clips(self.dataset.clips)
        if self.draw.random() < 0.3 or len(clips) < 5 or len(self.dataset.videos) < 3:
            return None
        people = [name for name in self.dataset.people["person_id"] if name.startswith("x")]
        rated = set(self.dataset.ratings["rater"]) if self.dataset.has(tables.RATINGS) else set()
        names = {
            "videos": sorted(self.dataset.videos["sha256"]),
            "clips": sorted(clips),
            "persons": sorted(people),
            "raters": sorted(rated & set(self.raters)),
        }
        what = self.draw.choice([kind for kind, known in names.items() if known])
        self.counts[f"{what} forgotten"] += 1
        return Selection(**{what: [self.draw.choice(names[what])]})

    def build(self) -> None:
        """Build, maybe stopped because of rated clips, maybe killed at some table."""
        kill_at = self.draw.randrange(9) if self.draw.random() < 0.15 else None
        drop = self.draw.random() < 0.4
        folder = self.dataset.folder
        setup = Setup(
            self.dataset,
            recipes.Recipe(),
            LocalEngine(1),
            Reporter("quiet"),
            drop_rated=drop,
            decisions=tuple(Decisions(folder).standing()),
            forgotten=Forgotten.of(folder),
        )
        with without_pictures(MadeUp(self.files, self.settings)):
            try:
                with _killed(kill_at):
                    run_module.run_stages(setup, [])
                    labels.follow(self.dataset)
                self.counts["builds"] += 1
            except Killed:
                self.counts["killed"] += 1
            except keeping.RatedClipsError:
                assert not drop
                self.counts["stopped"] += 1

    def rate(self) -> None:
        """Three raters answer some clips that have no answer that counts."""
        if not self.dataset.has(tables.CLIPS):
            return
        held = anchors.present(self.dataset.clips)
        done: set[str] = set()
        if self.dataset.has(tables.RATINGS):
            ratings = self.dataset.ratings
            done = set(ratings["clip_key"])
        open_clips = held[~held["clip_key"].isin(done)]
        lines = ["clip_key,rater,emotion,confidence,lead_time_s"]
        of_hash = {sha_of(content): content for content in self.contents}
        for clip in open_clips.sample(
            min(6, len(open_clips)), random_state=self.draw.randrange(10**6)
        ).itertuples():
            for rater in self.raters:
                self.answers += 1
                number = float(self.answers)
                self.said[number] = Truth(of_hash[clip.video_key], clip.start_pts, clip.end_pts,
                                          int(clip.person_id[1:]), rater)  # fmt: skip
                lines.append(f"{clip.clip_key},{rater},sad,1,{number}")
        if len(lines) > 1:
            path = self.folder / "ratings.csv"
            path.write_text("\n".join(lines))
            fresh = csv_import.read(path, self.dataset)
            labels.update(self.dataset, fresh, snapshot=False)

    def check(self) -> None:
        """Nothing is lost, nothing is misattributed."""
        for path, text in self.foreign.items():
            assert path.read_text() == text, f"{path}: somebody's file is gone"
        if self.forgotten.tombstones:
            clips = anchors.of_clips(self.dataset.clips)
            assert not any(self.forgotten.covers(anchor) for anchor in clips.values())
            assert not self.forgotten.clips & set(self.dataset.keys["clip_key"])
        clips = self.dataset.clips
        repeated = clips[clips["reason"] == "repeated"]
        self.counts["repeats looked at"] += len(repeated)
        assert set(repeated["repeat_of"]) <= set(anchors.present(clips)["clip_id"])
        if not self.dataset.has(tables.RATINGS):
            return
        ratings = self.dataset.ratings
        assert set(ratings["lead_time_s"]) == set(self.said), "an answer vanished"
        accepted = ratings[ratings["status"] == "accepted"]
        try:
            found = labelled.read(self.dataset)
        except CaerError:
            return
        self.counts["labels looked at"] += len(found)
        for clip in found.itertuples():
            answers = accepted[accepted["clip_key"] == clip.clip_key]
            assert len(answers) >= 2
            for number, rater in zip(answers["lead_time_s"], answers["rater"], strict=True):
                seen = self.said[number]
                assert rater == seen.rater
                assert sha_of(seen.content) == clip.source_sha256 == clip.video_key
                assert abs(seen.start - clip.start_pts) <= 1
                assert abs(seen.end - clip.end_pts) <= 1
                assert f"p{seen.person}" == clip.person_id


@contextmanager
def _killed(at: int | None) -> Iterator[None]:
    """Let the process die before it writes a table; `at` says which."""
    write, count = tables.write, 0

    def dying(*arguments: Any) -> None:
        nonlocal count
        if count == at:
            raise Killed
        count += 1
        write(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        if at is not None:
            patch.setattr(tables, "write", dying)
        yield
