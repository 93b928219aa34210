"""`release.yaml` of a dataset: facts that only its authors know, for the cards of every release.

`caer-data export --init` writes the file with every field empty and explained. From then on, only
the user changes it.
"""

from __future__ import annotations

import importlib.resources
import re
from datetime import date
from pathlib import Path
from typing import Any, Final

from pydantic import field_validator

from caer_data.engine import safe_yaml, section
from caer_data.engine.errors import CaerError
from caer_data.engine.files import explain_os_error, write_text
from caer_data.engine.section import Section

NAME: Final = "release.yaml"
_SPDX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{1,60}", re.ASCII)
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"]{3,500}")
_VERSION: Final = re.compile(r"\d{1,6}\.\d{1,6}\.\d{1,6}", re.ASCII)


class Creator(Section):
    """A person or an institution that made the dataset."""

    name: str
    affiliation: str | None = None
    url: str | None = None


class About(Section):
    """The fields of `release.yaml`; None or an empty list means "not stated"."""

    title: str | None = None
    version: str | None = None
    url: str | None = None
    creators: tuple[Creator, ...] = ()
    date_published: str | None = None
    cite_as: str | None = None
    contact: str | None = None
    license: str | None = None
    rights: str | None = None
    funding: str | None = None
    research_question: str | None = None
    content: str | None = None
    consent: str | None = None
    ethical_review: str | None = None
    raters: str | None = None
    rating_platform: str | None = None
    rated_with_sound: bool | None = None
    maintenance: str | None = None

    @field_validator("date_published", mode="before")
    @classmethod
    def _day(cls, value: Any) -> Any:
        """Return a date as text, because YAML parses 2026-11-25 as a date."""
        text = value.isoformat() if isinstance(value, date) else value
        if isinstance(text, str):
            try:
                date.fromisoformat(text)
            except ValueError:
                raise ValueError("must be a date such as 2026-11-25") from None
        return text

    @field_validator("version")
    @classmethod
    def _three_numbers(cls, value: str | None) -> str | None:
        if value is not None and not _VERSION.fullmatch(value):
            raise ValueError("must be three numbers such as 1.0.0")
        return value

    @field_validator("url")
    @classmethod
    def _web(cls, value: str | None) -> str | None:
        if value is not None and not _ADDRESS.fullmatch(value):
            raise ValueError("must be an address such as https://example.org/dataset")
        return value

    @field_validator("license")
    @classmethod
    def _known_form(cls, value: str | None) -> str | None:
        if value is not None and not (_SPDX.fullmatch(value) or _ADDRESS.fullmatch(value)):
            raise ValueError("must be an SPDX identifier such as CC-BY-4.0, or an address")
        return value

    @property
    def license_url(self) -> str | None:
        """Address of the licence; for an SPDX identifier, its page at spdx.org."""
        if self.license is None or _ADDRESS.fullmatch(self.license):
            return self.license
        return f"https://spdx.org/licenses/{self.license}.html"

    def missing(self, imported: bool) -> list[str]:
        """Return the fields that are not stated, in order.

        Args:
            imported: whether some ratings were imported; only the user knows how they were made.
        """
        optional = {"title", "rights", "rating_platform", "rated_with_sound"}
        if imported:
            optional -= {"rating_platform", "rated_with_sound"}
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return [
            name for name, value in values.items() if value in (None, ()) and name not in optional
        ]


def read(dataset: Path) -> About:
    """Return the `release.yaml` of a dataset; all fields are empty if there is none.

    Raises:
        CaerError: the file cannot be read, or a field is invalid. The message gives its line.
    """
    path = dataset / NAME
    if not path.is_file():
        return About()
    try:
        with path.open("rb") as stream:
            text = stream.read(4 * safe_yaml.MAX_CHARACTERS + 1)
        return section.parse(About, text.decode("utf-8"), str(path))
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    except UnicodeDecodeError as error:
        raise CaerError(f"{path}: not UTF-8 text; save it as UTF-8") from error


def init(dataset: Path) -> Path:
    """Write an empty `release.yaml` with every field explained; return its path.

    Raises:
        CaerError: the file already exists.
    """
    path = dataset / NAME
    if path.exists() or path.is_symlink():
        raise CaerError(f"{path}: already exists; edit it")
    shipped = importlib.resources.files("caer_data.export.cards") / NAME
    write_text(path, shipped.read_text(encoding="utf-8"))
    return path
