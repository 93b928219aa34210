"""A dataset with every table empty: each verb gives an empty result or one sentence."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import Any

import built_dataset
import imageio_ffmpeg
import pytest
from click.testing import CliRunner

from caer_data import Dataset
from caer_data.annotate.studio import client, page
from caer_data.annotate.studio.client import Server
from caer_data.api import build
from caer_data.cli import cli
from caer_data.engine import tables
from caer_data.engine.errors import CaerError
from caer_data.report.dataset import write_report


@pytest.fixture
def empty(tmp_path) -> Dataset:
    """A dataset of which every table is there and has no row."""
    dataset = built_dataset.make_empty(tmp_path / "dataset")
    for table in tables.TABLES.values():
        dataset.write(table, tables.empty(table))
    (dataset.folder / "annotation.json").write_text('{"dataset_id": "0"}')
    return dataset


def test_a_video_without_a_face_builds_to_a_dataset_of_no_clips(tmp_path):
    video = tmp_path / "raw" / "show" / "e1.mp4"
    video.parent.mkdir(parents=True)
    pattern = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-t", "2"]
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *pattern, "-pix_fmt", "yuv420p", video],
        check=True,
    )
    outcome = build(tmp_path / "raw", tmp_path / "dataset", "quick", workers=1)
    outcome.raise_if_failed()
    dataset = Dataset(tmp_path / "dataset")
    assert (outcome.kept, len(dataset.videos), len(dataset.clips)) == (0, 1, 1)
    assert dataset.tracks.empty
    assert dataset.faces.empty
    assert "no_face" in dataset.report_path.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inspect", "{d}"], None),
        (["inspect", "{d}", "--json"], None),
        (["inspect", "{d}", "--table", "faces"], None),
        (["export", "{d}", "-o", "{r}"], "no clip has both media and a kept label"),
        (["export", "{d}", "-o", "{r}", "--no-media"], "no clip has both media and a kept label"),
        (["verify", "{r}"], "not a release"),
        (["rebuild", "{r}", "--shows", "{d}"], "not a release"),
        (["join", "{d}", "{r}", "-o", "{csv}"], "not a release"),
        (["annotate", "import", "{csv}", "-d", "{d}"], "no ratings below the header"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else None,
)
def test_a_verb_on_empty_tables(empty, tmp_path, arguments, said):
    (tmp_path / "ratings.csv").write_text("clip_id,rater,emotion,confidence\n")
    places = {"d": empty.folder, "r": tmp_path / "release", "csv": tmp_path / "ratings.csv"}
    result = CliRunner().invoke(cli, [a.format(**places) for a in arguments])
    assert (result.exit_code == 0) == (said is None), result.output
    if said is not None:
        assert isinstance(result.exception, CaerError)
        assert said in result.output + str(result.exception)


def test_the_report_of_empty_tables(empty):
    write_report(empty)
    assert empty.report_path.read_text().endswith("</html>")


class NoProjects(Server):
    """A server without projects and accounts."""

    def __init__(self) -> None:
        self.url, self.guarded = "http://127.0.0.1:1", True
        nothing = SimpleNamespace(read=lambda *_, **__: [], listed=lambda *_, **__: [])
        self.api: Any = nothing


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status"], "0 of 0 clips have all their answers"),
        (["pull"], "0 ratings accepted, 0 refused"),
        (["push"], "the build kept no clip"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_the_rating_of_nothing(empty, monkeypatch, arguments, said):
    monkeypatch.setattr(client, "connect", lambda url: NoProjects())
    monkeypatch.setattr(page, "check_on_server", lambda server, text: None)
    result = CliRunner().invoke(cli, ["annotate", *arguments, "-d", str(empty.folder)])
    assert isinstance(result.exception, CaerError | SystemExit | None)
    assert said in result.output + str(result.exception)
