"""Who speaks, in whole builds: a file of the user's, two faces of about equal height, real speech.

The stand-in for LR-ASD takes and gives what LR-ASD does, and finds that bright faces speak.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from odd_media import ffmpeg
from tiny_onnx import speaking

from caer_data import Dataset
from caer_data.api import build
from caer_data.cli import main
from caer_data.engine.artifacts import Artifact, Store
from caer_data.engine.errors import CaerError
from caer_data.labels import csv_import
from caer_data.labels import decide as labels

SHOT_S = 5.6
_FILM = (
    "[0:v]fps=25,scale=320:360:force_original_aspect_ratio=increase,crop=320:360,"
    f"lutyuv=y=val*0.45,trim=duration={SHOT_S},setpts=PTS-STARTPTS[dark];"
    "[1:v]fps=25,lutyuv=y=val*1.6,split[x][y];"
    "[x]scale=320:360:force_original_aspect_ratio=increase,crop=320:360,"
    f"trim=duration={SHOT_S},setpts=PTS-STARTPTS[bright];"
    "[y]scale=640:640,crop=640:360:0:100,"
    f"trim=start=6:duration={SHOT_S},setpts=PTS-STARTPTS,format=yuv420p,setsar=1[alone];"
    "[dark][bright]hstack,format=yuv420p,setsar=1[both];[both][alone]concat=n=2[v]"
)


@pytest.fixture(scope="module")
def folder(media_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of a dark man and a bright woman, then of her alone, and a network of the user's."""
    made = tmp_path_factory.mktemp("speakers")
    (made / "raw" / "Show").mkdir(parents=True)
    videos = media_data / "videos"
    ffmpeg(
        "-i", videos / "portrait_d19_man_smile.mp4",
        "-i", videos / "portrait_d3_woman_frown_surprise.mp4",
        "-stream_loop", 1, "-i", media_data / "odd" / "black_static_subtitle.mp4",
        "-filter_complex", _FILM, "-map", "[v]", "-map", "2:a", "-t", 2 * SHOT_S,
        "-preset", "ultrafast", made / "raw" / "Show" / "e1.mp4",
    )  # fmt: skip
    (made / "asd.onnx").write_bytes(speaking())
    return made


def recipe_of(folder: Path, **changes: Any) -> dict[str, Any]:
    speech = {"speaker": "lr-asd", "speaker_model": str(folder / "asd.onnx"), "voice": "silero"}
    return {
        "name": "test",
        "faces": {"detector_size": 320, "samples_per_second": 1.25, "first_look": 1},
        "clips": {"preset": "ultrafast", "max_height": 120},
        "filter": {"min_repeat_score": None, **changes},
        "speech": speech,
    }


@pytest.fixture(scope="module")
def decided(folder: Path) -> Dataset:
    """A build in which who speaks may choose the target."""
    build(folder / "raw", folder / "dataset", recipe_of(folder, speaker_decides=True), workers=1)
    return Dataset(folder / "dataset")


@pytest.fixture
def dataset(decided: Dataset, tmp_path: Path) -> Dataset:
    shutil.copytree(decided.folder, tmp_path / "dataset")
    return Dataset(tmp_path / "dataset")


def people_of(dataset: Dataset) -> tuple[str, str]:
    """The dark man, who is left in the first shot, and the bright woman, who is in both."""
    tracks = dataset.tracks.sort_values(["shot_id", "brightness"])
    man, woman = tracks.loc[tracks["shot_id"].str.endswith("s0001"), "person_id"]
    assert woman in set(tracks.loc[tracks["shot_id"].str.endswith("s0002"), "person_id"])
    assert man != woman
    return str(man), str(woman)


def speakers_of(dataset: Dataset) -> Artifact:
    store = Store(dataset.work_folder)
    (path,) = store.files("speakers")
    subject, key, _ = path.name.rsplit(".", 2)
    found = store.get("speakers", subject, key)
    assert found is not None
    return found


def test_the_one_who_speaks_is_the_target_and_the_tables_say_so(decided: Dataset) -> None:
    _, woman = people_of(decided)
    clips = decided.clips
    assert clips["status"].tolist() == ["kept", "kept"]
    assert clips["person_id"].tolist() == [woman, woman]
    assert clips["speaker"].tolist() == ["target", "target"]
    assert (decided.folder / clips["path"].iloc[0]).is_file()
    told = speakers_of(decided).json("speakers.json")
    assert told["model"].startswith("lr-asd ")
    assert {name for name, _ in told["tracks"]} == {"s0001.t1", "s0001.t2", "s0002.t1"}


