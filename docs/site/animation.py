"""Make docs/demo.webp, the animation of the README, from what `caer-data demo --whole` left here.

caer-data demo --whole
python docs/site/animation.py
"""

from __future__ import annotations

import io
import shutil
import threading
import time
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.sync_api import sync_playwright

from caer_data.report.answers import newest_answers
from caer_data.view.guard import Guard
from caer_data.view.serve import serve
from caer_data.view.session import Session
from caer_data.view.splits import splits_of

SIZE: Final = (1000, 640)
SHOWN: Final = (760, 486)
TARGET: Final = Path(__file__).parents[1] / "demo.webp"
DATASET, RELEASE, RESULTS = Path("dataset"), Path("release"), Path("results")


def main() -> None:
    """Visit the pages, take pictures, write them as one file."""
    session = Session(DATASET, splits_of(RELEASE), newest_answers(RESULTS, RELEASE))
    guards: list[Guard] = []
    threading.Thread(target=serve, args=(session, 0, guards.append), daemon=True).start()
    while not guards:
        time.sleep(0.01)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
        shots = list(visit(page, guards[0].address, session))
        browser.close()
    pictures = [Image.open(io.BytesIO(png)).convert("RGB").resize(SHOWN) for png, _ in shots]
    pictures[0].save(
        TARGET, save_all=True, append_images=pictures[1:], duration=[ms for _, ms in shots],
        loop=0, quality=62, method=4,
    )  # fmt: skip
    print(f"{TARGET}: {len(pictures)} pictures, {TARGET.stat().st_size / 1e6:.2f} MB")


def visit(page: Any, address: str, session: Session) -> Any:
    """Pictures as PNG, each with how long it is shown in ms."""
    page.goto((DATASET / "report.html").resolve().as_uri())
    yield page.screenshot(), 2500
    page.goto(address)
    page.wait_for_selector(".card")
    page.wait_for_timeout(1500)
    yield page.screenshot(), 1600
    page.locator("label:has-text('kept') input").first.check()
    page.wait_for_timeout(1500)
    yield page.screenshot(), 1400
    clips = session.shown.clips
    clip = clips[clips["verdict"].notna() & (clips["emotion"] == clips["emotion"])].iloc[0]
    page.goto(f"{address}#clip/{clip['clip_key']}")
    page.wait_for_selector("dialog[open] video")
    page.wait_for_timeout(1500)
    for step in range(10):
        page.evaluate(f"document.querySelector('video').currentTime = {0.02 + 0.12 * step}")
        page.wait_for_timeout(350)
        yield page.screenshot(), 900 if step == 0 else 140
    page.locator("dialog .player + p input").check()
    page.wait_for_timeout(300)
    yield page.screenshot(), 1800
    page.goto(f"{address}#persons")
    page.wait_for_selector(".person")
    page.wait_for_timeout(1500)
    yield page.screenshot(), 1600
    page.goto(f"{address}#videos/{clip['video_id']}")
    page.wait_for_selector(".shot")
    page.wait_for_timeout(1500)
    yield page.screenshot(), 2200


if __name__ == "__main__":
    main()
