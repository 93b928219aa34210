"""What all tests share."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before the libraries that read it are imported: tests fill the cores by running side by side. More
# threads than cores wait for each other in loops, and training takes many times as long. Programs
# that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = [
    "annotate_fixtures",
    "benchmark_fixtures",
    "export_fixtures",
    "fake_studio",
    "in_browser",
]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that no core begins with one when the others have ended."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path not in slow, -tests[item.path]))


@pytest.fixture(scope="session", autouse=True)
def nothing_waits_for_the_disk() -> Iterator[None]:
    """Tests kill processes but cut no power: what was written is there without `os.fsync`.

    It costs milliseconds each time, thousands of times. Programs that tests start still call it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def media_data() -> Path:
    """Folder of real test media; tests that need it are skipped where it is absent."""
    given = os.environ.get("CAER_TEST_DATA")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not (folder / "INDEX.md").is_file():
        pytest.skip(f"no real test media in {folder}; set CAER_TEST_DATA to a folder that has them")
    return folder
