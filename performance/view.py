"""How long the page of `caer-data view` takes: to its first clips, to filter, to scroll.

    python performance/view.py --clips 13201 --clips 100000

Made-up datasets of so many clips in one video, without pictures, in headless Chromium. Times are
those of the page itself, from the request to the cards that are drawn.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

import built_dataset

from caer_data.view.guard import Guard
from caer_data.view.serve import serve
from caer_data.view.session import Session

ROUNDS = 5
_JUMP = """async (share) => {
  const list = document.querySelector(".window");
  const began = performance.now();
  list.scrollTop = share * list.scrollHeight;
  const first = () => Math.min(...[...document.querySelectorAll(".card")]
    .map((card) => Math.abs(parseFloat(card.style.top) - list.scrollTop)));
  while (!(first() < 400)) await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, action="append", help="may be given several times")
    for count in parser.parse_args().clips or [13_201]:
        with tempfile.TemporaryDirectory() as folder:
            dataset = built_dataset.make(Path(folder) / "mine", shots=count, pictures=False)
            measure(dataset.folder, count)


def measure(folder: Path, count: int) -> None:
    began = time.perf_counter()
    session = Session(folder, {})
    session.warm()
    guards: list[Guard] = []
    threading.Thread(target=serve, args=(session, 0, guards.append), daemon=True).start()
    while not guards:
        time.sleep(0.005)
    print(f"{count:,} clips: ready after {time.perf_counter() - began:.2f} s")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        first = [opened(page, guards[0].address) for _ in range(ROUNDS)]
        print(f"  page with its first clips: {first[0]:.2f} s, then {median(first[1:]):.2f} s")
        jumps = [page.evaluate(_JUMP, (i * 0.618) % 1) / 1000 for i in range(1, 21)]
        print(f"  jump in the list: median {median(jumps):.3f} s, longest {max(jumps):.3f} s")
        filters = [filtered(page) for _ in range(ROUNDS)]
        print(f"  filter by a reason: median {median(filters):.3f} s")
        browser.close()


def opened(page: Any, address: str) -> float:
    page.goto("about:blank")
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(".card")
    return time.perf_counter() - began


def filtered(page: Any) -> float:
    before = page.inner_text("[role=status].note")
    began = time.perf_counter()
    page.locator("details[data-name=reason] input").nth(1).click()
    while page.inner_text("[role=status].note") == before:
        page.wait_for_timeout(5)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
