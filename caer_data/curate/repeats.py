"""Repeated content: which shot repeats which, and which of the clips is kept.

Titles, recaps, credits, adverts and second rips would be rated repeatedly and leak from train to
test. Of clips that show the same content, the rated one is kept, otherwise the one that was added
to the dataset first, so that an episode added later removes nothing. Of copies of an episode that
were added together, the one with the best picture is kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.engine import tables
from caer_data.engine.artifacts import Artifact, Store, key_of
from caer_data.media import fingerprints, passages
from caer_data.media.matching import Match, Strip

VERSION: Final = 8

_MAX_PICTURES: Final = 60 * fingerprints.RATE  # of a strip; longer shots are compared in parts
_COVERED: Final = 0.5  # minimum share of the shorter of two clips that must be shared
_REPEATED_SHARE: Final = 0.5  # minimum share of a video that must be shared by a repeated episode

SAME: Final = 0.8
"""Share from which two episodes are the same; with less, one may be a compilation of the other."""


@dataclass(frozen=True)
class Known:
    """A video with fingerprints.

    Attributes:
        video_id: its identifier.
        sha256: hash of its content.
        prints: its fingerprints.
        shots: its rows of `shots`.
        first_pts: timestamp of its first frame.
        time_base: unit of its timestamps, seconds.
        earlier: whether it was in the dataset before this build.
        picture: how good its picture is, see `picture_of`.
    """

    video_id: str
    sha256: str
    prints: Artifact
    shots: pd.DataFrame
    first_pts: int
    time_base: Fraction
    earlier: bool = False
    picture: tuple[float, float] = (0.0, 0.0)


def picture_of(row: Mapping[Any, Any]) -> tuple[float, float]:
    """Return how good a video's picture is: pixels of a frame, and bytes per second.

    Args:
        row: its row of `videos`.
    """
    width, height, seconds, size = (
        0.0 if pd.isna(row[name]) else float(row[name])
        for name in ("width", "height", "duration_s", "bytes")
    )
    return width * height, size / seconds if seconds else 0.0


def absent(store: Store, videos: pd.DataFrame, shots: pd.DataFrame) -> list[Known]:
    """Return the absent videos whose fingerprints exist."""
    found = []
    for row in videos.to_dict("records"):
        artifact = prints_of(store, row["sha256"])
        if artifact is not None:
            own = shots[shots["video_id"] == row["video_id"]]
            base = Fraction(row["time_base"])
            known = Known(
                video_id=row["video_id"],
                sha256=row["sha256"],
                prints=artifact,
                shots=own,
                first_pts=int(row["first_pts"]),
                time_base=base,
                earlier=True,
                picture=picture_of(row),
            )
            found.append(known)
    return found


def prints_of(store: Store, sha256: str) -> Artifact | None:
    """Return the fingerprints of a video, by the hash of its content; None if they do not exist."""
    files = sorted((store.folder / "prints").glob(f"{sha256[:16]}.*.zip"))
    return store.get("prints", *files[0].stem.split(".")) if files else None


def find(
    work: Path,
    videos: Sequence[Known],
    standing: Set[tuple[str, str]] = frozenset(),
    jobs: int = 1,
) -> pd.DataFrame:
    """Return the table `repeats` of all videos; results for the same videos are cached.

    Args:
        work: the dataset's work folder.
        videos: the videos, those that take precedence first; see `best_first`.
        standing: pairs of hashes of videos of which, according to the last build, the first repeats
            the second; this does not change.
        jobs: processes for comparisons; results do not depend on it.
    """
    by_content, pairs = _found(work, videos, jobs)
    ranked = {v.sha256: (not v.earlier, index) for index, v in enumerate(videos)}
    rows = [_row(pair, by_content, ranked, standing) for pair in pairs]
    ordered = sorted(rows, key=lambda r: (r["shot_id"], r["of_shot_id"]))
    return tables.frame(tables.REPEATS, ordered)


def best_first(work: Path, videos: Sequence[Known], jobs: int = 1) -> list[Known]:
    """Return the videos in the order in which their clips take precedence.

    Those of earlier builds come first. Copies of one episode exchange their places, so that the
    largest picture, and of equally large ones the least compressed, comes first.

    Args:
        work: the dataset's work folder.
        videos: the videos, in the order of the dataset.
        jobs: processes for comparisons; results do not depend on it.
    """
    by_content, pairs = _found(work, videos, jobs)
    shown = pd.DataFrame(
        {
            "video_id": pairs["video"],
            "of_video_id": pairs["of_video"],
            "shot_id": pairs["shot"],
            "start_s": pairs["start"],
            "end_s": pairs["end"],
        }
    )
    lengths = [float(v.shots["end_s"].max()) if len(v.shots) else 0.0 for v in by_content]
    numbers = pd.DataFrame({"video_id": range(len(by_content)), "duration_s": lengths})
    copies = {index: {index} for index in range(len(by_content))}
    for one, other, share in repeated_episodes(numbers, shown):
        if share >= SAME:
            together = copies[int(one)] | copies[int(other)]
            copies |= dict.fromkeys(together, together)
    place = {video.sha256: index for index, video in enumerate(videos)}
    ordered = list(videos)
    for group in {min(group): group for group in copies.values()}.values():
        members = sorted((by_content[index] for index in group), key=lambda v: place[v.sha256])
        best = sorted(members, key=lambda v: v.picture, reverse=True)
        for member, better in zip(members, best, strict=True):
            ordered[place[member.sha256]] = better
    return sorted(ordered, key=lambda v: not v.earlier)


def _found(work: Path, videos: Sequence[Known], jobs: int) -> tuple[list[Known], npt.NDArray[Any]]:
    """Return the videos by hash and the pairs that refer to them, see `_pairs`; cached."""
    by_content = sorted(videos, key=lambda v: v.sha256)
    artifact = Store(work).make(
        "repeats",
        "all",
        key(videos),
        lambda folder: np.save(folder / "pairs.npy", _pairs(by_content, jobs)),
    )
    return by_content, artifact.array("pairs.npy")


def key(videos: Sequence[Known]) -> str:
    """Return the key of the result for some videos: a hash of their fingerprints and shots."""
    content = [
        [v.sha256, v.prints.name, *v.shots["start_pts"].tolist()]
        for v in sorted(videos, key=lambda v: v.sha256)
    ]
    return key_of("repeats", VERSION, None, content)


_PAIR: Final = np.dtype(
    [
        ("video", "i8"), ("shot", "i8"), ("start", "f8"), ("end", "f8"),
        ("of_video", "i8"), ("of_shot", "i8"), ("of_start", "f8"), ("of_end", "f8"),
        ("mirrored", "?"), ("score", "f8"), ("motion", "f8"), ("sound", "f8"),
    ]
)  # fmt: skip


def _pairs(videos: Sequence[Known], jobs: int) -> npt.NDArray[Any]:
    """Return the best passage of each pair of matching shots in different videos, by indexes."""
    strips: list[Strip] = []
    indices: list[tuple[int, int]] = []
    for number, video in enumerate(videos):
        for shot, strip in _strips(video):
            strips.append(strip)
            indices.append((number, shot))
    best: dict[tuple[tuple[int, int], tuple[int, int]], Match] = {}
    sides = [number for number, _ in indices]
    for one, other, match in passages.shared(strips, sides, jobs=jobs):
        if not passages.repeated(match, strips[one], strips[other]):
            continue
        pair = indices[one], indices[other]
        if pair not in best or best[pair].length < match.length:
            best[pair] = match
    rows = [
        (*one, *_span(m.one), *other, *_span(m.other), m.place.mirrored, m.picture,
         np.nan if m.motion is None else m.motion, np.nan if m.sound is None else m.sound)
        for (one, other), m in sorted(best.items(), key=lambda item: item[0])
    ]  # fmt: skip
    return np.array(rows, _PAIR)


def _strips(video: Known) -> Iterator[tuple[int, Strip]]:
    known = fingerprints.load(video.prints.array)
    times = ((known.pts - video.first_pts) * float(video.time_base)).astype(np.float64)
    edges = video.shots[["start_pts", "end_pts"]].to_numpy(np.int64)
    for shot, (start, end) in enumerate(np.searchsorted(known.pts, edges)):
        for at in range(start, end, _MAX_PICTURES):
            part = slice(at, min(at + _MAX_PICTURES, end))
            held = slice(*np.searchsorted(known.stills, [part.start, part.stop]))
            yield (
                shot,
                Strip(
                    times[part],
                    known.pictures[part],
                    known.sound,
                    times[known.stills[held]],
                    known.detailed[held],
                ),
            )


def _span(times: tuple[float, float]) -> tuple[float, float]:
    return times[0], times[1] + 1 / fingerprints.RATE


def standing(videos: pd.DataFrame, found: pd.DataFrame) -> set[tuple[str, str]]:
    """Return pairs of hashes of videos of which the first repeats the second.

    Args:
        videos: the table `videos` of the last build.
        found: its table `repeats`.
    """
    sha256 = dict(zip(videos["video_id"], videos["sha256"], strict=True))
    pairs = set(zip(found["video_id"].map(sha256), found["of_video_id"].map(sha256), strict=True))
    return {pair for pair in pairs if pair[::-1] not in pairs}


def _row(
    pair: Any,
    videos: Sequence[Known],
    ranked: dict[str, tuple[bool, int]],
    standing: Set[tuple[str, str]],
) -> dict[str, Any]:
    """Return a row of `repeats`, in which the later shot repeats the earlier one."""
    sides = []
    for of in ("", "of_"):
        video = videos[pair[f"{of}video"]]
        shot = video.shots.iloc[pair[f"{of}shot"]]
        start, end = (float(pair[f"{of}{name}"]) for name in ("start", "end"))
        end = min(end, float(shot["end_s"]))
        sides.append(((ranked[video.sha256], start), video, shot["shot_id"], start, end))
    first, later = sorted(sides, key=lambda side: side[0])
    if (first[1].sha256, later[1].sha256) in standing:
        first, later = later, first
    columns: dict[str, Any] = {
        "mirrored": bool(pair["mirrored"]),
        "score": float(pair["score"]),
        "motion": None if np.isnan(pair["motion"]) else float(pair["motion"]),
        "sound": None if np.isnan(pair["sound"]) else float(pair["sound"]),
    }
    for of, (_, video, shot_id, start, end) in (("", later), ("of_", first)):
        columns |= {
            f"{of}shot_id": shot_id,
            f"{of}video_id": video.video_id,
            f"{of}start_pts": video.first_pts + round(start / float(video.time_base)),
            f"{of}end_pts": video.first_pts + round(end / float(video.time_base)),
            f"{of}start_s": start,
            f"{of}end_s": end,
        }
    return columns


def same_clips(clips: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of clips that share at least half of the shorter clip.

    Args:
        clips: columns `clip_id, shot_id, start_s, end_s`.
        found: the table `repeats`.

    Returns:
        Columns `clip_id, of_clip_id`, and `start_s, of_start_s, seconds, score, mirrored` of the
        shared part.
    """
    concerned = clips["shot_id"].isin(found["shot_id"]) | clips["shot_id"].isin(found["of_shot_id"])
    by_shot: defaultdict[str, list[Any]] = defaultdict(list)
    for clip in tables.rows(clips.loc[concerned, ["clip_id", "shot_id", "start_s", "end_s"]]):
        by_shot[clip.shot_id].append(clip)
    rows = [
        {"clip_id": one.clip_id, "of_clip_id": other.clip_id, **common}
        for passage in tables.rows(found)
        for one in by_shot[passage.shot_id]
        for other in by_shot[passage.of_shot_id]
        if (common := _common(one, other, passage))
    ]
    columns = ["clip_id", "of_clip_id", "start_s", "of_start_s", "seconds", "score", "mirrored"]
    return pd.DataFrame(rows, columns=columns)


