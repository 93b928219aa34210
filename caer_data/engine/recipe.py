"""Recipes: every choice that shapes a dataset, in one commented YAML file.

The models below define type, limits and default of each field. The files in `pipelines/` document
its unit, meaning and source. A recipe may omit fields. The dataset folder keeps the recipe as used,
with all defaults explicit.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from caer_data.engine import section
from caer_data.engine.face_models import CENTERFACE_FILE, DETECTORS, EMBEDDERS
from caer_data.engine.packages import VOICE_FILE, VOICE_INSTALL, file_of
from caer_data.engine.release_layouts import LAYOUTS
from caer_data.engine.section import Section, dump

__all__ = ["Recipe", "dump", "load", "parse", "shipped"]

GROUPS: Final = ("clip", "video", "show", "person", "scene")
"""What a split can keep together."""

_PACKAGE: Final = "caer_data.pipelines"


class Videos(Section):
    """Which files are videos."""

    extensions: tuple[str, ...] = (
        ".mp4",
        ".mkv",
        ".avi",
        ".mov",
        ".webm",
        ".m4v",
        ".mpg",
        ".mpeg",
        ".ts",
        ".flv",
        ".3gp",
        ".wmv",
        ".ogv",
        ".mts",
        ".m2ts",
        ".vob",
        ".asf",
        ".divx",
        ".m2v",
        ".3g2",
        ".f4v",
        ".qt",
        ".mxf",
        ".mk3d",
        ".m2t",
        ".m2p",
        ".m1v",
        ".mpe",
        ".tp",
        ".trp",
        ".mod",
        ".tod",
        ".evo",
        ".dv",
        ".ogm",
        ".rm",
        ".rmvb",
    )
    exclude: tuple[str, ...] = (
        "*/sample",
        "*/samples",
        "*/trailers",
        "*/extras",
        "*/featurettes",
        "*/interviews",
        "*/behind the scenes",
        "*/deleted scenes",
        "sample.*",
        "sample-*.*",
        "*.sample.???",  # not The.Sample.720p.mkv
        "*.sample.????",
        "*-sample.*",
        "*-trailer.*",
        "#recycle",
        "$recycle.bin",
        "@eadir",
        "lost+found",
        "video_ts.vob",
        "vts_??_0.vob",
    )
    max_megapixels: float = Field(36.0, gt=0, le=1000)


class Media(Section):
    """Which streams of a file are used."""

    audio: str = Field("default", pattern=r"^(default|original|[a-zA-Z]{2,3})$")


class Speech(Section):
    """Speech: voices in the sound, subtitles, and who speaks."""

    voice: Literal["silero", "none"] = "none"
    subtitles: bool = True
    speaker: Literal["none", "motion", "lr-asd"] = "none"
    speaker_model: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _what_is_here(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("voice") is not None:
            return values
        return values | {"voice": "silero" if file_of(*VOICE_FILE) else "none"}

    @model_validator(mode="after")
    def _speakers_are_heard(self) -> Speech:
        if self.speaker != "none" and self.voice == "none":
            raise ValueError(
                f"speaker is {self.speaker!r}, but speech.voice is none, so no voice is found; set "
                f"voice to silero, which '{VOICE_INSTALL}' installs"
            )
        return self


class Shots(Section):
    """Shot boundary detection."""

    detector: Literal[
        "adaptive", "content", "hash", "histogram", "threshold", "dfd", "transnet"
    ] = "adaptive"
    threshold: float | None = Field(None, gt=0)
    min_frames: int = Field(5, ge=1, le=1000)
    width: int = Field(256, ge=64, le=1920)
    refine: bool = True
    gradual: bool = True


def _detector(values: Any) -> Any:
    """Return the detector of a section `faces`; if it is missing or null, the default."""
    chosen = values.get("detector") if isinstance(values, dict) else None
    return chosen or ("centerface" if file_of(*CENTERFACE_FILE) else "mmod")


def _suited(values: Any, detector: Any, fields: tuple[str, ...]) -> Any:
    """Return a section's values with missing or null fields set to what suits the detector."""
    entry = DETECTORS.get(detector) if isinstance(detector, str) else None
    if not isinstance(values, dict) or entry is None:
        return values  # invalid; validation reports it
    return values | {name: entry.suits[name] for name in fields if values.get(name) is None}


