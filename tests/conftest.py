"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = [
    "annotate_fixtures",
    "benchmark_fixtures",
    "export_fixtures",
    "fake_studio",
    "in_browser",
]


@pytest.fixture(scope="session")
def media_data() -> Path:
    """Folder of real test media; tests that need it are skipped where it is absent."""
    given = os.environ.get("CAER_TEST_DATA")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not (folder / "INDEX.md").is_file():
        pytest.skip(f"no real test media in {folder}; set CAER_TEST_DATA to a folder that has them")
    return folder
