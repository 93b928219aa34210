"""The examples run as they are, and each fits on a screen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from caer_data.engine.emotions import EMOTIONS

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


def test_split_and_audit_a_frame() -> None:
    lines = run("split_and_audit_a_frame.py")
    assert "ok            same show" in lines
    assert "finding       same person" in lines
    assert "not measured  near-duplicate pictures" in lines


def test_faces_and_persons(media_data: Path) -> None:
    lines = run("faces_and_persons.py", media_data / "videos" / "man_webcam_2s.mp4").splitlines()
    assert lines[0].endswith("shots")
    assert any(line.startswith("p0001") for line in lines)


def test_emotion_of_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from caer_data.benchmark import recipe
    from caer_data.benchmark.networks import create
    from caer_data.benchmark.training import checkpoint

    chosen = recipe.load("caer-net-s")
    weights, picture = tmp_path / "weights.safetensors", tmp_path / "a.png"
    checkpoint.save_weights(weights, create(chosen), chosen, EMOTIONS)
    Image.new("RGB", (320, 240), "teal").save(picture)
    lines = run("emotion_of_a_picture.py", weights, picture, 40, 30, 120, 130).splitlines()
    assert {line.split()[0] for line in lines} == set(EMOTIONS)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_has_at_most_fifteen_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 15
