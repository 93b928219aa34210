"""Ten tasks of a fresh reader in a browser, with the clicks that docs/view.md says they take."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import built_dataset
import pandas as pd
import pytest
from keyed import label_by_name, votes

pytest.importorskip("uvicorn")

from in_browser import opened, start, until

from caer_data.cli.inspect import command as inspect
from caer_data.engine import tables
from caer_data.engine.decisions import Decision, Decisions
from caer_data.engine.identity import Anchor
from caer_data.view.session import Session

pytestmark = pytest.mark.browser

PAGE = Path(__file__).parents[2] / "docs" / "view.md"
PEOPLE = ("a-show.p0001", "a-show.p0002", "a-show.p0003")


@pytest.fixture
def dataset(tmp_path) -> Any:
    """Twenty-four shots of three people, of which some are silent, rated and decided."""
    made = built_dataset.make(tmp_path / "mine", shots=24)
    tracks, people, clips = made.tracks, made.people, made.clips
    whose = [PEOPLE[number % 3] for number in range(len(tracks))]
    of_track = dict(zip(tracks["track_id"], whose, strict=True))
    made.write(tables.TRACKS, tracks.assign(person_id=whose))
    every = [people.iloc[:1].assign(person_id=person) for person in PEOPLE]
    made.write(tables.PEOPLE, pd.concat(every))
    speech = [float(number % 2) for number in range(len(clips))]
    own = clips.assign(person_id=clips["track_id"].map(of_track), speech=speech)
    _film(made.folder / "one.mp4")
    first = clips["clip_id"] == "a-show.e1.s0001.c1"
    own = own.assign(path=own["path"].where(~first, "one.mp4"), fps=own["fps"].where(~first, "25"))
    made.write(tables.CLIPS, pd.DataFrame(own))
    labels = [
        _label("a-show.e1.s0003.c1", "sad", "sad"),
        _label("a-show.e1.s0006.c1", "sad", "fear"),
    ]
    label_by_name(made, labels)
    key = str(made.videos["sha256"].iloc[0])
    yesterday = Decision("cut_add", "bob", (Anchor(key, 20, 20, 0, None),), why="by mistake")
    Decisions(made.folder).append(yesterday)
    return made


def _label(clip_id: str, second: str, third: str) -> dict[str, Any]:
    said = votes(("x", "happy", 0.9), ("y", second, 0.9), ("z", third, 0.9))
    return {"clip_id": clip_id, "emotion": "sad", "label": 5, "status": "kept", "raters": 3,
            "agreement": 2 if second == third else 1, "confidence": 0.9, "made_up": True,
            "votes": said}  # fmt: skip


class Told:
    """A model that is wrong about one clip."""

    def __init__(self, keys: list[str]) -> None:
        values = {"predicted": ["sad", "sad"], "label": ["sad", "fear"], "p_label": [0.7, 0.1]}
        self.first = pd.DataFrame(values, index=keys)

    def of(self, clip_key: str) -> list[dict[str, Any]]:
        return []

    def attention(self, clip_key: str) -> None:
        return None


@dataclass
class Reader:
    """Counts what a reader does: clicks and choices, and fields written in."""

    page: Any
    clicks: int = 0
    fields: int = 0

    def click(self, what: Any) -> None:
        (self.page.locator(what) if isinstance(what, str) else what).first.click()
        self.clicks += 1

    def button(self, name: str) -> None:
        self.click(self.page.get_by_role("button", name=name))

    def part(self, name: str) -> None:
        self.click(f"header nav a:has-text('{name}')")

    def choose(self, what: str, value: str) -> None:
        self.page.select_option(what, value)
        self.clicks += 2

    def write(self, what: str, text: str) -> None:
        self.page.fill(what, text)
        self.fields += 1

    def cards(self, count: int) -> list[str]:
        noun = "clip" if count == 1 else "clips"
        self.page.wait_for_selector(f".bar .note:text-is('{count} {noun}')")
        return [card.get_attribute("aria-label") for card in self.page.locator(".card").all()]


def drop_a_person(reader: Reader) -> None:
    reader.click("details[data-name=person_id] summary")
    reader.click(f"details[data-name=person_id] label:has-text('{PEOPLE[2]}')")
    reader.click("details.decide summary")
    reader.write("details.decide .why", "asked to be left out")
    reader.button("Drop all")
    reader.page.wait_for_selector("#said:has-text('Saved for')")


def disagreement(reader: Reader) -> None:
    reader.choose("select", "agreement")
    reader.page.wait_for_selector(".card >> nth=0 >> text=votes 1-1-1")


def merge(reader: Reader) -> None:
    reader.part("Persons")
    reader.click(f"[aria-label='Choose {PEOPLE[0]}']")
    reader.click(f"[aria-label='Choose {PEOPLE[1]}']")
    reader.write(".why", "a wig")
    reader.button("Merge these persons")
    reader.page.wait_for_selector(f".kept:has-text('one with {PEOPLE[1]}')")


def why_dropped(reader: Reader) -> None:
    reader.click("[aria-label^='a-show.e1.s0008']")
    reader.page.wait_for_selector("dialog .dropped:has-text('face is blurred (blurred: sharpness')")


def model_errors(reader: Reader) -> None:
    reader.click("details[data-name=verdict] label:has-text('wrong')")
    assert "s0006" in reader.cards(1)[0]


def play(reader: Reader) -> None:
    reader.click("[aria-label^='a-show.e1.s0001']")
    until(reader.page, "document.querySelector('video')?.readyState >= 2")
    reader.page.focus("video")
    reader.page.keyboard.press(" ")
    reader.clicks += 1
    until(reader.page, "document.querySelector('video').ended")
    assert reader.page.locator("rect.target").count() == 1


def undo(reader: Reader) -> None:
    reader.part("Decisions")
    reader.click("main td button:has-text('Undo')")
    reader.page.wait_for_selector("text=0 decisions in effect")


def name(reader: Reader) -> None:
    reader.part("Persons")
    reader.click(f"a:has-text('{PEOPLE[1]}')")
    reader.write(".why", "by the credits")
    reader.write("[aria-label='Name of the person']", "Bo")
    reader.button("Name this person")
    reader.page.wait_for_selector(".kept:has-text('called Bo')")


def silent(reader: Reader) -> None:
    reader.click("details[data-name=video_id] summary")
    reader.click("details[data-name=video_id] label:has-text('a-show.e1')")
    reader.click("details[data-name=voice] summary")
    reader.click("details[data-name=voice] label:has-text('nobody speaks')")
    assert len(reader.cards(12)) > 1


TASKS = {
    "drop all clips of a person": drop_a_person,
    "find the clips that raters disagree on most": disagreement,
    "merge two persons": merge,
    "see why a clip was dropped": why_dropped,
    "find the clips that the model gets wrong": model_errors,
    "play a clip with its boxes": play,
    "undo yesterday's decision": undo,
    "name a person": name,
    "find an episode's clips in which nobody speaks": silent,
}


def counted() -> dict[str, tuple[int, int]]:
    """Clicks and fields of each task by the documentation."""
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \| (\d+) \| [^|]+ \|$", PAGE.read_text(), re.M)
    return {task.strip(): (int(clicks), int(fields)) for task, clicks, fields in rows}


@pytest.mark.parametrize("task", TASKS)
def test_a_task_takes_the_clicks_that_the_documentation_says(
    browser, dataset, complaints, task
) -> None:
    keys = dataset.clips.set_index("clip_id")["clip_key"]
    told = Told([keys["a-show.e1.s0003.c1"], keys["a-show.e1.s0006.c1"]])
    page = opened(browser, start(Session(dataset.folder, {}, told)), 1280, complaints)  # type: ignore[arg-type]
    page.fill("#who", "ann")
    page.wait_for_selector(".card")
    page.wait_for_selector("details[data-name=person_id]")
    reader = Reader(page)
    TASKS[task](reader)
    page.context.close()
    assert complaints == []
    assert counted()[task] == (reader.clicks, reader.fields)


def test_the_tenth_task_is_a_command(dataset) -> None:
    from click.testing import CliRunner

    field = "filter.min_face_height=0.08"
    assert f"caer-data inspect --try {field}" in PAGE.read_text()
    run = CliRunner().invoke(
        inspect, ["-d", str(dataset.folder), "--try", field, "--json"], catch_exceptions=False
    )
    assert run.exit_code == 0
    assert json.loads(run.output.splitlines()[-1])
    assert len(counted()) == len(TASKS)


def _film(path: Path) -> None:
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        for number in range(25):
            picture = np.full((36, 64, 3), 9 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