def _common(one: Any, other: Any, passage: Any) -> dict[str, Any] | None:
    shift = passage.of_start_s - passage.start_s
    start = max(one.start_s, passage.start_s, other.start_s - shift)
    end = min(one.end_s, passage.end_s, other.end_s - shift)
    shorter = min(one.end_s - one.start_s, other.end_s - other.start_s)
    if end - start < _COVERED * shorter:
        return None
    return {
        "start_s": start,
        "of_start_s": start + shift,
        "seconds": end - start,
        "score": passage.score,
        "mirrored": passage.mirrored,
    }


def drop(
    clips: pd.DataFrame,
    others: pd.DataFrame,
    found: pd.DataFrame,
    rated: Set[str],
    before: Set[str],
    order: Sequence[str] = (),
) -> pd.DataFrame:
    """Drop kept clips that repeat another one.

    Args:
        clips: the table `clips` of the present videos, with keys.
        others: clips of absent videos, which are always kept.
        found: the table `repeats`.
        rated: keys of clips with answers, which are also kept.
        before: keys of clips that the last build kept, which take precedence over others.
        order: identifiers of the videos whose clips take precedence first; the clips' own order
            decides between clips of a video, and between videos that are not listed.

    Returns:
        The clips, with `repeat_of` and `repeat_score` for those that repeat a kept clip.
    """
    kept = pd.concat([clips[clips["status"] == "kept"], others], ignore_index=True)
    partners: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    for pair in tables.rows(same_clips(kept, found)):
        partners[pair.clip_id].append((-pair.score, pair.of_clip_id))
        partners[pair.of_clip_id].append((-pair.score, pair.clip_id))
    fixed = kept["clip_key"].isin(rated) | kept["clip_id"].isin(others["clip_id"])
    new = ~kept["clip_key"].isin(before)
    rank = kept["video_id"].map({name: place for place, name in enumerate(order)})
    stays = set(kept.loc[fixed, "clip_id"])
    repeats: dict[str, tuple[float, str]] = {}
    tried = kept[~fixed].assign(new=new, rank=rank)
    for clip in tried.sort_values(["new", "rank"], kind="stable")["clip_id"]:
        same = sorted(pair for pair in partners[clip] if pair[1] in stays)
        if same:
            repeats[clip] = same[0]
        else:
            stays.add(clip)
    return _marked(clips, repeats)


