"""One rater in a real browser: log in, watch a clip, answer by keyboard; the answers arrive."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from in_browser import chromium

from caer_data.annotate import push
from caer_data.annotate.presentations import dataset_id
from caer_data.annotate.pull import pull
from caer_data.annotate.studio import accounts, projects
from caer_data.engine.dataset import Dataset
from caer_data.engine.progress import Reporter

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]

PLAYER = "document.querySelector('video')"
WAIT_MS = 60_000


@pytest.fixture
def page() -> Iterator[Any]:
    """A page of a fresh headless Chromium."""
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 1400, "height": 900})


def first_password(studio: Any, rater: str) -> str:
    """What a rater was given to log in."""
    with accounts.password_path(studio.server).open(newline="") as stream:
        return next(r["password"] for r in csv.DictReader(stream) if r["rater"] == rater)


def log_in(page: Any, url: str, rater: str, password: str) -> None:
    """Fill in the login page and send it."""
    page.goto(f"{url}/user/login/")
    page.fill("input[name=email]", rater)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")


def wait_for_clip(page: Any) -> None:
    """Until a clip can be played and its keys are bound; says what the page shows if none can."""
    sync_api = pytest.importorskip("playwright.sync_api")
    try:
        page.wait_for_function(f"{PLAYER} && {PLAYER}.readyState >= 3", timeout=WAIT_MS)
    except sync_api.TimeoutError:
        state = page.evaluate(
            f"[{PLAYER}?.currentSrc, {PLAYER}?.readyState, {PLAYER}?.error?.message,"
            " document.body.innerText.slice(0, 500)]"
        )
        pytest.fail(f"no clip to play at {page.url}: {state}")
    page.wait_for_timeout(500)


def screenshot(page: Any, name: str) -> None:
    """Keep a picture to look at, where CAER_SCREENSHOTS names a folder."""
    folder = os.environ.get("CAER_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_a_rater_answers_three_clips_by_keyboard(
    page: Any, studio: Any, new_dataset: Callable[..., Dataset], six_raters: list[str]
) -> None:
    dataset = new_dataset(3, ("hevc",))
    push.push(dataset, studio.server, Reporter("quiet"), raters=six_raters[:3])
    rater = six_raters[0]
    outside: list[str] = []
    failed: list[str] = []
    page.on("request", lambda r: outside.append(r.url) if is_outside(r.url, studio.url) else None)
    page.on("response", lambda r: failed.append(r.url) if r.status >= 400 else None)
    page.on("pageerror", lambda error: failed.append(str(error)))

    page.goto(f"{studio.url}/user/login/")
    screenshot(page, "login")
    log_in(page, studio.url, rater, first_password(studio, rater))
    project = projects.find(studio.server, dataset_id(dataset))[rater].number
    page.wait_for_url(lambda url: "/projects/" in url, timeout=WAIT_MS)
    page.goto(f"{studio.url}/projects/{project}/data?labeling=1")
    page.get_by_role("button", name="Begin").click(timeout=WAIT_MS)

    answers = (("4", "r", "happy", 0.75), ("1", "q", "anger", 0.0), ("6", "s", None, None))
    shown: list[str] = []
    for number, (emotion_key, second_key, emotion, _) in enumerate(answers):
        last = shown[-1] if shown else ""
        page.wait_for_function(
            f"{PLAYER} && {PLAYER}.readyState >= 3 && {PLAYER}.currentSrc !== '{last}'"
            " && [...document.images].some(i => i.src.endsWith('.jpg') && i.naturalWidth > 0)",
            timeout=WAIT_MS,
        )
        shown.append(page.evaluate(f"{PLAYER}.currentSrc"))
        page.wait_for_timeout(500)  # the page binds its keys after it has drawn
        assert page.evaluate(f"[{PLAYER}.videoWidth, {PLAYER}.muted]") == [320, False]
        page.keyboard.press("Space")
        page.wait_for_function(f"{PLAYER}.currentTime > 0.5", timeout=WAIT_MS)
        assert page.evaluate(f"{PLAYER}.webkitAudioDecodedByteCount") > 0
        page.keyboard.press(emotion_key)
        page.keyboard.press(second_key)
        chosen = 2 if emotion else 1  # why a clip cannot be judged takes the place of the rest
        page.wait_for_function(
            "[...document.querySelectorAll('input:checked')].filter(i => i.offsetParent).length"
            f" === {chosen}",
            timeout=WAIT_MS,
        )
        screenshot(page, f"clip-{number}")
        with page.expect_response(lambda r: "next_task" in r.url, timeout=WAIT_MS) as following:
            page.keyboard.press("Enter")
    assert following.value.status == 404  # nothing is left
    page.wait_for_timeout(500)
    screenshot(page, "finished")

    rows = pull(dataset, studio.server, Reporter("quiet")).ratings
    assigned = dataset.assignments.set_index("presentation")["clip_id"]
    order = [assigned[url.rsplit("/", 1)[-1].removesuffix(".mp4")] for url in shown]
    expected = {clip: (a[2], a[3]) for clip, a in zip(order, answers, strict=True)}
    assert set(rows["rater"]) == {rater} and set(rows["status"]) == {"accepted"}
    unclear = rows["cannot_judge"].notna()
    assert rows.loc[unclear, "cannot_judge"].tolist() == ["wrong_box"]
    given = rows[["emotion", "confidence"]].astype(object).where(~unclear, None)
    said = given.itertuples(index=False, name=None)
    assert dict(zip(rows["clip_id"], said, strict=True)) == expected
    assert (rows["lead_time_s"] > 0).all()
    assert outside == []
    assert [url for url in failed if "heidi-tips" not in url and "next_task" not in url] == []


def is_outside(url: str, home: str) -> bool:
    """Whether an address is neither the server's nor part of the page itself."""
    return not url.startswith((home, "data:", "blob:", "about:"))
