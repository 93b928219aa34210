"""Cuts and persons decided in a browser by keyboard alone, and what the next build makes of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("uvicorn")

from in_browser import WIDTHS, opened, start

from caer_data import Dataset, build
from caer_data.demo.film import film
from caer_data.demo.storyboards import Role, Shot
from caer_data.engine.decisions import Decisions
from caer_data.view.session import Session

pytestmark = pytest.mark.browser

STORY = [
    Shot("close-up", "happy", (Role("collins"),), place="pavilion", frames=40),
    Shot("close-up", "fear", (Role("hopper", 0.45),), "left", place="cat", frames=40),
    Shot("close-up", "sad", (Role("collins", 0.55),), place="flower", frames=30),
    Shot("close-up", "neutral", (Role("hopper"),), place="rocket", frames=30),
]
STARTS = [0, 40, 80, 110]
RECIPE = {
    "name": "test",
    "faces": {"detector_size": 480, "samples_per_second": 2.5},
    "clips": {"preset": "ultrafast", "max_height": 180, "min_seconds": 0.2},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A film of four shots of two people, its recipe, and a dataset built from it."""
    folder = tmp_path_factory.mktemp("decided")
    (folder / "raw" / "Show").mkdir(parents=True)
    film(STORY, folder / "raw" / "Show" / "e1.mp4", 5)
    (folder / "test.yaml").write_text(yaml.safe_dump(RECIPE))
    rebuilt(folder)
    dataset = Dataset(folder / "dataset")
    assert dataset.shots["start_frame"].tolist() == STARTS
    assert len(dataset.people) == 2 and len(dataset.tracks) == 4
    return folder


def rebuilt(folder: Path) -> Dataset:
    build(folder / "raw", folder / "dataset", str(folder / "test.yaml"), workers=1)
    return Dataset(folder / "dataset")


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "copy"))


