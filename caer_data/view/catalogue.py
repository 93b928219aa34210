"""The data of one dataset available to the page: its clips with labels, and all identifiers.

A catalogue is read once, from one generation of tables. Requests name clips, shots, tracks, videos
and persons. Each name is looked up here, and a browser can access nothing else.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import pandas as pd

from caer_data.engine import tables
from caer_data.engine.dataset import Dataset
from caer_data.report.answers import ModelAnswers

_SCORES: Final = ("coverage", "face_height", "dominance", "sharpness", "brightness")


class UnknownNameError(LookupError):
    """A browser requested something that the dataset does not contain."""


@dataclass(frozen=True)
class Catalogue:
    """The tables of one generation, by name.

    Attributes:
        dataset: the dataset.
        splits: split by `clip_key` if there is a release; else empty.
        said: predictions of models, if there are benchmark results.
    """

    dataset: Dataset
    splits: dict[str, str]
    said: ModelAnswers | None = None

    @cached_property
    def clips(self) -> pd.DataFrame:
        """Table `clips` with the columns that are searched: seconds, emotion, vote pattern, split.

        Others are `voice` (whether somebody speaks), `label` (kept or dropped by raters),
        `label_reason`, `pattern` (such as `2-1`, most votes first), `agreement` (share of the
        votes), `confidence`, `split`, and for the first model `predicted`, `verdict` (right or
        wrong) and `model_error` (1 minus the label's probability).
        """
        clips = self.dataset.clips
        seconds = (clips["end_s"] - clips["start_s"]).astype(float)
        heard = clips.assign(seconds=seconds, voice=_voice(clips["speech"]))
        found = _labelled(heard, self._labels).assign(split=clips["clip_key"].map(self.splits))
        return _judged(found, self.said)

    @cached_property
    def _labels(self) -> pd.DataFrame:
        return self._table(tables.LABELS)

    @cached_property
    def videos(self) -> pd.DataFrame:
        """Table `videos`, by `video_id`."""
        return self.dataset.videos.set_index("video_id", drop=False)

    @cached_property
    def shots(self) -> pd.DataFrame:
        """Table `shots`, by `shot_id`."""
        return self.dataset.shots.set_index("shot_id", drop=False)

    @cached_property
    def tracks(self) -> pd.DataFrame:
        """Table `tracks`, by `track_id`."""
        return self.dataset.tracks.set_index("track_id", drop=False)

    @cached_property
    def people(self) -> pd.DataFrame:
        """Table `people`, by `person_id`."""
        return self.dataset.people.set_index("person_id", drop=False)

    def clip(self, name: str) -> dict[str, Any]:
        """Return one clip's row, by `clip_id` or `clip_key`, with its index as `place`.

        Raises:
            UnknownNameError: there is no such clip.
        """
        index = self._places.get(name)
        if index is None:
            raise UnknownNameError(f"no clip is called {name[:80]}")
        return {**_named(self.clips.iloc[index]), "place": index}

    @cached_property
    def _places(self) -> dict[str, int]:
        keys = {k: i for i, k in enumerate(self.clips["clip_key"]) if isinstance(k, str)}
        return keys | {name: i for i, name in enumerate(self.clips["clip_id"])}

    def row(self, what: str, name: str) -> dict[str, Any]:
        """Return one row of `videos`, `shots`, `tracks` or `people`, by its identifier.

        Raises:
            UnknownNameError: there is no such row.
        """
        frame: pd.DataFrame = getattr(self, what)
        if name not in frame.index:
            raise UnknownNameError(f"there is no {name[:80]} in {what}")
        return _named(frame.loc[[name]].iloc[0])

    def boxes(self, shot_id: str) -> pd.DataFrame:
        """Return the rows of `faces` for a shot."""
        tracks = self.tracks.index[self.tracks["shot_id"] == shot_id]
        path = self.dataset.path_of(tables.FACES)
        return tables.read_some(tables.FACES, path, tables.FACES.names, track_id=tracks)

    def answers(self, clip_key: str | None) -> list[dict[str, Any]]:
        """Return all answers to a clip, including refused ones."""
        ratings = self._table(tables.RATINGS)
        own = ratings[ratings["clip_key"].isin([clip_key] if clip_key else [])]
        shown = own[["rater", "emotion", "confidence", "status", "reason", "created_at"]]
        return [plain(row) for row in shown.to_dict("records")]

    def _table(self, table: tables.Table) -> pd.DataFrame:
        return self.dataset.read(table) if self.dataset.has(table) else tables.empty(table)


def plain(row: dict[Any, Any]) -> dict[str, Any]:
    """Return a row as JSON values: null for missing cells, and no NumPy numbers."""
    return {str(name): _cell(value) for name, value in row.items()}


def _named(row: pd.Series[Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.to_dict().items()}


def _cell(value: Any) -> Any:
    if isinstance(value, str | dict):
        return value
    if isinstance(value, list | tuple) or type(value).__name__ == "ndarray":
        return [_cell(item) for item in value]
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def scores(row: dict[str, Any]) -> dict[str, Any]:
    """Return the scores of a clip that the filter compares with the recipe."""
    return plain({name: row[name] for name in _SCORES})


def _voice(speech: pd.Series[float]) -> pd.Series[str]:
    """Return in words whether somebody speaks; empty if it was not measured."""
    heard = speech.gt(0).map({True: "somebody speaks", False: "nobody speaks"})
    return heard.astype(object).where(speech.notna())


def _labelled(clips: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return the clips with the columns of their labels, which are empty if a clip has none."""
    own = labels.set_index("clip_key")
    own = own[~own.index.duplicated()]
    found = own.reindex(clips["clip_key"])
    shares = found["agreement"].astype("Float64") / found["raters"].astype("Float64")
    return clips.assign(
        emotion=found["emotion"].to_numpy(),
        label=found["status"].to_numpy(),
        label_reason=found["reason"].to_numpy(),
        pattern=pd.Series(map(vote_pattern, found["votes"]), clips.index, dtype=object),
        agreement=shares.astype(float).to_numpy(),
        confidence=found["confidence"].to_numpy(),
    )


def _judged(clips: pd.DataFrame, said: ModelAnswers | None) -> pd.DataFrame:
    """Return the clips with a model's answers, which are empty without a model."""
    names = ["predicted", "verdict", "model_error"]
    if said is None:
        return clips.assign(**dict.fromkeys(names[:2]), model_error=float("nan"))
    found = said.first.reindex(clips["clip_key"])
    right = (found["predicted"] == found["label"]).map({True: "right", False: "wrong"})
    return clips.assign(
        predicted=found["predicted"].to_numpy(),
        verdict=right.where(found["predicted"].notna()).to_numpy(),
        model_error=(1 - found["p_label"].astype(float)).to_numpy(),
    )


def vote_pattern(votes: Any) -> str | None:
    """Return how votes are spread: `3` all alike, `2-1`, `1-1-1`; None without votes."""
    if votes is None or isinstance(votes, float) or len(votes) == 0:
        return None
    counts = Counter(vote["emotion"] for vote in votes)
    return "-".join(str(count) for count in sorted(counts.values(), reverse=True))
