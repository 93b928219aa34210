"""The shipped page passes; a changed page that `pull` could not read is refused with the reason."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from caer_data.annotate.studio import page, questions
from caer_data.engine.emotions import CANNOT_JUDGE, EMOTIONS
from caer_data.engine.errors import CaerError

SHIPPED = page.load(None)


def choices(name: str) -> list[ET.Element]:
    root = ET.fromstring(SHIPPED)
    return list(next(n for n in root.iter("Choices") if n.get("name") == name))


def test_shipped_keys() -> None:
    emotions = {c.get("value"): c.get("hotkey") for c in choices("emotion")}
    assert emotions == dict(zip(EMOTIONS, "1234567", strict=True))
    confidence = {c.get("hotkey"): float(c.get("alias") or "x") for c in choices("confidence")}
    assert confidence == {"q": 0.0, "w": 0.25, "e": 0.5, "r": 0.75, "t": 1.0}
    reasons = {c.get("alias"): c.get("hotkey") for c in choices("cannot_judge")}
    assert reasons == dict(zip(CANNOT_JUDGE, "asdfgh", strict=True))


def test_a_page_of_ones_own_may_leave_raters_no_way_out() -> None:
    root = ET.fromstring(SHIPPED)
    for parent in list(root.iter()):
        for node in [n for n in parent if n.get("name") == "cannot_judge"]:
            parent.remove(node)
    page.check(ET.tostring(root, encoding="unicode"), "mine.xml")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("</View>", "", "not well-formed XML"),
        ('name="emotion"', 'name="feeling"', 'one <Choices name="emotion">, found 0'),
        ('value="disgust"', 'value="contempt"', "must offer anger, disgust"),
        ('alias="0.75"', 'alias="quite"', "stores 'quite', which is not a number"),
        ('alias="1.0"', 'alias="7"', "stores '7'"),
        ('alias="0.0" ', "", "stores '0 guess'"),
        ('alias="wrong_box"', 'alias="boring"', "stores boring; it may store target_not_visible"),
        ("$video", "$film", "nothing would play"),
    ],
    ids=["xml", "control", "other emotion", "word", "seven", "no alias", "reason", "no video"],
)
def test_a_page_that_cannot_be_read_back(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in SHIPPED
    path = tmp_path / "mine.xml"
    path.write_text(SHIPPED.replace(old, new))
    with pytest.raises(CaerError, match=r"mine\.xml") as error:
        page.load(path)
    assert sentence in str(error.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "page.xml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CaerError, match="cannot be read as a text file"):
        page.load(tmp_path / "page.xml")


def test_questions_are_put_after_confidence_and_only_once() -> None:
    plain = page.load(None)
    assert page.load(None, []) == plain
    asked = page.load(None, ["valence", "second_choice"])
    page.check(asked, "page.xml")
    assert asked.index('name="confidence"') < asked.index('name="valence"')
    assert asked.index('name="second_choice"') < asked.index('name="cannot_judge" toName')
    assert questions.add(asked, ["valence", "second_choice"], "page.xml") == asked
    assert "defaultValue" not in asked  # a slider that nobody moved stores nothing
    with pytest.raises(CaerError, match=r"own\.xml: the recipe's annotate\.ask puts intensity"):
        questions.add("<View/>", ["intensity"], "own.xml")
