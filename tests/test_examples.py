"""The examples run as they are, and each fits on a screen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_shots_of_a_video(media_data: Path) -> None:
    lines = run("shots_of_a_video.py", media_data / "shots_gt" / "street_bikes_10s.mp4")
    assert len(lines.splitlines()) == 7


def test_agreement_from_csv(tmp_path: Path) -> None:
    rows = [f"{clip},{rater},sad,1" for clip in "ab" for rater in "xyz"]
    rows += [f"c,{rater},fear,1" for rater in "xyz"]
    file = tmp_path / "ratings.csv"
    file.write_text("\n".join(["clip_id,rater,emotion,confidence", *rows]))
    assert "alpha 1.000" in run("agreement_from_csv.py", file)


def test_split_a_frame() -> None:
    assert "train" in run("split_a_frame.py")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_has_at_most_fifteen_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 15
