"""Recipes: every choice that shapes a dataset, in one commented YAML file.

The models below give each field its type, limits and default; the files in `pipelines/` give it
its unit, meaning and source. A recipe may leave fields out; the dataset folder keeps the recipe as
used, with all defaults explicit.
"""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from caer_data.engine.errors import CaerError

ModelT = TypeVar("ModelT", bound=BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Videos(_Section):
    """Which files are taken as videos."""

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
    )
    max_megapixels: float = Field(36.0, gt=0, le=1000)


class Shots(_Section):
    """Shot boundary detection."""

    detector: Literal[
        "adaptive", "content", "hash", "histogram", "threshold", "dfd", "transnet"
    ] = "adaptive"
    threshold: float | None = Field(None, gt=0)
    min_frames: int = Field(5, ge=1, le=1000)
    width: int = Field(256, ge=64, le=1920)
    refine: bool = True
    gradual: bool = True


# What suits a detector: the size it looks at, how often a second and on whole frames, and the share
# of a clip from which a face counts: SCRFD and YuNet also see those who pass behind. Measured with
# performance/accuracy_faces.py.
_DLIB = {
    "detector_size": 1280,
    "samples_per_second": 2.5,
    "whole_frame_every_s": 1.6,
    "min_presence": 0.3,
}
_SMALL_FACES = {
    "detector_size": 640,
    "samples_per_second": 3.0,
    "whole_frame_every_s": 0.0,
    "min_presence": 0.5,
}
_SUITS: dict[str, dict[str, float]] = {
    "mmod": _DLIB,
    "hog": _DLIB,
    "centerface": _SMALL_FACES,
    "scrfd": _SMALL_FACES,
    "yunet": _SMALL_FACES,
}


def _suited(values: Any, detector: Any, fields: tuple[str, ...]) -> Any:
    """A section's values in which fields that are missing or null suit the detector."""
    suits = _SUITS.get(detector) if isinstance(detector, str) else None
    if not isinstance(values, dict) or not suits:
        return values  # a mistake, which validation names
    return values | {name: suits[name] for name in fields if values.get(name) is None}


class Faces(_Section):
    """Face detection, tracking and embedding."""

    detector: Literal["centerface", "mmod", "hog", "scrfd", "yunet"] = "mmod"
    embedder: Literal["dlib", "arcface"] = "dlib"
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
    embeddings_per_track: int = Field(4, ge=1, le=100)

    @model_validator(mode="before")
    @classmethod
    def _suit_the_detector(cls, values: Any) -> Any:
        detector = values.get("detector", "mmod") if isinstance(values, dict) else None
        return _suited(
            values, detector, ("detector_size", "samples_per_second", "whole_frame_every_s")
        )

    @model_validator(mode="after")
    def _scores_in_order(self) -> Faces:
        weak, strong = self.weak_score, self.min_score
        if weak is not None and strong is not None and weak > strong:
            raise ValueError("weak_score is above min_score, which surer faces have to reach")
        return self


class People(_Section):
    """Clustering of tracks into persons."""

    threshold: float | None = Field(None, gt=0)


class Filter(_Section):
    """Which shots are dropped, and why."""

    max_people: int = Field(2, ge=1, le=100)
    min_presence: float = Field(0.3, gt=0, le=1)
    min_coverage: float = Field(0.6, gt=0, le=1)
    min_dominance: float = Field(1.15, ge=1)
    min_face_height: float = Field(0.1, gt=0, lt=1)
    min_sharpness: float = Field(0.08, ge=0, le=1)
    min_brightness: float = Field(0.1, ge=0, le=1)


class Clips(_Section):
    """Cutting."""

    min_frames: int = Field(30, ge=1)
    max_seconds: float = Field(10.0, gt=0.5)
    max_height: int = Field(480, ge=64, le=4320)
    crf: int = Field(20, ge=0, le=51)
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = (
        "superfast"
    )
    audio_kbps: int = Field(128, ge=32, le=512)

    @model_validator(mode="after")
    def _long_enough(self) -> Clips:
        if self.max_seconds * 60 < self.min_frames:
            raise ValueError("max_seconds is shorter than min_frames at 60 frames a second")
        return self


class Annotate(_Section):
    """Dealing clips to raters (paper, section 4.1: three of six raters a clip)."""

    raters_per_clip: int = Field(3, ge=1, le=20)


class Labels(_Section):
    """From three answers to one label (paper, section 4.1)."""

    rule: Literal["majority", "weighted", "dawid-skene"] = "majority"
    min_agree: int = Field(2, ge=1, le=20)
    min_confidence: float = Field(0.5, ge=0, le=1)
    confidence_of: Literal["all", "agreeing"] = "all"


