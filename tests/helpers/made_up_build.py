"""The stages of a build that look at pictures, made up: a video is a number.

From the number follow its shots, its faces and what it shows that others show, too.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
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
from caer_data.engine import recipe as recipes
from caer_data.engine import tables
from caer_data.engine.files import write_text

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
                    video_id=name,
                    content=content,
                    sha256=sha_of(content),
                    info=info,
                    forgotten=(),
                    wants_speakers=False,
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

    def pairs(self, videos: list[repeats.Known], jobs: int) -> Any:
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


@contextmanager
def without_pictures(made_up: MadeUp) -> Iterator[None]:
    artifact = SimpleNamespace(name="made-up", json=lambda name: {})
    with pytest.MonkeyPatch.context() as patch:
        for stage in ("probe_files", "analyse_videos", "persons", "choose", "cut"):
            patch.setattr(run_module, stage, getattr(made_up, stage))
        patch.setattr(run_module, "identify", lambda *given: (given[3], given[4]))
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
