"""Whole builds with face models that the user brings: real detectors, embedders of the real shape.

ArcFace's and SFace's weights may not be copied here: networks of their inputs and outputs stand in.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import tiny_onnx
from odd_media import ffmpeg

from caer_data import Dataset
from caer_data.api import build
from caer_data.engine.artifacts import Store

_SHOT = "fps=25,scale=320:360:force_original_aspect_ratio=increase,crop=320:360,setsar=1"
_FILM = (
    f"[0:v]{_SHOT},format=yuv420p,split[a][b];[1:v]{_SHOT},format=yuv420p,trim=duration=1.6,"
    "setpts=PTS-STARTPTS[woman];"
    "[a]trim=duration=1.6,setpts=PTS-STARTPTS[man];"
    "[b]trim=start=3:duration=1.6,setpts=PTS-STARTPTS[again];"
    "[man][woman][again]concat=n=3[v]"
)


@pytest.fixture(scope="module")
def shows(media_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A man, a woman, and the man again."""
    folder = tmp_path_factory.mktemp("raw") / "Show"
    folder.mkdir()
    videos = media_data / "videos"
    ffmpeg(
        "-i", videos / "portrait_d19_man_smile.mp4",
        "-i", videos / "portrait_d3_woman_frown_surprise.mp4",
        "-filter_complex", _FILM, "-map", "[v]", "-preset", "ultrafast", folder / "e1.mp4",
    )  # fmt: skip
    return folder.parent


@pytest.mark.parametrize(
    ("detector", "weights", "embedder", "name", "network", "length"),
    [
        pytest.param(
            "scrfd", "scrfd_500m.onnx", "arcface", "w600k_mbf.onnx", tiny_onnx.arcface(), 512,
            id="InsightFace",
        ),
        pytest.param(
            "yunet", "yunet_n_640_640.onnx", "sface", "face_recognition_sface_2021dec.onnx",
            tiny_onnx.sface(), 128, id="OpenCV",
        ),
    ],
)  # fmt: skip
def test_files_of_the_users_find_and_tell_apart_in_a_whole_build(
    media_data: Path, shows: Path, tmp_path: Path, detector: str, weights: str, embedder: str,
    name: str, network: bytes, length: int,
) -> None:  # fmt: skip
    pack = tmp_path / "pack"
    pack.mkdir()
    shutil.copy(media_data / "weights" / weights, pack / weights.replace("scrfd_", "det_"))
    (pack / name).write_bytes(network)
    sha256 = hashlib.sha256(network).hexdigest()
    faces = {
        "detector": detector, "embedder": embedder, "weights": str(pack),
        "weights_sha256": [sha256], "detector_size": 320, "samples_per_second": 2.5,
    }  # fmt: skip
    recipe = {
        "name": "local", "faces": faces, "filter": {"min_repeat_score": None},
        "people": {"threshold": 0.4},  # the stand-ins find all faces more alike than the real ones
        "clips": {"preset": "ultrafast", "max_height": 120},
    }  # fmt: skip
    build(shows, tmp_path / "dataset", recipe, workers=1)
    dataset = Dataset(tmp_path / "dataset")
    clips = dataset.clips
    assert clips["status"].tolist() == ["kept"] * 3
    man, woman, again = clips["person_id"]
    assert man == again != woman
    (path,) = Store(dataset.work_folder).files("faces")
    subject, key, _ = path.name.rsplit(".", 2)
    artifact = Store(dataset.work_folder).get("faces", subject, key)
    assert artifact is not None
    told = artifact.json("models.json")
    assert (told["detector"], told["embedder"]) == (detector, embedder)
    assert artifact.array("embeddings.npy").shape == (len(dataset.tracks), length)
    assert told["warnings"] == []
