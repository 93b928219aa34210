"""Audit a release for leaks between its splits and for shortcuts that reveal the class.

Every check depends only on the manifest, so any release can be audited again, including one made by
others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from caer_data.engine.emotions import EMOTIONS
from caer_data.export import duplicates
from caer_data.export.columns import distinct, with_all_columns
from caer_data.export.manifest import SPLITS

WINDOW: Final = 16
"""Frames of CAER-Net's input (paper, section 5.1)."""

RATE: Final = 10
"""Sampling rate of that input, in frames per second."""

GUESSED: Final = 0.75
"""Area under the ROC curve above which box sizes reveal a class; 0.5 is chance."""

_MIN_CLIPS = 20


@dataclass(frozen=True)
class Verdict:
    """Result of one check of the audit.

    Attributes:
        check: name of the check.
        verdict: `ok`, `note` (worth knowing, or nothing wrong was found but not everything could be
            checked), `finding` (something is wrong) or `not measured` (nothing could be checked).
        count: number of clips, groups or classes concerned.
        text: the result in words.
    """

    check: str
    verdict: Literal["ok", "note", "finding", "not measured"]
    count: int
    text: str

    def __str__(self) -> str:
        return f"{self.verdict:<14}{self.check}: {self.text}"


def audit(
    manifest: pd.DataFrame, repeated: pd.DataFrame | None = None, noun: str = "clip"
) -> list[Verdict]:
    """Audit one split of a manifest.

    Args:
        manifest: rows of `MANIFEST` for layouts that share one split. Several files of a clip
            (frames, other layouts) count once per split. Columns other than `clip_id` and `split`
            may be missing.
        repeated: pairs of clips with the same footage, see `repeated.of_clips`; None if not
            searched.
        noun: what the verdicts call a clip, such as `picture`; its plural ends in s.

    Returns:
        One verdict per check, always the same checks in the same order. A check whose columns are
        missing is `not measured`.

    Raises:
        CaerError: `clip_id` or `split` is missing, or a split has an unknown name.
    """
    manifest = with_all_columns(manifest)
    clips = manifest.drop_duplicates(["clip_id", "split"])
    return [
        *(straddling(clips, check, column, noun) for check, column in _GROUPS[:1]),
        _overlapping(clips, noun),
        *(straddling(clips, check, column, noun) for check, column in _GROUPS[1:]),
        _people_across_shows(clips, noun),
        _repeated(clips, repeated, noun),
        _near_duplicates(manifest, noun),
        _box_size_by_class(manifest, noun),
        _box_size_by_split(manifest, noun),
        _short(clips, noun),
        _balance(manifest, noun),
    ]