class Keys:
    """A reader without a mouse: goes on with Tab until what is wanted has the focus."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def go(self, wanted: str, back: bool = False) -> None:
        seen = []
        for _ in range(90):
            self.page.keyboard.press("Shift+Tab" if back else "Tab")
            seen.append(self.page.evaluate(_NAMED))
            if seen[-1] == wanted:
                return
        raise AssertionError(f"{wanted} is not reached: {seen[:40]}")

    def press(self, wanted: str, key: str = "Enter", back: bool = False) -> None:
        self.go(wanted, back)
        self.page.keyboard.press(key)

    def write(self, wanted: str, text: str, back: bool = False) -> None:
        self.go(wanted, back)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    def part(self, name: str) -> None:
        """Open a part of the page from its head."""
        self.page.evaluate("document.activeElement.blur()")
        self.page.reload()
        self.press(name)
        self.page.wait_for_selector("main h2")


_NAMED = """(() => { const e = document.activeElement;
  return e.getAttribute("aria-label") ?? e.labels?.[0]?.firstChild.textContent.trim()
    ?? e.textContent; })()"""


def cut_at(keys: Keys, shot: str, action: str, frame: int | None, why: str) -> None:
    keys.part("Videos")
    keys.press("e1")
    keys.page.wait_for_selector(".shot")
    keys.press(shot)
    keys.write("Reason", why)
    if frame is not None:
        keys.write("First frame of the new shot", str(frame))
        keys.press(action, back=True)
    else:
        keys.press(action)
    keys.page.wait_for_selector("#said:has-text('Saved')")
    keys.page.wait_for_selector(f".kept:has-text('{why}')")


def decide(page: Any) -> None:
    """Three cuts and three corrections of persons, all by keyboard."""
    keys = Keys(page)
    keys.write("Your name", "ann")
    cut_at(keys, "Shot from 0:00.0 to 0:01.6", "Add a cut at frame", 20, "a jump cut")
    cut_at(keys, "Shot from 0:03.2 to 0:04.4", "Move it to frame", 84, "a slow fade")
    cut_at(keys, "Shot from 0:04.4 to 0:05.6", "Remove the cut", None, "a flash")
    keys.part("Persons")
    page.wait_for_selector(".person")
    keys.press("show.p0002")
    page.wait_for_selector("ul.faces")
    keys.write("Reason", "by the credits")
    keys.write("Name of the person", "Grace")
    keys.press("Name this person", back=True)
    page.wait_for_selector("main .kept:has-text('called Grace')")


ROWS = [("cut_add", 20), ("cut_move", 80), ("cut_remove", 110), ("name", None)]


@pytest.mark.parametrize("width", WIDTHS)
def test_cuts_and_names_by_keyboard_at_every_width(
    browser, folder, tmp_path, complaints, width
) -> None:
    copy = copied(folder, tmp_path)
    page = opened(browser, start(Session(copy / "dataset", {})), width, complaints)
    page.wait_for_selector(".card")
    decide(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
    assert complaints == []
    rows = Decisions(copy / "dataset").rows
    assert [(row.kind, row.who) for row in rows] == [(kind, "ann") for kind, _ in ROWS]
    beat = rows[0].about[0].start_pts // 20
    frames = [None if row.kind == "name" else row.about[0].start_pts // beat for row in rows]
    assert frames == [frame for _, frame in ROWS]
    assert rows[1].content == 84 * beat and rows[3].content == "Grace"


def test_the_next_build_honours_them_and_undo_takes_them_back(
    browser, folder, tmp_path, complaints
) -> None:
    copy = copied(folder, tmp_path)
    before = Dataset(copy / "dataset")
    clips = before.clips
    session = Session(copy / "dataset", {})
    page = opened(browser, start(session), 1024, complaints)
    page.wait_for_selector(".card")
    decide(page)
    after = rebuilt(copy)
    assert after.shots["start_frame"].tolist() == [0, 20, 40, 84]
    assert after.people["name"].dropna().tolist() == ["Grace"]
    keys = Keys(page)
    keys.part("Persons")
    page.wait_for_selector(".person a:has-text('Grace (show.p000')")
    keys.part("Decisions")
    page.wait_for_selector("text=4 decisions in effect")
    for left in (3, 2, 1, 0):
        page.get_by_role("button", name="Undo").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(f"text={left} decision")
    page.close()
    assert complaints == []
    again = rebuilt(copy)
    assert again.shots.equals(before.shots)
    assert again.clips.equals(clips)
    assert again.people["name"].isna().all()


def test_persons_merged_and_split_in_the_browser(browser, folder, tmp_path, complaints) -> None:
    copy = copied(folder, tmp_path)
    page = opened(browser, start(Session(copy / "dataset", {})), 390, complaints)
    keys = Keys(page)
    page.wait_for_selector(".card")
    keys.write("Your name", "ann")
    keys.part("Persons")
    page.wait_for_selector(".person")
    keys.write("Reason", "a wig")
    keys.press("Choose show.p0001", " ")
    keys.press("Choose show.p0002", " ")
    keys.press("Merge these persons", back=True)
    page.wait_for_selector("main .kept:has-text('one with show.p0002')")
    assert [row.kind for row in Decisions(copy / "dataset").standing()] == ["merge"]
    after = rebuilt(copy)
    assert len(after.people) == 1 and after.tracks["person_id"].nunique() == 1
    keys.part("Persons")
    keys.press("show.p0001")
    page.wait_for_selector("ul.faces")
    keys.write("Reason", "somebody else")
    for track in after.tracks["track_id"].iloc[[1, 3]]:
        keys.page.get_by_label(f"Choose {track}").focus()
        page.keyboard.press(" ")
    keys.press("The chosen faces are somebody else", back=True)
    page.wait_for_selector("#said:has-text('Saved')")
    page.close()
    assert complaints == []
    split = rebuilt(copy)
    persons = split.tracks["person_id"].tolist()
    assert persons[0] == persons[2] != persons[1] == persons[3]


def test_two_who_are_seen_together_are_not_merged(browser, tmp_path, complaints) -> None:
    import built_dataset
    import pandas as pd

    from caer_data.engine import tables

    dataset = built_dataset.make(tmp_path / "mine", shots=2, pictures=False)
    tracks, faces, people = dataset.tracks, dataset.faces, dataset.people
    other = {"track_id": "a-show.e1.s0001.t2", "person_id": "a-show.p0002"}
    dataset.write(tables.TRACKS, pd.concat([tracks, tracks.iloc[:1].assign(**other)]))
    dataset.write(
        tables.FACES, pd.concat([faces, faces.iloc[:1].assign(track_id=other["track_id"])])
    )
    of_other = people.iloc[:1].assign(person_id="a-show.p0002", best_track_id=other["track_id"])
    dataset.write(tables.PEOPLE, pd.concat([people, of_other]))
    page = opened(browser, start(Session(dataset.folder, {})), 1024, complaints)
    page.fill("#who", "ann")
    page.click("header nav a[href='#persons']")
    page.get_by_label("Choose a-show.p0001").check()
    page.get_by_label("Choose a-show.p0002").check()
    page.fill(".decide .why", "alike")
    page.get_by_role("button", name="Merge these persons").click()
    page.wait_for_selector("text=are seen at the same time")
    page.close()
    assert Decisions(dataset.folder).rows == []
    assert json.dumps(complaints).count("409") == 1
