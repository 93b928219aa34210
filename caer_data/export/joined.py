"""Merge the tables of several releases, renaming whatever has the same name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.export.layouts.caer_s_2019 import NAME as LEAKY
from caer_data.export.shows import Origin
from caer_data.labels import vote_text


@dataclass(frozen=True)
class Differing:
    """A clip with different labels in two releases."""

    clip_key: str
    first: str
    first_clip: str
    first_emotion: str
    second: str
    second_clip: str
    second_emotion: str


@dataclass(frozen=True)
class Part:
    """The tables of one release, with their names in the joined one.

    Attributes:
        origin: the original release.
        name: name of its dataset.
        manifest: its files, without clips in an earlier release; `part_path` and `part_member`
            say where each file is now.
        sources: its videos that are in no earlier release.
        boxes: boxes of the targets of its clips.
        clips: new names of its clips, by the old ones.
        videos: new names of its own videos, by the old ones.
        twice: number of its clips that an earlier release has with the same label.
    """

    origin: Origin
    name: str
    manifest: pd.DataFrame
    sources: pd.DataFrame
    boxes: pd.DataFrame
    clips: Mapping[str, str]
    videos: Mapping[str, str]
    twice: int


@dataclass
class _Taken:
    """Names and keys in use by the releases so far."""

    videos: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    video_ids: set[str] = field(default_factory=set)
    episodes: set[tuple[str, str]] = field(default_factory=set)
    shots: dict[str, str] = field(default_factory=dict)
    people: set[str] = field(default_factory=set)
    clip_ids: set[str] = field(default_factory=set)
    clips: dict[str, tuple[Mapping[str, Any], str]] = field(default_factory=dict)
    raters: int = 0


def parts_of(origins: list[Origin], names: list[str]) -> tuple[list[Part], list[Differing]]:
    """Return the releases with colliding names changed, and clips whose labels differ.

    Raises:
        CaerError: a clip's key belongs to another video elsewhere, or a release has only the
            layout `caer-s-2019`, or has a clip twice.
    """
    taken, parts, differing = _Taken(), [], []
    for origin, name in zip(origins, names, strict=True):
        part, found = _renamed(origin, name, taken)
        parts.append(part)
        differing += found
    return parts, differing


def clips_of(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return one row per clip, by `clip_id`: that of its own file, else of one of its frames."""
    usual = manifest[manifest["layout"] != LEAKY]
    whole = usual["member"].notna() | usual["path"].str.endswith(".mp4")
    rank = usual["frame"].notna() * 2 + ~whole
    ordered = usual.assign(rank=rank).sort_values(["clip_id", "rank"], kind="stable")
    clips = ordered.drop_duplicates("clip_id").drop(columns="rank").reset_index(drop=True)
    length = clips["end_frame"] - clips["start_frame"]
    return clips.assign(frames=clips["frames"].where(clips["frame"].isna(), length))


def _renamed(origin: Origin, name: str, taken: _Taken) -> tuple[Part, list[Differing]]:
    manifest, sources = origin.manifest, origin.sources
    clips = clips_of(manifest)
    _check_whole(origin, clips)
    twice, differing = _shared(origin, clips, name, taken)
    own_videos = sources[~sources["sha256"].isin(taken.videos)]
    videos, shown = _videos(sources, name, taken)
    moved = {video for video in own_videos["video_id"] if videos[video] != video}
    shots = _shots(clips, videos, name, taken, moved)
    people = _people(clips, twice, name, taken)
    of_moved = set(clips.loc[clips["video_id"].isin(moved), "clip_id"])
    own_clips = sorted(set(clips["clip_id"]) - set(twice))
    clip_ids = _fresh(own_clips, name, taken.clip_ids, of_moved)
    renamed = manifest[manifest["clip_id"].isin(clip_ids)].assign(
        part_path=lambda rows: rows["path"], part_member=lambda rows: rows["member"]
    )
    for index, column in enumerate(("show", "episode")):
        renamed[column] = renamed["video_id"].map(lambda video, at=index: shown[video][at])
    for column, new in (
        ("clip_id", clip_ids),
        ("video_id", videos),
        ("shot_id", shots),
        ("person_id", people),
        ("identity", people),
    ):
        renamed[column] = renamed[column].map(new)
    renamed["votes"] = _renumbered(renamed["votes"], taken)
    boxes = origin.boxes[origin.boxes["clip_id"].isin(clip_ids)]
    boxes = boxes.assign(clip_id=boxes["clip_id"].map(clip_ids))
    own = own_videos.assign(
        show=own_videos["video_id"].map(lambda video: shown[video][0]),
        episode=own_videos["video_id"].map(lambda video: shown[video][1]),
        video_id=own_videos["video_id"].map(videos),
    )
    _take(taken, renamed, own, name)
    named = {old: videos[old] for old in own_videos["video_id"]}
    part = Part(origin, name, renamed, own, boxes, clip_ids, named, len(twice))
    return part, differing


def _check_whole(origin: Origin, clips: pd.DataFrame) -> None:
    path = origin.folder / "manifest.parquet"
    if clips.empty:
        raise CaerError(
            f"{path}: has only the layout {LEAKY}, which does not assign clips to splits; "
            "export it again with another layout"
        )
    if set(origin.manifest["clip_id"]) - set(clips["clip_id"]):
        raise CaerError(f"{path}: some clips are only in {LEAKY}; export the release again")
    if clips["clip_key"].dropna().duplicated().any():
        raise CaerError(f"{path}: two clips have the same clip_key; export the release again")


