"""Checks what the `release.json` of a release says, before cards are written from it.

The file may have been edited or damaged; cards read its fields by name and format its numbers.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    model_validator,
)

from caer_data.engine.emotions import EMOTIONS
from caer_data.export.cards.about import About as Card
from caer_data.export.cards.facts import Facts

_Number = Annotated[FiniteFloat, Field(ge=0)]


class _Told(BaseModel):
    """Fields of known types; later versions may add others."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Episode(_Told):
    show: str
    episode: str
    clips: NonNegativeInt
    duration_s: _Number | None


class _Rebuilt(_Told):
    of: str
    clips: NonNegativeInt
    exact: NonNegativeInt = 0
    encoder: NonNegativeInt = 0
    aligned: NonNegativeInt = 0
    missing: list[_Episode]


class _Joined(_Told):
    name: str
    clips: NonNegativeInt
    twice: NonNegativeInt
    manifest_sha256: str


class _About(_Told):
    name: str
    layouts: list[str]
    split: str
    by: str
    media: bool
    spelling: str = "caer"
    lines: NonNegativeInt = 0
    fingerprints: NonNegativeInt = 0
    rights: str | None
    made_up_ratings: bool
    clips: NonNegativeInt
    shows: NonNegativeInt
    episodes: NonNegativeInt
    people: NonNegativeInt
    seconds: _Number
    rebuilt: _Rebuilt | None = None
    joined: list[_Joined] | None = None


class _Emotion(_Told):
    emotion: str
    clips: NonNegativeInt
    frames: NonNegativeInt
    share: _Number


class _Split(_Told):
    split: str
    asked: _Number
    reached: _Number
    clips: NonNegativeInt
    groups: NonNegativeInt

    @model_validator(mode="after")
    def _emotions(self) -> _Split:
        """Check the columns of the seven emotions."""
        others = self.model_extra or {}
        for emotion in EMOTIONS:
            for name in (emotion, f"{emotion}_share"):
                value = others.get(name)
                if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                    raise ValueError(f"{name} is not a number")
        return self


class _License(_Told):
    license_url: str | None = None


class _Agreement(_Told):
    alpha: FiniteFloat
    alpha_low: FiniteFloat
    alpha_high: FiniteFloat
    fleiss_kappa: float


_OF_CARD = frozenset(Card.model_fields)


def check(facts: Facts) -> None:
    """Check the fields of facts that are dictionaries.

    Raises:
        ValidationError: a field that cards need is missing, or has another type.
    """
    _About.model_validate(facts.about)
    for row in facts.table1:
        _Emotion.model_validate(row)
    for row in facts.split:
        _Split.model_validate(row)
    if facts.agreement:
        _Agreement.model_validate(facts.agreement)
    _License.model_validate(facts.card)
    Card.model_validate({name: value for name, value in facts.card.items() if name in _OF_CARD})
