"""What a rater's page has beyond Label Studio's, in a real browser on three sizes of screen."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from in_browser import serious

from caer_data.annotate import push
from caer_data.annotate.pull import pull
from caer_data.annotate.studio import projects
from caer_data.engine import recipe
from caer_data.engine.dataset import Dataset
from caer_data.engine.progress import Reporter
from tests.annotate.test_browser import (
    WAIT_MS,
    first_password,
    log_in,
    page,
    screenshot,
    wait_for_clip,
)

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]

__all__ = ["page"]  # a fixture

QUIET = Reporter("quiet")
SCREENS = {"desk": (1400, 900), "low": (1024, 600), "phone": (390, 800)}


def progress(page: Any, text: str) -> None:
    """Wait until the bar says something."""
    page.wait_for_function(
        f"document.querySelector('#caer-bar output')?.textContent.startsWith('{text}')",
        timeout=WAIT_MS,
    )


def visible(page: Any, selector: str) -> bool:
    """Whether the middle of an element is on the screen without scrolling."""
    box = page.locator(selector).first.bounding_box()
    size = page.viewport_size
    return bool(
        box
        and 0 <= box["x"] + box["width"] / 2 <= size["width"]
        and 0 <= box["y"] + box["height"] / 2 <= size["height"]
    )


@pytest.fixture
def at_work(
    page: Any, studio: Any, new_dataset: Callable[..., Dataset]
) -> tuple[Any, Dataset, str]:
    """A page on which a rater has logged in, with four clips to rate and no other project."""
    dataset = new_dataset(4)
    raters = [f"{uuid.uuid4().hex[:8]}@example.org" for _ in range(3)]
    rater = raters[0]
    pushed = push.push(dataset, studio.server, QUIET, raters=raters)
    address = pushed.addresses[rater]
    log_in(page, studio.url, rater, first_password(studio, rater))
    page.wait_for_url(lambda url: "/projects/" in url, timeout=WAIT_MS)
    page.goto(address)
    return page, dataset, rater


def test_instructions_progress_and_stop_by_keys_on_every_screen(at_work: Any) -> None:
    page, _, _ = at_work
    begin = page.get_by_role("button", name="Begin")
    begin.wait_for(timeout=WAIT_MS)
    assert "distress or violence" in page.locator("dialog").inner_text()
    assert serious(page) == []
    screenshot(page, "instructions")
    page.keyboard.press("4")  # no key reaches the page behind
    page.keyboard.press("Enter")
    assert not begin.is_visible()
    wait_for_clip(page)
    progress(page, "0 of 4")
    assert page.locator("input:checked").count() == 0
    for name, (width, height) in SCREENS.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(700)
        screenshot(page, f"rating-{name}")
        assert visible(page, ".lsf-video-canvas") and visible(page, "[aria-label*=Submit]"), name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert serious(page) == [], name
        if name != "phone":
            assert visible(page, "text=distressing"), name
    for word in ("Danger", "Settings", "Postpone"):
        assert not page.get_by_text(word, exact=False).locator("visible=true").count(), word
    page.keyboard.press("x")
    page.get_by_role("heading", name="Stopped").wait_for(timeout=WAIT_MS)
    screenshot(page, "stopped")
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    begin.wait_for(timeout=WAIT_MS)
    page.keyboard.press("Escape")
    page.keyboard.press("4")
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    progress(page, "1 of 4")
    page.reload()
    wait_for_clip(page)
    progress(page, "1 of 4")
    assert not begin.is_visible()  # once is enough


def test_no_page_is_left_empty_or_turning(at_work: Any) -> None:
    page, _, _ = at_work
    page.get_by_role("button", name="Begin").click(timeout=WAIT_MS)
    wait_for_clip(page)
    number = page.url.split("/projects/")[1].split("/")[0]
    for path in ("/projects/", f"/projects/{number}/settings/danger-zone", "/user/account"):
        page.evaluate("path => history.pushState({}, '', path)", path)
        page.wait_for_url(lambda url: "labeling=1" in url, timeout=WAIT_MS)
        wait_for_clip(page)


def test_a_training_with_every_question_on_every_screen(
    page: Any,
    studio: Any,
    new_dataset: Callable[..., Dataset],
    six_raters: list[str],
    rater_of: Any,
) -> None:
    dataset, rater = new_dataset(4, name="trained"), six_raters[0]
    asked = ["second_choice", "intensity", "valence", "arousal"]
    settings = {"annotate": {"training": 2, "pass_mark": 0.5, "ask": asked}}
    dataset.recipe_path.write_text(recipe.dump(recipe.load(settings)), encoding="utf-8")
    known = dataset.folder / "known.csv"
    rows = "".join(f"{name},fear\n" for name in dataset.clips["clip_id"].iloc[:2])
    known.write_text(f"clip_id,emotion\n{rows}")
    people = six_raters[:3]
    address = push.push(dataset, studio.server, QUIET, raters=people, known=known).addresses[rater]
    log_in(page, studio.url, rater, first_password(studio, rater))
    page.wait_for_url(lambda url: "/projects/" in url, timeout=WAIT_MS)
    page.goto(address)
    page.get_by_role("button", name="Begin").click(timeout=WAIT_MS)
    wait_for_clip(page)
    for name, (width, height) in SCREENS.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(700)
        screenshot(page, f"questions-{name}")
        assert visible(page, ".lsf-video-canvas") and visible(page, "[aria-label*=Submit]"), name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert serious(page) == [], name
    for key in ("4", "r", "Enter"):
        page.keyboard.press(key)
        page.wait_for_timeout(200)
    told = page.locator("#caer-training")
    told.wait_for(timeout=WAIT_MS)
    assert "The known answer is fear; you answered happy." in told.inner_text()
    for name, (width, height) in SCREENS.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(300)
        screenshot(page, f"training-{name}")
        assert visible(page, "#caer-training button"), name
    assert serious(page) == []
    page.keyboard.press("Enter")
    told.wait_for(state="detached", timeout=WAIT_MS)
    wait_for_clip(page)
    for key in ("3", "r", "Enter"):
        page.keyboard.press(key)
        page.wait_for_timeout(200)
    told.wait_for(timeout=WAIT_MS)
    page.keyboard.press("Enter")

    for other in people[1:]:
        somebody = rater_of(studio, other)
        number = projects.find(studio.server, push.dataset_id(dataset), projects.TRAINING)[other]
        for _ in range(2):
            somebody.answer(number.number, "fear", "0.5")
    address = push.push(dataset, studio.server, QUIET).addresses[rater]
    page.set_viewport_size({"width": 1024, "height": 600})
    page.goto(address)
    wait_for_clip(page)
    page.get_by_role("button", name="Begin").click(timeout=WAIT_MS)
    progress(page, "0 of 2")
    page.keyboard.press("a")
    page.wait_for_timeout(300)
    screenshot(page, "cannot-judge")
    page.keyboard.press("Enter")
    progress(page, "1 of 2")
    assert pull(dataset, studio.server, QUIET).ratings["cannot_judge"].notna().sum() == 1


def test_an_answer_that_meets_the_end_of_the_session_is_kept(at_work: Any, studio: Any) -> None:
    page, dataset, rater = at_work
    page.get_by_role("button", name="Begin").click(timeout=WAIT_MS)
    wait_for_clip(page)
    progress(page, "0 of 4")
    page.context.clear_cookies()
    for key in ("6", "t", "Enter"):
        page.keyboard.press(key)
        page.wait_for_timeout(200)
    page.get_by_role("heading", name="Your session has ended").wait_for(timeout=WAIT_MS)
    assert "Log in again. Your answer is saved." in page.locator("dialog").inner_text()
    screenshot(page, "session-ended")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("status").wait_for(timeout=WAIT_MS)
    assert serious(page) == []
    screenshot(page, "login-again")
    page.fill("input[name=email]", rater)
    page.fill("input[name=password]", first_password(studio, rater))
    page.press("input[name=password]", "Enter")
    progress(page, "1 of 4")
    rows = pull(dataset, studio.server, QUIET).ratings
    assert rows[["rater", "emotion", "confidence"]].values.tolist() == [[rater, "sad", 1.0]]
