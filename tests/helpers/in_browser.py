"""The page of `view` in headless Chromium, and pages checked for what readers with aids meet."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from caer_data.view.guard import Guard
    from caer_data.view.session import Session

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
WIDTHS = (390, 1024, 1920)


@contextmanager
def chromium(*flags: str) -> Iterator[Any]:
    """A headless Chromium with further flags; one process can run only one at a time."""
    sync_api = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium; apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium for the tests of a module."""
    with chromium() as launched:
        yield launched


@pytest.fixture
def complaints() -> list[str]:
    """What pages opened with `opened` wrote to the console or asked of others."""
    return []


def start(session: Session) -> str:
    """Serve in the background for the rest of the tests; returns the address."""
    from caer_data.view.serve import serve

    found: list[Guard] = []
    thread = threading.Thread(target=serve, args=(session, 0, found.append), daemon=True)
    thread.start()
    while not found:
        time.sleep(0.01)
    return found[0].address


def opened(browser: Any, address: str, width: int, complaints: list[str], **settings: Any) -> Any:
    """A page of its own context, with what it complains of; `settings` are of the context."""
    page = browser.new_context(viewport={"width": width, "height": 900}, **settings).new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    own = (address.rsplit("/", 2)[0], "data:")
    page.on("request", lambda r: r.url.startswith(own) or complaints.append(r.url))
    page.goto(address)
    return page


def until(page: Any, expression: str) -> None:
    """Wait for what the page's policy forbids to wait for inside it."""
    deadline = time.monotonic() + 20
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def serious(page: Any) -> list[str]:
    """What axe-core finds serious or worse; the page's context must bypass its policy."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
