"""The page in a real browser: the first page, a clip that plays, a decision, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import built_dataset
import pandas as pd
import pytest

pytest.importorskip("uvicorn")

from in_browser import WIDTHS, opened, start, until

from caer_data.engine import tables
from caer_data.engine.decisions import Decisions
from caer_data.view.session import Session

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A dataset of 13,200 clips in one video, named to do harm; one clip has a film."""
    folder = tmp_path_factory.mktemp("browser") / "mine"
    dataset = built_dataset.make(folder, shots=13_200, show=built_dataset.HOSTILE, pictures=False)
    return dataset.folder


@pytest.fixture(scope="module")
def address(folder) -> str:
    return start(Session(folder, {}))


@pytest.mark.parametrize("width", WIDTHS)
def test_thousands_of_clips_scroll_and_nothing_runs_over(
    browser, address, width, complaints
) -> None:
    page = opened(browser, address, width, complaints)
    page.wait_for_selector(".card")
    assert page.locator(".card").count() < 150  # of 13,200
    page.evaluate("document.querySelector('.window').scrollTop = 1e9")
    page.wait_for_selector("[aria-label*='s13200.c1']")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for part in ("videos", "persons", "decisions"):
        page.click(f"header nav a[href='#{part}']")
        page.wait_for_selector("main h2")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
    assert [c for c in complaints if "404" not in c] == []  # no pictures were kept


def test_a_decision_by_keyboard_alone(browser, address, folder, complaints) -> None:
    page = opened(browser, address, 1024, complaints)
    page.fill("#who", "ann")
    page.locator(".card").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    assert page.evaluate("document.activeElement.textContent") == "Close"
    page.fill("dialog .why", "the wrong person")
    page.get_by_role("button", name="Drop", exact=True).press("Enter")
    page.wait_for_selector("text=Decision: drop")
    row = Decisions(folder).rows[-1]
    assert (row.kind, row.who, row.why) == ("drop", "ann", "the wrong person")
    page.keyboard.press("Escape")
    page.click("header nav a[href='#decisions']")
    page.get_by_role("button", name="Undo").first.click()
    page.wait_for_selector("text=0 decisions in effect")
    assert Decisions(folder).standing() == []
    page.close()


def test_without_a_name_nothing_is_decided(browser, address, folder, complaints) -> None:
    before = len(Decisions(folder).rows)
    page = opened(browser, address, 1024, complaints)
    page.locator(".card").first.click()
    page.fill("dialog .why", "because")
    page.get_by_role("button", name="Keep", exact=True).click()
    page.wait_for_selector("text=Give your name first")
    assert len(Decisions(folder).rows) == before
    page.close()


def test_a_clip_plays_and_its_boxes_follow(browser, tmp_path, complaints) -> None:
    dataset = built_dataset.make(tmp_path / "mine", shots=1)
    _film(dataset.folder / "one.mp4")
    dataset.write(tables.CLIPS, dataset.clips.assign(path="one.mp4", fps="25"))
    faces = dataset.faces
    every = [faces.assign(frame=n, x1=100.0 + n, x2=200.0 + n) for n in range(50)]
    dataset.write(tables.FACES, pd.concat(every, ignore_index=True))
    page = opened(browser, start(Session(dataset.folder, {})), 1024, complaints)
    page.locator(".card").first.click()
    until(page, "document.querySelector('video')?.readyState >= 2")
    seek = "document.querySelector('video').currentTime = 1.0"
    page.evaluate(seek)
    expected = (100 + 25) / built_dataset.WIDTH
    until(
        page,
        f"Math.abs(document.querySelector('rect.target').getAttribute('x') - {expected}) < 0.002",
    )
    page.evaluate("document.querySelector('video').play()")
    until(page, "document.querySelector('video').ended")
    page.close()
    assert complaints == []


def _film(path: Path) -> None:
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        for number in range(50):
            picture = np.full((36, 64, 3), 5 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))


def test_a_persons_clips_are_dropped_and_undone_in_few_steps(browser, tmp_path, complaints) -> None:
    dataset = built_dataset.make(tmp_path / "mine", shots=24, pictures=False)
    own = int((dataset.clips["person_id"] == "a-show.p0001").sum())
    page = opened(browser, start(Session(dataset.folder, {})), 1024, complaints)
    page.fill("#who", "ann")
    page.click("header nav a[href='#persons']")
    page.get_by_role("link", name="a-show.p0001").first.click()
    page.get_by_role("link", name="Clips of this person").click()
    page.get_by_text("Decide for").click()
    page.fill("details.decide .why", "asked to be left out")
    page.get_by_role("button", name="Drop all").click()
    page.wait_for_selector(f"text=Saved for {own} clips")
    assert len(Decisions(dataset.folder).standing("drop")) == own > 1
    page.click("header nav a[href='#decisions']")
    page.wait_for_selector(f"text=drop a clip ({own} times)")
    page.get_by_role("button", name="Undo").first.click()
    page.wait_for_selector("text=0 decisions in effect")
    page.close()
    assert [c for c in complaints if "404" not in c] == []


def test_attention_lies_over_what_the_model_saw(browser, tmp_path, complaints) -> None:
    dataset = built_dataset.make(tmp_path / "mine", shots=1, pictures=False)
    key = dataset.clips["clip_key"].iloc[0]

    class Told:
        """One model that looks at the upper left."""

        first = pd.DataFrame(
            {"predicted": ["sad"], "label": ["happy"], "p_label": [0.25]}, index=[key]
        )

        def of(self, clip_key: str) -> list[dict[str, Any]]:
            return [{"row": "net", "predicted": "sad", "label": "happy", "p_label": 0.25}]

        def attention(self, clip_key: str) -> dict[str, Any]:
            return {"row": "net", "map": [[0.7, 0.1], [0.1, 0.1]], "box": [0.1, 0.0, 0.9, 1.0]}

    page = opened(browser, start(Session(dataset.folder, {}, Told())), 390, complaints)  # type: ignore[arg-type]
    page.locator(".card").first.click()
    page.wait_for_selector("dialog[open]")
    assert page.locator(".heat").evaluate("g => g.style.display") == "none"
    page.get_by_label("Attention of net").check()
    cells = page.locator(".heat rect")
    opacity = [cells.nth(i).evaluate("r => +r.style.fillOpacity") for i in range(4)]
    assert opacity[0] > 4 * opacity[1] and opacity[1] == opacity[3]
    assert cells.first.get_attribute("x") == "0.1"
    page.close()
