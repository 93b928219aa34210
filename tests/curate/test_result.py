from __future__ import annotations

from pathlib import Path

import pytest

from caer_data.curate.result import BuildResult


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1 video, 1 person, 1 clip kept."), (2, "2 videos, 2 people, 2 clips kept.")],
)
def test_one_of_a_kind_is_said_in_the_singular(count, text):
    result = BuildResult(Path("dataset"), videos=count, people=count, kept=count)
    assert result.summary().startswith(text)