def test_without_the_switch_the_pair_is_ambiguous_and_nothing_is_analysed_again(
    folder: Path, dataset: Dataset
) -> None:
    before = speakers_of(dataset).path.stat().st_mtime_ns
    build(folder / "raw", dataset.folder, recipe_of(folder), workers=1)
    clips = Dataset(dataset.folder).clips
    assert clips["reason"].tolist()[0] == "ambiguous"
    assert clips["status"].tolist() == ["dropped", "kept"]
    assert speakers_of(dataset).path.stat().st_mtime_ns == before


def test_cards_and_provenance_name_the_network(dataset: Dataset, folder: Path) -> None:
    rows = [f"{clip},{who},sad,0.9" for clip in dataset.clips["clip_id"] for who in "abc"]
    (folder / "ratings.csv").write_text("\n".join(["clip_id,rater,emotion,confidence", *rows]))
    labels.update(dataset, csv_import.read(folder / "ratings.csv", dataset), snapshot=False)
    release = dataset.folder.parent / "release"
    with pytest.raises(SystemExit) as ended:
        main(
            ["export", "-d", str(dataset.folder), "-o", str(release), "-q", "--workers", "1",
             "--split", "50/50"]
        )  # fmt: skip
    assert not ended.value.code
    sha256 = hashlib.sha256((folder / "asd.onnx").read_bytes()).hexdigest()
    assert json.loads(dataset.provenance_path.read_text())["speaker_model"] == sha256
    cards = "\n".join(path.read_text() for path in release.glob("*.md"))
    assert "speaker: lr-asd" in cards and "speaker_decides: true" in cards
    assert sha256 in cards
    assert str(folder) not in cards


def test_forgetting_a_person_takes_their_scores_out(dataset: Dataset, folder: Path) -> None:
    man, _ = people_of(dataset)
    with pytest.raises(SystemExit) as ended:
        main(["forget", "-d", str(dataset.folder), "--person", man, "--yes"])
    assert not ended.value.code
    assert not list(Store(dataset.work_folder).files("speakers"))
    build(folder / "raw", dataset.folder, recipe_of(folder, speaker_decides=True), workers=1)
    now = Dataset(dataset.folder)
    told = speakers_of(now).json("speakers.json")["tracks"]
    left = dict(now.tracks[["track_id", "brightness"]].itertuples(index=False))
    assert {f"show.e1.{name}" for name, _ in told} <= set(left)
    assert len(left) == 2 and min(left.values()) > 0.3, "the man's face is gone"
    clips = now.clips.set_index("clip_id")
    kept = clips[clips["status"] == "kept"]
    assert kept["speaker"].tolist() == ["target"] and len(set(kept["person_id"])) == 1
    scores = speakers_of(now).array("scores.npy")
    assert len(scores) and np.mean(scores > 0) > 0.9


def test_another_file_is_asked_anew(dataset: Dataset, folder: Path, tmp_path: Path) -> None:
    """The opposite network: the dark face speaks."""
    other = tmp_path / "other.onnx"
    other.write_bytes(speaking(turned=True))
    recipe = recipe_of(folder, speaker_decides=True)
    recipe["speech"]["speaker_model"] = str(other)
    build(folder / "raw", dataset.folder, recipe, workers=1)
    man, woman = people_of(Dataset(dataset.folder))
    clips = Dataset(dataset.folder).clips
    assert clips["person_id"].tolist() == [man, woman]
    assert clips["speaker"].tolist() == ["target", "unknown"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"filter": {"speaker_decides": True}}, "speech.speaker", id="nobody asks"),
        pytest.param(
            {"speech": {"speaker": "motion", "voice": "none"}}, "speech.voice", id="nobody hears"
        ),
    ],
)
def test_a_switch_that_could_do_nothing_is_refused(
    folder: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({"name": "test", **changes}))
    with pytest.raises(CaerError, match=said):
        build(folder / "raw", tmp_path / "dataset", str(path))
    assert not (tmp_path / "dataset").exists()
