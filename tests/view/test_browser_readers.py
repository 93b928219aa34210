"""Every page of `view` as readers with aids meet it: axe-core finds nothing serious."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import built_dataset
import pandas as pd
import pytest
from keyed import label_by_name, votes

pytest.importorskip("uvicorn")

from in_browser import opened, serious, start

from caer_data.engine import tables
from caer_data.engine.decisions import Decision, Decisions
from caer_data.view.session import Session

pytestmark = pytest.mark.browser

CLIP = "a-show.e1.s0001.c1"


class Told:
    """Two models, of which one has attention."""

    def __init__(self, key: str) -> None:
        values = {"predicted": ["sad"], "label": ["happy"], "p_label": [0.25]}
        self.first = pd.DataFrame(values, index=[key])

    def of(self, clip_key: str) -> list[dict[str, Any]]:
        return [
            {"row": "net", "predicted": "sad", "label": "happy", "p_label": 0.25},
            {"row": "other", "predicted": "happy", "label": "happy", "p_label": 0.75},
        ]

    def attention(self, clip_key: str) -> dict[str, Any]:
        return {"row": "net", "map": [[0.7, 0.1], [0.1, 0.1]], "box": [0.1, 0.0, 0.9, 1.0]}


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    dataset = built_dataset.make(tmp_path_factory.mktemp("readers") / "mine", shots=24)
    key = dataset.clips["clip_key"].iloc[0]
    label = {
        "clip_id": CLIP, "emotion": "happy", "label": 3, "status": "kept", "raters": 3,
        "agreement": 2, "confidence": 0.7, "made_up": True,
        "votes": votes(("x", "happy", 0.9), ("y", "happy", 0.6), ("z", "sad", 0.9)),
    }  # fmt: skip
    label_by_name(dataset, [label])
    rating = {
        "clip_id": CLIP, "clip_key": key, "rater": "x", "emotion": "happy", "confidence": 0.9,
        "status": "accepted", "too_fast": False, "edited": False, "source": "made-up",
        "source_id": "1",
    }  # fmt: skip
    dataset.write(tables.RATINGS, tables.frame(tables.RATINGS, [rating]))
    people = dataset.people
    dataset.write(tables.PEOPLE, people.assign(name="Bo"))
    session = Session(dataset.folder, {key: "test"}, Told(key))  # type: ignore[arg-type]
    _decided(session, dataset.folder)
    return start(session)


def _decided(session: Session, folder: Path) -> None:
    from caer_data.view.choices import decide

    video, person = "a-show.e1", "a-show.p0001"
    common = {"who": "ann", "why": "seen"}
    about: tuple[dict[str, Any], ...] = (
        {"kind": "keep", "clip": "a-show.e1.s0002.c1"},
        {"kind": "drop", "clip": CLIP},
        {"kind": "name", "person": person, "name": "Bo"},
        {"kind": "cut_move", "video": video, "frame": 50, "to": 60},
        {"kind": "cut_add", "video": video, "frame": 20},
    )
    rows = [decide(session.shown.catalogue, common | values) for values in about]
    Decisions(folder).append(Decision("undo", "ann", value=json.dumps(rows[0].key), why="no"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious_on_any_page(browser, address, complaints, scheme, width) -> None:
    page = opened(browser, address, width, complaints, color_scheme=scheme, bypass_csp=True)
    found: dict[str, list[str]] = {}
    page.wait_for_selector(".card")
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    found["clips"] = serious(page)
    page.goto(f"{address}#clip/{CLIP}")
    page.wait_for_selector("dialog[open] .heat", state="attached")
    page.get_by_label("Attention of net").check()
    found["clip"] = serious(page)
    for part, ready in (
        ("videos", "main table"),
        ("videos/a-show.e1", "main .kept:has-text('cut added')"),
        ("persons", ".person .kept"),
        ("persons/a-show.p0001", "ul.faces"),
        ("decisions", "main table"),
    ):
        page.goto(f"{address}#{part}")
        page.wait_for_selector(ready)
        if part == "videos/a-show.e1":
            page.locator(".shot").nth(1).click()
            page.wait_for_selector(".decide")
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        found[part] = serious(page)
    page.context.close()
    assert {part: those for part, those in found.items() if those} == {}
    assert complaints == []