class Faces(Section):
    """Face detection, tracking and embedding."""

    detector: str = "centerface"
    embedder: str = "dlib"
    weights: str | None = None
    weights_sha256: tuple[str, ...] = ()
    provider: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    detector_size: int = Field(1280, ge=160, le=4096)
    min_score: float | None = None
    weak_score: float | None = None
    min_face: float = Field(0.06, gt=0, lt=1)
    samples_per_second: float = Field(2.5, gt=0, le=60)
    first_look: int = Field(3, ge=1, le=100)
    whole_frame_every_s: float = Field(1.6, ge=0, le=3600)
    min_iou: float = Field(0.3, ge=0, le=1)
    max_gap_s: float = Field(1.0, ge=0, le=60)
    min_detections: int = Field(2, ge=1, le=100)
    embeddings_per_track: int = Field(6, ge=1, le=100)

    @model_validator(mode="before")
    @classmethod
    def _suit_the_detector(cls, values: Any) -> Any:
        detector = _detector(values)
        fields = ("detector_size", "samples_per_second", "whole_frame_every_s")
        suited = _suited(values, detector, fields)
        return suited | {"detector": detector} if isinstance(suited, dict) else suited

    @field_validator("detector", "embedder")
    @classmethod
    def _known(cls, value: str, info: ValidationInfo) -> str:
        known = list(DETECTORS if info.field_name == "detector" else EMBEDDERS)
        if value not in known:
            raise ValueError(
                f"there is no {info.field_name} {value!r}; known are {', '.join(known)}"
            )
        return value

    @model_validator(mode="after")
    def _scores_in_order(self) -> Faces:
        weak, strong = self.weak_score, self.min_score
        if weak is not None and strong is not None and weak > strong:
            raise ValueError("weak_score must not exceed min_score")
        return self


class People(Section):
    """Clustering of tracks into persons."""

    threshold: float | None = Field(None, gt=0)


class Filter(Section):
    """Which shots are dropped, and why."""

    max_people: int = Field(2, ge=1, le=100)
    min_presence: float = Field(0.3, gt=0, le=1)
    min_coverage: float = Field(0.6, gt=0, le=1)
    min_dominance: float = Field(1.35, ge=1)
    min_face_height: float = Field(0.1, gt=0, lt=1)
    min_sharpness: float = Field(0.08, ge=0, le=1)
    min_brightness: float = Field(0.1, ge=0, le=1)
    min_repeat_score: float | None = Field(0.75, ge=0.75, le=1)
    speaker_decides: bool = False


_MIN_CLIP_S = 1.0  # about 30 frames (paper, section 4.1) at 30 frames per second