def box_sizes(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the median of box height divided by frame height, by class (rows) and split."""
    sizes = manifest.pivot_table(
        index="emotion", columns="split", values="face_height", aggfunc="median", observed=True
    )
    return sizes.reindex(index=[e for e in EMOTIONS if e in sizes.index]).reindex(
        columns=[s for s in SPLITS if s in sizes.columns]
    )


_GROUPS: Final = (
    ("same clip", "clip_id"),
    ("same shot", "shot_id"),
    ("same episode", "video_id"),
    ("same show", "show"),
    ("same person", "person_id"),
)


def straddling(clips: pd.DataFrame, check: str, column: str, noun: str = "clip") -> Verdict:
    """Check whether clips with the same value of a column are in more than one split."""
    known = clips.dropna(subset=[column])
    if known.empty:
        return Verdict(check, "not measured", 0, f"no {noun} has a {column}")
    splits = known.groupby(column, observed=True)["split"].nunique()
    across = splits[splits > 1]
    if across.empty:
        return _well(check, "in one split each", _unknown(clips, known), column, noun)
    inside = known[known[column].isin(across.index)]["clip_id"].nunique()
    text = (
        f"{len(across):,} of {len(splits):,} {'is' if len(across) == 1 else 'are'} in more than "
        f"one split ({inside:,} of {clips['clip_id'].nunique():,} {noun}s)"
    )
    return Verdict(check, "finding", len(across), text)


def _unknown(clips: pd.DataFrame, known: pd.DataFrame) -> int:
    """Return how many clips are not in `known`."""
    return int(clips["clip_id"].nunique() - known["clip_id"].nunique())


def _unchecked(unknown: int, column: str, noun: str) -> str:
    have, were = (f"{noun} has", "was") if unknown == 1 else (f"{noun}s have", "were")
    return f"; {unknown:,} {have} no {column} and {were} not checked" if unknown else ""


def _well(check: str, text: str, unknown: int, column: str, noun: str) -> Verdict:
    """Return `ok`, or a note with the number of clips that could not be checked."""
    verdict: Literal["ok", "note"] = "note" if unknown else "ok"
    return Verdict(check, verdict, unknown, text + _unchecked(unknown, column, noun))


def _people_across_shows(clips: pd.DataFrame, noun: str) -> Verdict:
    """Check whether persons who occur in several shows are in one split each."""
    check = "same person in two shows"
    shows = clips["show"].nunique()
    if not shows:
        return Verdict(check, "not measured", 0, f"no {noun} has a show")
    if shows == 1:
        unknown = _unknown(clips, clips.dropna(subset=["show"]))
        return _well(check, "there is one show", unknown, "show", noun)
    known = clips.dropna(subset=["identity", "show"])
    if known.empty:
        text = f"no {noun} has an identity: nobody compared the persons of the {shows} shows"
        text = text if clips["person_id"].notna().any() else f"no {noun} has a person_id"
        return Verdict(check, "not measured", 0, text)
    unknown = _unknown(clips, known)
    counts = known.groupby("identity", observed=True).agg(
        shows=("show", "nunique"), splits=("split", "nunique")
    )
    met = counts[counts["shows"] > 1]
    across = met[met["splits"] > 1]
    if across.empty:
        text = f"{len(met):,} persons occur in several shows, each in one split"
        if len(met) == 1:
            text = "1 person occurs in several shows, in one split"
        return _well(check, text, unknown, "identity or no show", noun)
    own = known[known["identity"] == across.index[0]]
    names = " and ".join(sorted(own["person_id"].dropna().unique())[:2])
    text = (
        f"{len(across):,} of {len(met):,} persons who occur in several shows "
        f"{'is' if len(across) == 1 else 'are'} in more than one split "
        f"(such as {names}){_unchecked(unknown, 'identity or no show', noun)}"
    )
    return Verdict(check, "finding", len(across), text)


def _repeated(clips: pd.DataFrame, found: pd.DataFrame | None, noun: str) -> Verdict:
    """Check for clips that show the same footage, by the fingerprints of their videos."""
    check = "repeated footage"
    if found is None:
        return Verdict(check, "not measured", 0, "no fingerprints of the videos were compared")
    repeating = clips["clip_id"].isin(set(found["clip_id"]) | set(found["of_clip_id"]))
    splits = defaultdict[str, set[str]](set)
    for clip_id, split in clips.loc[repeating, ["clip_id", "split"]].itertuples(index=False):
        splits[clip_id].add(split)
    pairs = [
        (one, other, splits[one] | splits[other])
        for one, other in zip(found["clip_id"], found["of_clip_id"], strict=True)
        if one in splits and other in splits
    ]
    if not pairs:
        return Verdict(check, "ok", 0, f"no two {noun}s show the same footage")
    across = [pair for pair in pairs if len(pair[2]) > 1]
    concerned = {name for pair in across or pairs for name in pair[:2]}
    if not across:
        text = f"{len(concerned):,} {noun}s show the same footage as another one"
        text += " in the same split" if clips["split"].nunique() > 1 else ""
        return Verdict(check, "note", len(concerned), text)
    text = (
        f"{len(concerned):,} of {clips['clip_id'].nunique():,} {noun}s show the same footage as "
        f"one in another split (such as {across[0][0]} and {across[0][1]})"
    )
    return Verdict(check, "finding", len(concerned), text)


def _overlapping(clips: pd.DataFrame, noun: str) -> Verdict:
    """Check for clips of one video that overlap in time with a clip in another split."""
    check = "overlapping time"
    columns = ["video_id", "start_pts", "end_pts", "split", "clip_id"]
    timed = clips[columns].dropna()
    if timed.empty:
        text = f"no {noun} has a video_id, start_pts and end_pts"
        return Verdict(check, "not measured", 0, text)
    concerned: set[str] = set()
    current, open_until = "", list[tuple[int, str, str]]()
    for video, start, end, split, clip_id in sorted(timed.itertuples(index=False)):
        before = open_until if video == current else []
        open_until = [entry for entry in before if entry[0] > start]
        for _, other_split, other in open_until:
            if other_split != split and other != clip_id:
                concerned |= {clip_id, other}
        open_until.append((end, split, clip_id))
        current = video
    if not concerned:
        text = f"no {noun} overlaps in time with one of another split"
        return _well(check, text, _unknown(clips, timed), "video_id or no span of pts", noun)
    text = f"{len(concerned):,} {noun}s overlap in time with one of another split"
    return Verdict(check, "finding", len(concerned), text)


def _near_duplicates(manifest: pd.DataFrame, noun: str) -> Verdict:
    check = "near-duplicate pictures"
    columns = ["clip_id", "split", "perceptual_hash"]
    hashed = distinct(manifest[columns].dropna(subset=["perceptual_hash"]), columns)
    values, of_row = duplicates.listed(hashed["perceptual_hash"])
    if not len(values):
        return Verdict(check, "not measured", 0, "no picture has a perceptual hash")
    sides = hashed["split"].map(SPLITS.index).to_numpy(np.int8)[of_row]
    partner = duplicates.pairs(values, sides)
    concerned = np.flatnonzero(partner >= 0)
    clip_ids = hashed["clip_id"].array
    clips = len(clip_ids[of_row[concerned]].unique())
    total = hashed["clip_id"].nunique()
    if not clips:
        text = f"no {noun} looks like one of another split ({len(values):,} pictures compared)"
        return _well(check, text, _unknown(manifest, hashed), "perceptual hash", noun)
    first = concerned[0]
    one, other = (clip_ids[of_row[at]] for at in (first, partner[first]))
    nearly = "are" if noun == "picture" else "have a picture that is"
    text = (
        f"{clips:,} of {total:,} {noun}s {nearly} nearly equal to one of another split (such as "
        f"{one} and {other})"
    )
    return Verdict(check, "finding", clips, text)


def _box_size_by_class(manifest: pd.DataFrame, noun: str) -> Verdict:
    """Check for the shortcut in public CAER-S boxes: classes whose boxes have a different scale.

    A class stands out if box size distinguishes it from the other classes, either in all splits
    together or in one of them. Differences within four standard errors are attributed to chance.
    """
    check = "box size by class"
    for name in ("a face_height", "an emotion"):
        if manifest[name.split()[1]].isna().all():
            return Verdict(check, "not measured", 0, f"no {noun} has {name}")
    sized = _one_size_a_clip(manifest)
    parts = [sized, *(sized[sized["split"] == split] for split in SPLITS)]
    worst: dict[str, float] = {}
    given_away = set()
    for part in parts:
        for emotion in EMOTIONS:
            inside = (part["emotion"] == emotion).to_numpy(bool)
            if min(inside.sum(), (~inside).sum()) < _MIN_CLIPS:
                continue
            area, error = _area(part["face_height"].to_numpy(float), inside)
            worst[emotion] = max(worst.get(emotion, 0.5), area)
            if area - 0.5 >= max(GUESSED - 0.5, 4 * error):
                given_away.add(emotion)
    if not worst:
        text = f"this needs {_MIN_CLIPS} {noun}s of a class and {_MIN_CLIPS} of other classes"
        return Verdict(check, "not measured", 0, text)
    if not given_away:
        unknown, columns = _unknown(manifest, sized), "face_height or no emotion"
        text = f"box sizes do not reveal the class (AUC at most {max(worst.values()):.2f})"
        few = [e for e in EMOTIONS if e not in worst and (sized["emotion"] == e).any()]
        if few:
            text += f"; fewer than {_MIN_CLIPS} {noun}s of {', '.join(few)}"
            return Verdict(check, "note", len(few), text + _unchecked(unknown, columns, noun))
        return _well(check, text, unknown, columns, noun)
    named = ", ".join(f"{e} (AUC {worst[e]:.2f})" for e in EMOTIONS if e in given_away)
    text = f"box sizes distinguish {named} from the other classes"
    return Verdict(check, "finding", len(given_away), text)


def _box_size_by_split(manifest: pd.DataFrame, noun: str) -> Verdict:
    check = "box size by split"
    sized = manifest[["clip_id", "split", "face_height"]].dropna(subset=["face_height"])
    if sized.empty:
        return Verdict(check, "not measured", 0, f"no {noun} has a face_height")
    of_clip = sized.groupby(["clip_id", "split"], observed=True)["face_height"].median()
    medians = of_clip.groupby("split", observed=True).median()
    listed = ", ".join(f"{s} {medians[s]:.2f}" for s in SPLITS if s in medians.index)
    return Verdict(check, "note", 0, f"median box height as a share of frame height: {listed}")


def _one_size_a_clip(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the median box size per clip and split, because frames of a clip are dependent."""
    keys = ["clip_id", "split", "emotion"]
    sized = manifest[[*keys, "face_height"]].dropna(subset=["face_height"])
    return sized.groupby(keys, sort=False, observed=True)[["face_height"]].median().reset_index()


def _area(sizes: npt.NDArray[np.float64], inside: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return the area under the ROC curve of size as a predictor, 0.5 or more, and its error."""
    ones, others = int(inside.sum()), int((~inside).sum())
    ranks = pd.Series(sizes).rank().to_numpy(float)  # ties get their mean rank
    area = float((ranks[inside].sum() - ones * (ones + 1) / 2) / (ones * others))
    error = float(np.sqrt((ones + others + 1) / (12 * ones * others)))
    return max(area, 1 - area), error


def _short(clips: pd.DataFrame, noun: str) -> Verdict:
    check = f"under {WINDOW} frames at {RATE} fps"
    unique = clips.drop_duplicates("clip_id").dropna(subset=["start_s", "end_s"])
    if unique.empty:
        return Verdict(check, "not measured", 0, f"no {noun} has a start_s and end_s")
    seconds = (unique["end_s"] - unique["start_s"]).to_numpy(float)
    count = int((seconds < float(Fraction(WINDOW, RATE)) - 1e-9).sum())
    if not count:
        unknown = _unknown(clips, unique)
        return _well(check, f"no {noun} is that short", unknown, "start_s or no end_s", noun)
    text = f"{count:,} of {len(unique):,} {noun}s; models must repeat their last frame"
    return Verdict(check, "note", count, text)


def _balance(manifest: pd.DataFrame, noun: str) -> Verdict:
    if manifest["emotion"].isna().all():
        return Verdict("class balance", "not measured", 0, f"no {noun} has an emotion")
    first = manifest["layout"].iloc[0]
    files = manifest if pd.isna(first) else manifest[manifest["layout"] == first]
    return balance(files["split"], files["emotion"], EMOTIONS)


_NAMED: Final = 12  # missing classes that a verdict names


def balance(splits: pd.Series, labels: pd.Series, classes: Sequence[str]) -> Verdict:
    """Check whether every split has files of every class, and report the shares of classes.

    Args:
        splits: split of each file.
        labels: class of each file.
        classes: the classes that a dataset of this kind has.
    """
    counts = pd.crosstab(splits, labels).reindex(columns=list(classes), fill_value=0)
    present = [split for split in SPLITS if split in counts.index]
    missing = [f"{e} in {s}" for s in present for e in classes if counts.loc[s, e] == 0]
    if missing:
        more = len(missing) - _NAMED
        text = f"there is no file of {', '.join(missing[:_NAMED])}"
        text += f", and {more:,} more" if more > 0 else ""
        return Verdict("class balance", "finding", len(missing), text)
    total = counts.rename(columns=lambda c: f"class {c}" if str(c).isdecimal() else c).sum()
    if total.nunique() == 1:
        text = f"{len(total):,} classes of equal size" if len(total) > 1 else "there is one class"
        return Verdict("class balance", "note", 0, text)
    text = (
        f"{total.idxmax()} {total.max() / total.sum():.1%} to {total.idxmin()} "
        f"{total.min() / total.sum():.1%}; always predicting {total.idxmax()} is correct in "
        f"{total.max() / total.sum():.1%}"
    )
    return Verdict("class balance", "note", 0, text)