class Export(_Section):
    """Splits and layouts of a release."""

    split: tuple[float, float, float] = (70, 10, 20)
    by: Literal["clip", "video", "show", "person"] = "clip"
    layouts: tuple[Literal["caer", "caer-s", "caer-s-2019", "huggingface", "webdataset"], ...] = (
        "caer",
        "caer-s",
    )
    frames_per_clip: int = Field(6, ge=1, le=1000)
    container: Literal["avi", "mp4"] = "mp4"

    @model_validator(mode="after")
    def _shares(self) -> Export:
        whole = any(abs(sum(self.split) - total) < 1e-6 for total in (100, 1))
        if min(self.split) < 0 or not whole:
            raise ValueError("split needs three shares, none negative, that add up to 100 (or 1)")
        return self


class Recipe(_Section):
    """A whole recipe: one section a stage."""

    name: str = "caer"
    seed: int = Field(2019, ge=0)
    videos: Videos = Videos()
    shots: Shots = Shots()
    faces: Faces = Faces()
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
        faces = values.get("faces", {})
        detector = faces.get("detector", "mmod") if isinstance(faces, dict) else None
        return values | {"filter": _suited(values.get("filter", {}), detector, ("min_presence",))}

    @model_validator(mode="after")
    def _enough_raters(self) -> Recipe:
        if self.labels.min_agree > self.annotate.raters_per_clip:
            raise ValueError(
                f"labels.min_agree is {self.labels.min_agree}, but annotate.raters_per_clip gives "
                f"a clip {self.annotate.raters_per_clip} raters"
            )
        return self


def shipped() -> dict[str, str]:
    """Recipes that come with the package: name to YAML text."""
    folder = importlib.resources.files("caer_data.pipelines")
    return {
        name: (folder / f"{name}.yaml").read_text(encoding="utf-8")
        for name in sorted(item.name[:-5] for item in folder.iterdir() if item.name[-5:] == ".yaml")
    }


def load(name_or_path: str | Path) -> Recipe:
    """Read a recipe by the name of a shipped one (`caer`) or from a YAML file.

    Raises:
        CaerError: no such recipe, or a mistake in it, named with file, line and field.
    """
    text, where = _find(name_or_path)
    return parse(text, where)


def parse(text: str, where: str) -> Recipe:
    """Read a recipe from YAML text; `where` names the file in errors."""
    return parse_yaml(Recipe, text, where)


def parse_yaml(model: type[ModelT], text: str, where: str) -> ModelT:
    """Read YAML into a pydantic model, naming file, line and field of any mistake."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise CaerError(f"{where}{line}: {problem}") from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise CaerError(f"{where}:1: expected 'section: fields', found {type(values).__name__}")
    try:
        return model.model_validate(_tuples(values))
    except ValidationError as error:
        problem = error.errors()[0]
        path = [str(part) for part in problem["loc"]]
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = _unknown_key(model, path)
        elif "input" in problem and not isinstance(problem["input"], dict):
            message = f"{message} (found {problem['input']!r})"
        field = ".".join(path) or "recipe"
        raise CaerError(f"{where}:{_line_of(root, path)}: {field}: {message}") from error


def dump(recipe: BaseModel) -> str:
    """Write a recipe as YAML with every default explicit."""
    return str(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def _find(name_or_path: str | Path) -> tuple[str, str]:
    name = str(name_or_path)
    recipes = shipped()
    if name in recipes:
        return recipes[name], f"{name}.yaml"
    path = Path(name)
    if not path.is_file():
        raise CaerError(f"{name}: no such recipe; give a YAML file or one of {', '.join(recipes)}")
    try:
        return path.read_text(encoding="utf-8"), name
    except (OSError, UnicodeDecodeError) as error:
        raise CaerError(f"{name}: cannot be read as a text file ({error})") from error


class _UniqueKeyLoader(yaml.SafeLoader):
    """Safe YAML in which a key given twice is an error, not a silent override."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "the name of a field must be one word", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' is given twice", key.start_mark
                )
            seen.add(key.value)
        result: dict[Any, Any] = super().construct_mapping(node, deep)
        return result


def _tuples(value: Any) -> Any:
    """YAML lists become tuples, which the strict models ask for."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return value


def _line_of(node: yaml.Node | None, path: list[str]) -> int:
    """Line of the deepest part of a field's path that the file holds, from 1."""
    line = 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == part]
            if not found:
                break
            key, node = found[0]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _unknown_key(model: type[BaseModel], path: list[str]) -> str:
    import difflib

    for part in path[:-1]:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return "unknown field"
        model = annotation
    known = list(model.model_fields)
    close = difflib.get_close_matches(path[-1], known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(known)}"
    return f"unknown field; {hint}"