def _shared(
    origin: Origin, clips: pd.DataFrame, name: str, taken: _Taken
) -> tuple[dict[str, Mapping[str, Any]], list[Differing]]:
    """Return clips in an earlier release, with its rows, and clips whose labels differ."""
    twice, differing = {}, []
    for row in tables.records(clips[clips["clip_key"].isin(taken.clips)]):
        first, of = taken.clips[row["clip_key"]]
        if first["source_sha256"] != row["source_sha256"]:
            raise CaerError(
                f"{origin.folder}: the clip {row['clip_id']} has the key {row['clip_key']}, which "
                f"is that of another video's clip in {of}; omit one of the two releases"
            )
        twice[row["clip_id"]] = first
        if first["emotion"] != row["emotion"]:
            labels = first["clip_id"], first["emotion"], name, row["clip_id"], row["emotion"]
            differing.append(Differing(row["clip_key"], of, *labels))
    return twice, differing


def _videos(
    sources: pd.DataFrame, name: str, taken: _Taken
) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Return new names of videos, and the show and episode of each video by its old name.

    A file in an earlier release is the same video, even under another name.
    """
    rows = tables.records(sources.sort_values("video_id"))
    shows = {row["show"]: row["show"] for row in rows}
    known = {row["video_id"]: taken.videos.get(row["sha256"]) for row in rows}
    shows |= {row["show"]: s["show"] for row in rows if (s := known[row["video_id"]])}
    own = [row for row in rows if known[row["video_id"]] is None]
    videos = _fresh([row["video_id"] for row in own], name, taken.video_ids)
    videos |= {old: source["video_id"] for old, source in known.items() if source}
    shown = {old: (source["show"], source["episode"]) for old, source in known.items() if source}
    for row in own:
        show, episode = shows[row["show"]], row["episode"]
        while (show, episode) in taken.episodes:
            episode = f"{name} {episode}"
        shown[row["video_id"]] = show, episode
    return videos, shown


def _shots(
    clips: pd.DataFrame, videos: Mapping[str, str], name: str, taken: _Taken, moved: set[str]
) -> dict[str, str]:
    """Return new names of shots; equal names in a shared video may be one shot and are kept.

    Args:
        clips: the clips of the release.
        videos: new names of its videos.
        name: name of its dataset.
        taken: names in use.
        moved: its videos that have a new name.
    """
    of = dict(zip(clips["shot_id"], clips["video_id"].map(videos), strict=True))
    same = {shot: shot for shot, video in of.items() if taken.shots.get(shot) == video}
    of_moved = set(clips.loc[clips["video_id"].isin(moved), "shot_id"])
    return same | _fresh(sorted(set(of) - set(same)), name, set(taken.shots), of_moved)


def _people(
    clips: pd.DataFrame, twice: Mapping[str, Mapping[str, Any]], name: str, taken: _Taken
) -> dict[str, str]:
    """Return new numbers of persons; the targets of a shared clip are one person."""
    used = set(clips["person_id"].dropna()) | set(clips["identity"].dropna())
    same: dict[str, str] = {}
    for row in tables.records(clips[clips["clip_id"].isin(twice)]):
        first = twice[row["clip_id"]]
        for column in ("person_id", "identity"):
            if pd.notna(row[column]) and pd.notna(first[column]):
                same.setdefault(row[column], first[column])
    return same | _fresh(sorted(used - set(same)), name, taken.people)


def _fresh(
    own: Iterable[str], name: str, taken: set[str], moved: Collection[str] = ()
) -> dict[str, str]:
    """Return an unused name for each: its own, or with the dataset's name as a prefix.

    Names in `moved` get the prefix in any case: what is in a renamed video is named after it.
    """
    own = list(own)
    used, found = taken | set(own), {}
    for old in own:
        new = old
        if old in taken or old in moved:
            while new in used:
                new = f"{name}-{new}"
        used.add(new)
        found[old] = new
    return found


def _renumbered(votes: pd.Series, taken: _Taken) -> pd.Series:
    """Return votes whose rater numbers continue those of the earlier releases."""
    offset = taken.raters

    def new_name(rater: str) -> str:
        number = vote_text.number_of(rater)
        return vote_text.numbered(number + offset) if number else rater

    return votes.map(lambda text: vote_text.rename(text, new_name))


def _take(taken: _Taken, manifest: pd.DataFrame, sources: pd.DataFrame, name: str) -> None:
    rows = clips_of(manifest)
    for row in tables.records(rows[rows["clip_key"].notna()]):
        taken.clips[row["clip_key"]] = row, name
    for row in tables.records(sources):
        taken.videos.setdefault(row["sha256"], row)
    taken.video_ids |= set(sources["video_id"])
    taken.episodes |= set(zip(sources["show"], sources["episode"], strict=True))
    taken.shots |= dict(zip(rows["shot_id"], rows["video_id"], strict=True))
    taken.people |= set(rows["person_id"].dropna()) | set(rows["identity"].dropna())
    taken.clip_ids |= set(rows["clip_id"])
    votes = [vote for text in rows["votes"] for vote in vote_text.parse(text)]
    numbers = [vote_text.number_of(vote.rater) for vote in votes]
    taken.raters = max([taken.raters, *numbers])
