"""Read the labelling page, and check that it has the controls that `pull` reads."""

from __future__ import annotations

import importlib.resources
import xml.etree.ElementTree as ET  # the researcher's own file; expat limits entity expansion
from collections.abc import Sequence
from pathlib import Path

from caer_data.annotate.studio import questions
from caer_data.annotate.studio.client import Server
from caer_data.engine.emotions import CANNOT_JUDGE, EMOTIONS
from caer_data.engine.errors import CaerError


def load(path: Path | None, ask: Sequence[str] = ()) -> str:
    """Return the page from a file, or the one shipped with caer-data (`annotation/page.xml`).

    `ask` names the recipe's additional questions (`caer_data.annotate.studio.questions`).

    Raises:
        CaerError: the file cannot be read, or lacks a required control.
    """
    if path is None:
        text = (
            importlib.resources.files("caer_data.annotation")
            .joinpath("page.xml")
            .read_text("utf-8")
        )
    else:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CaerError(f"{path}: cannot be read as a text file ({error})") from error
    where = str(path or "page.xml")
    check(text, where)
    return questions.add(text, ask, where)


def instructions(path: Path | None) -> str:
    """Return the instructions for raters as HTML, from a file or as shipped with caer-data.

    Raises:
        CaerError: the file cannot be read, or contains a script.
    """
    if path is None:
        files = importlib.resources.files("caer_data.annotation")
        return files.joinpath("instructions.html").read_text("utf-8")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaerError(f"{path}: cannot be read as a text file ({error})") from error
    if "<script" in text.lower():
        raise CaerError(f"{path}: instructions must not contain scripts; remove the script")
    return text


def check(text: str, where: str) -> None:
    """Raise a CaerError unless the page has the controls `emotion` and `confidence`.

    The control `cannot_judge` is optional, and may offer only some of the reasons.
    """
    try:
        root = ET.fromstring(text)  # noqa: S314 - see the import
    except ET.ParseError as error:
        raise CaerError(f"{where}: not well-formed XML ({error})") from error
    emotions = _stored(root, "emotion", where)
    if sorted(emotions) != sorted(EMOTIONS):
        raise CaerError(
            f"{where}: the control 'emotion' offers {', '.join(emotions)}; "
            f"it must offer {', '.join(EMOTIONS)}"
        )
    for value in _stored(root, "confidence", where):
        try:
            valid = 0 <= float(value) <= 1
        except ValueError:
            valid = False
        if not valid:
            raise CaerError(
                f"{where}: the control 'confidence' stores '{value}', which is not a number from 0 "
                "to 1; give that choice an alias such as 0.5"
            )
    if any(node.get("name") == "cannot_judge" for node in root.iter("Choices")):
        strange = set(_stored(root, "cannot_judge", where)) - set(CANNOT_JUDGE)
        if strange:
            raise CaerError(
                f"{where}: the control 'cannot_judge' stores {', '.join(sorted(strange))}; it may "
                f"store {', '.join(CANNOT_JUDGE)}"
            )
    if not any("$video" in (node.get("value") or "") for node in root.iter("Video")):
        raise CaerError(f'{where}: there is no <Video> with value="$video", so nothing would play')


def check_on_server(server: Server, text: str) -> None:
    """Have the server validate the page before anything is pushed."""
    server.api.post("/api/projects/validate/", {"label_config": text})


def _stored(root: ET.Element, name: str, where: str) -> list[str]:
    """Return the values that a control stores: the alias of each choice, else its value."""
    controls = [node for node in root.iter("Choices") if node.get("name") == name]
    if len(controls) != 1:
        raise CaerError(
            f'{where}: there must be one <Choices name="{name}">, found {len(controls)}'
        )
    return [c.get("alias") or c.get("value") or "" for c in controls[0].iter("Choice")]