class Clips(Section):
    """Cutting of clips. Their minimum length is `min_seconds`, or `min_frames` if that is given."""

    min_seconds: float | None = Field(None, gt=0)
    min_frames: int | None = Field(None, ge=1)
    max_seconds: float = Field(10.0, gt=0.5)
    max_height: int = Field(480, ge=64, le=4320)
    crf: int = Field(20, ge=0, le=51)
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = (
        "superfast"
    )
    audio_kbps: int = Field(128, ge=32, le=512)

    @model_validator(mode="before")
    @classmethod
    def _one_limit(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        given = [values.get(name) for name in ("min_seconds", "min_frames")]
        if given == [None, None]:
            return values | {"min_seconds": _MIN_CLIP_S}
        if None not in given:
            raise ValueError("give either min_seconds or min_frames, and null for the other")
        return values

    @model_validator(mode="after")
    def _shortest_below_longest(self) -> Clips:
        if self.min_frames is not None and self.max_seconds * 60 < self.min_frames:
            raise ValueError("max_seconds is shorter than min_frames at 60 frames per second")
        if self.min_seconds is not None and self.max_seconds < self.min_seconds:
            raise ValueError("max_seconds is shorter than min_seconds")
        return self

    def too_short(self, frames: int, seconds: float) -> bool:
        """Whether a span of this many frames and seconds is too short for a clip."""
        if self.min_frames is not None:
            return frames < self.min_frames
        # half a frame of tolerance, since containers round times to their ticks
        return seconds + seconds / (2 * frames) < (self.min_seconds or 0)


class Annotate(Section):
    """Assignment of clips to raters (paper, section 4.1: three of six raters per clip)."""

    raters_per_clip: int = Field(3, ge=1, le=20)
    training: int = Field(0, ge=0, le=1000)
    pass_mark: float = Field(0.7, gt=0, le=1)
    gold_share: float = Field(0.0, ge=0, le=1)
    repeat_share: float = Field(0.0, ge=0, le=0.5)
    min_gold: float = Field(0.6, ge=0, le=1)
    min_repeat: float = Field(0.6, ge=0, le=1)
    ask: tuple[Literal["second_choice", "intensity", "valence", "arousal"], ...] = ()
    first: tuple[Literal["show", "person", "length", "speech", "label", "unlike"], ...] = (
        "show",
        "person",
        "length",
        "speech",
        "label",
        "unlike",
    )
    wage: float | None = Field(None, gt=0)


class Labels(Section):
    """From several answers to one label (paper, section 4.1)."""

    rule: Literal["majority", "weighted", "dawid-skene"] = "majority"
    min_agree: int = Field(2, ge=1, le=20)
    min_confidence: float = Field(0.5, ge=0, le=1)
    confidence_of: Literal["all", "agreeing"] = "all"


class Export(Section):
    """Splits and layouts of a release."""

    split: tuple[float, float, float] = (70, 10, 20)
    by: str = "clip"
    layouts: tuple[str, ...] = ("caer", "caer-s")
    frames_per_clip: int = Field(6, ge=1, le=1000)
    container: Literal["avi", "mp4"] = "mp4"
    spelling: Literal["caer", "peers"] = "caer"

    @field_validator("layouts")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for word in value:
            if word not in LAYOUTS:
                raise ValueError(f"there is no layout {word!r}; known are {', '.join(LAYOUTS)}")
        return value

    @field_validator("by")
    @classmethod
    def _groups(cls, value: str) -> str:
        words = value.split("+")
        if len(set(words)) < len(words) or not set(words) <= set(GROUPS):
            raise ValueError(
                f"by must be one of {', '.join(GROUPS)}, or several of them joined by '+'"
            )
        return value

    @model_validator(mode="after")
    def _shares(self) -> Export:
        whole = any(abs(sum(self.split) - total) < 1e-6 for total in (100, 1))
        if min(self.split) < 0 or not whole:
            raise ValueError("split needs three shares, none negative, that add up to 100 (or 1)")
        return self


class Recipe(Section):
    """A whole recipe: one section per stage."""

    name: str = "caer"
    seed: int = Field(2019, ge=0, le=2**32 - 1)
    videos: Videos = Videos()
    media: Media = Media()
    speech: Speech = Field(default_factory=Speech)
    shots: Shots = Shots()
    faces: Faces = Field(default_factory=Faces)
    people: People = People()
    filter: Filter = Filter()
    clips: Clips = Clips()
    annotate: Annotate = Annotate()
    labels: Labels = Labels()
    export: Export = Export()

    @model_validator(mode="before")
    @classmethod
    def _suit_the_detector(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        detector = _detector(values.get("faces", {}))
        return values | {"filter": _suited(values.get("filter", {}), detector, ("min_presence",))}

    @model_validator(mode="after")
    def _enough_raters(self) -> Recipe:
        if self.labels.min_agree > self.annotate.raters_per_clip:
            raise ValueError(
                f"labels.min_agree is {self.labels.min_agree}, but annotate.raters_per_clip gives "
                f"a clip {self.annotate.raters_per_clip} raters"
            )
        return self

    @model_validator(mode="after")
    def _speakers_are_known(self) -> Recipe:
        if self.filter.speaker_decides and self.speech.speaker == "none":
            raise ValueError(
                "filter.speaker_decides is true, but speech.speaker, which determines who speaks, "
                "is none"
            )
        return self


def shipped() -> dict[str, str]:
    """Return the YAML texts of the recipes that come with the package, by name."""
    return section.shipped(_PACKAGE)


def load(recipe: str | os.PathLike[str] | Mapping[str, Any] | Recipe) -> Recipe:
    """Read a recipe by the name of a shipped one (`caer`), from a YAML file, or from values.

    >>> load({"export": {"split": [80, 10, 10]}}).export.split
    (80.0, 10.0, 10.0)

    Raises:
        CaerError: there is no such recipe, or it has a mistake; names file, line and field.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, Mapping):
        return section.validate(Recipe, recipe, "recipe")
    return parse(*section.find(recipe, _PACKAGE, "recipe"))


def parse(text: str, where: str) -> Recipe:
    """Read a recipe from YAML text; `where` names the file in errors."""
    return section.parse(Recipe, text, where)
