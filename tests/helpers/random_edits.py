"""Random edits of a small labelled dataset, and what must hold whatever was edited.

The build's own bookkeeping runs as it is: keys, absent videos, rated clips, files that it removes,
tables. Only what looks at pictures is made up: a video is a number, from which its shots and faces
follow.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from caer_data.curate import (
    apply_decisions,
    choosing,
    cutting,
    keeping,
    repeating,
    repeats,
    writing,
)
from caer_data.curate import run as run_module
from caer_data.curate.cutting import Cut
from caer_data.curate.dialogue import Dialogue
from caer_data.curate.intake import Probed
from caer_data.curate.setup import Setup, Video
from caer_data.engine import anchors, ownership, tables
from caer_data.engine import recipe as recipes
from caer_data.engine.dataset import Dataset
from caer_data.engine.decisions import Decision, Decisions
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

FPS, WIDTH, HEIGHT = 25, 640, 360
PLACES = ((60.0, 80.0, 260.0, 300.0), (360.0, 80.0, 560.0, 300.0))  # of the two people of a shot
BEHIND = (280.0, 20.0, 320.0, 60.0)  # of somebody who is in the background of some shots


@dataclass
class Settings:
    """What a recipe or another machine may change."""

    shortest: int = 10
    longest: int = 400
    second_person: bool = False
    jitter: int = 0


@dataclass(frozen=True)
class Truth:
    """What somebody saw: nothing of it comes from the code under test."""

    content: int
    start: int
    end: int
    person: int
    rater: str


def shots_of(content: int) -> list[tuple[int, int]]:
    draw, at, found = random.Random(content), 0, []
    for _ in range(5):
        length = draw.randint(8, 120)
        found.append((at, at + length))
        at += length
    return found


def scene_of(content: int, start: int) -> int | None:
    """What a shot shows that others may show, too."""
    scene = random.Random(content + start).randrange(12)
    return scene if scene < 4 else None


def sha_of(content: int) -> str:
    return hashlib.sha256(str(content).encode()).hexdigest()


class MadeUp:
    """The stages of a build that look at pictures, for videos that are numbers."""

    def __init__(self, files: dict[str, int], settings: Settings) -> None:
        self.files = files
        self.settings = settings

    def probe_files(self, setup: Setup, found: Any) -> Probed:
        seen: set[int] = set()
        videos, rows = [], {}
        known = {n: c for n, c in self.files.items() if sha_of(c) not in setup.forgotten.videos}
        for name, content in sorted(known.items()):
            row = {
                "video_id": name, "show": "s", "episode": name, "path": f"s/{name}.mp4",
                "status": "duplicate" if content in seen else "ok", "bytes": 1,
                "sha256": sha_of(content), "width": WIDTH, "height": HEIGHT, "fps": str(FPS),
                "time_base": f"1/{FPS}", "first_pts": 0, "frames": shots_of(content)[-1][1],
                "duration_s": shots_of(content)[-1][1] / FPS,
            }  # fmt: skip
            rows[name] = row
            if content not in seen:
                info = SimpleNamespace(time_base=Fraction(1, FPS))
                job = SimpleNamespace(
                    video_id=name, content=content, sha256=sha_of(content), info=info, forgotten=()
                )
                videos.append(Video(row, job))
            seen.add(content)
        return Probed(rows, [], videos, {})

    def analyse_videos(self, setup: Setup, probed: Probed) -> list[Video]:
        return probed.videos

    def persons(self, setup: Setup, videos: list[Video]) -> Any:
        forgotten = setup.forgotten
        for video in videos:
            video.job.forgotten = forgotten.in_video(video.row["sha256"])
        rows = {v.job.video_id: tables.frame(tables.TRACKS, self._tracks(v.job)) for v in videos}
        every = pd.concat(rows.values()) if rows else tables.empty(tables.TRACKS)
        people = [
            {"person_id": str(name), "show": "s", "tracks": len(own), "videos": 1, "seconds": 1.0,
             "shots": len(own), "best_track_id": own["track_id"].iloc[0]}
            for name, own in every.groupby("person_id")
        ]  # fmt: skip
        return rows, tables.frame(tables.PEOPLE, people)

    def _tracks(self, job: Any) -> list[dict[str, Any]]:
        fixed = dict.fromkeys(("score", "sharpness", "brightness"), 0.5)
        tracks = []
        for number, start, end in self._shots(job):
            seen = ["p0", "p1"]
            if start // 2 % 3 == 0 and not any(
                gone.start_pts < end and start < gone.end_pts for gone in job.forgotten
            ):
                seen.append(f"x{job.content}")
            tracks += [
                {"track_id": f"{job.video_id}.s{number}.t{place}", "person_id": person,
                 "shot_id": f"{job.video_id}.s{number}", "video_id": job.video_id,
                 "start_frame": start, "end_frame": end, "start_s": start / FPS,
                 "end_s": end / FPS, "coverage": 1.0, "face_height": 0.5, "detections": 2, **fixed}
                for place, person in enumerate(seen)
            ]  # fmt: skip
        return tracks

    def _shots(self, job: Any) -> Iterator[tuple[int, int, int]]:
        """Number, start and end: shots that are too short have no number, as in a real build."""
        long = [s for s in shots_of(job.content) if s[1] - s[0] >= self.settings.shortest]
        for number, (start, end) in enumerate(long, 1):
            yield number, start + self.settings.jitter, end

    def faces(self, job: Any) -> Any:
        rows = []
        for track in self._tracks(job):
            x1, y1, x2, y2 = (*PLACES, BEHIND)[int(track["track_id"][-1])]
            shift = 0.7 * self.settings.jitter
            for frame in range(track["start_frame"], track["end_frame"], 4):
                rows.append(
                    {"track_id": track["track_id"], "frame": frame, "time_s": frame / FPS,
                     "x1": x1 + shift, "y1": y1, "x2": x2 + shift, "y2": y2, "score": 1.0,
                     "interpolated": False}
                )  # fmt: skip
        return tables.check(tables.FACES, tables.frame(tables.FACES, rows))

    def shots(self, job: Any) -> pd.DataFrame:
        rows = [
            (f"{job.video_id}.s{number}", start, end, end / FPS)
            for number, start, end in self._shots(job)
        ]
        return pd.DataFrame(rows, columns=["shot_id", "start_pts", "end_pts", "end_s"])

    def pairs(self, videos: list[repeats.Known]) -> Any:
        """Shots of two videos that show the same scene, for as long as the shorter one lasts."""
        contents = {sha_of(content): content for content in self.files.values()}
        shown = [
            (place, number, shot.start_pts, shot.end_pts, scene)
            for place, video in enumerate(videos)
            for number, shot in enumerate(tables.rows(video.shots))
            if (scene := scene_of(contents[video.sha256], shot.start_pts)) is not None
        ]
        found = []
        for one, other in itertools.combinations(shown, 2):
            if one[0] != other[0] and one[4] == other[4]:
                length = min(one[3] - one[2], other[3] - other[2])
                sides = [(p, n, s / FPS, (s + length) / FPS) for p, n, s, _, _ in (one, other)]
                found.append((*sides[0], *sides[1], False, 0.99, 0.99, 0.99))
        return np.array(found, repeats._PAIR)

    def choose(self, setup: Setup, videos: list[Video], tracks: Any) -> pd.DataFrame:
        person = int(self.settings.second_person)
        rows = []
        for video in videos:
            for number, first, last in self._shots(video.job):
                count = -(-(last - first) // self.settings.longest)
                edges = [first + (last - first) * n // count for n in range(count + 1)]
                shot_id = f"{video.job.video_id}.s{number}"
                for part, (start, end) in enumerate(itertools.pairwise(edges), 1):
                    rows.append(
                        {"clip_id": f"{shot_id}.c{part}", "shot_id": shot_id,
                         "video_id": video.job.video_id, "show": "s", "episode": "e",
                         "start_frame": start, "end_frame": end, "start_pts": start,
                         "end_pts": end, "start_s": start / FPS, "end_s": end / FPS,
                         "status": "kept", "n_people": 2, "person_id": f"p{person}",
                         "track_id": f"{shot_id}.t{person}"}
                    )  # fmt: skip
        clips = tables.frame(tables.CLIPS, rows)
        parts = [tables.empty(tables.CLIPS)]
        for video in videos:
            own = clips[clips["video_id"] == video.job.video_id].reset_index(drop=True)
            faces = self.faces(video.job).to_pandas()
            seen = tracks[video.job.video_id]
            decisions = setup.decisions
            own = apply_decisions.apply(own, video.row, seen, faces, decisions, recipes.Recipe())
            spans = [
                (a.start_pts, a.end_pts) for a in setup.forgotten.in_video(video.row["sha256"])
            ]
            parts.append(apply_decisions.without_spans(own, spans))
        return pd.concat(parts, ignore_index=True)

    def cut(
        self, setup: Setup, videos: Any, clips: pd.DataFrame, absent: keeping.Absent, unread: Any
    ) -> Cut:
        contents = {v.job.video_id: v.job.content for v in videos}
        rows = clips.to_dict("records")
        for row in rows:
            if row["status"] != "kept":
                continue
            row["path"] = f"clips/s/{row['clip_id']}.mp4"
            text = f"{contents[row['video_id']]} {row['start_pts']} {row['end_pts']}"
            write_text(setup.dataset.folder / row["path"], text)
            row |= {"width": WIDTH, "height": HEIGHT, "fps": str(FPS), "bytes": len(text),
                    "frames": row["end_frame"] - row["start_frame"], "has_audio": True,
                    "sha256": hashlib.sha256(text.encode()).hexdigest()}  # fmt: skip
        rows += absent.clips.to_dict("records")
        kept = {row["path"] for row in rows if row["status"] in tables.PRESENT}
        cutting.remove_others(setup.dataset, kept, unread)
        cut = tables.frame(tables.CLIPS, [keeping.without_na(row) for row in rows])
        return Cut(cut, [], {})


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
            1,
            Reporter("quiet"),
            drop_rated=drop,
            decisions=tuple(Decisions(folder).standing()),
            forgotten=Forgotten.of(folder),
        )
        with _without_pictures(self):
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
def _without_pictures(world: World) -> Iterator[None]:
    made_up = MadeUp(world.files, world.settings)
    artifact = SimpleNamespace(name="made-up", json=lambda name: {})
    with pytest.MonkeyPatch.context() as patch:
        for stage in ("probe_files", "analyse_videos", "persons", "choose", "cut"):
            patch.setattr(run_module, stage, getattr(made_up, stage))
        patch.setattr(run_module, "collect_dialogue", lambda setup, videos, sidecars: Dialogue())
        patch.setattr(repeats, "_pairs", made_up.pairs)
        patch.setattr(repeating, "prints_artifact", lambda job: artifact)
        patch.setattr(repeating, "shots_of", made_up.shots)
        for module in (choosing, writing):
            patch.setattr(module, "faces_of", made_up.faces)
        patch.setattr(writing, "shots_of", lambda job: tables.empty(tables.SHOTS))
        for name in ("shots_artifact", "prints_artifact", "faces_artifact", "sound_artifact"):
            patch.setattr(writing, name, lambda job: artifact)
        yield


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