def _marked(clips: pd.DataFrame, repeats: dict[str, tuple[float, str]]) -> pd.DataFrame:
    clips = clips.copy()
    rows = clips["clip_id"].isin(list(repeats))
    own = [repeats[clip] for clip in clips.loc[rows, "clip_id"]]
    clips.loc[rows, "status"], clips.loc[rows, "reason"] = "dropped", "repeated"
    clips.loc[rows, "repeat_of"] = [name for _, name in own]
    clips.loc[rows, "repeat_score"] = [-score for score, _ in own]
    keyed = ["clip_key", "video_key", *(column.name for column in tables.BOX)]
    for name in keyed:
        clips.loc[rows, name] = None
    return clips


def repeated_episodes(videos: pd.DataFrame, found: pd.DataFrame) -> list[tuple[str, str, float]]:
    """Return repeated episodes: (later, earlier, shared fraction of the shorter one).

    Args:
        videos: the table `videos`.
        found: the table `repeats`.
    """
    lengths = dict(zip(videos["video_id"], videos["duration_s"].astype(float), strict=True))
    named = []
    pairs = found[found["video_id"] != found["of_video_id"]]
    for (later, first), rows in pairs.groupby(["video_id", "of_video_id"], observed=True):
        own = rows.sort_values("start_s").drop_duplicates("shot_id")
        shown = float((own["end_s"] - own["start_s"]).sum())
        share = shown / max(min(lengths.get(later, 0.0), lengths.get(first, 0.0)), 1e-9)
        if share >= _REPEATED_SHARE:
            named.append((str(later), str(first), min(share, 1.0)))
    return named
