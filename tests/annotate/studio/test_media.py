"""What a browser can play, what is transcoded, what is refused, and the picture of the target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from caer_data.annotate.studio import media
from caer_data.engine.dataset import Dataset
from caer_data.engine.errors import CaerError
from caer_data.engine.progress import Reporter
from caer_data.media import cut

QUIET = Reporter("quiet")
New = Callable[..., Dataset]

CASES = {
    "playable": ("", True),
    "hevc": ("its video codec is hevc", True),
    "10-bit": ("its pixel format is yuv420p10le", True),
    "4:4:4": ("its pixel format is yuv444p", True),
    "avi": ("its video codec is mpeg4", True),
    "opus": ("its audio codec is ", True),
    "silent": ("it has no sound track", False),
}


def clip_path(dataset: Dataset, number: int = 0) -> Path:
    path: str = dataset.clips["path"].iloc[number]
    return dataset.folder / path


@pytest.mark.parametrize("coding", CASES)
def test_examine_names_the_reason(new_dataset: New, coding: str) -> None:
    reason, fixable = media.examine(clip_path(new_dataset(1, (coding,))))
    expected, can_be_fixed = CASES[coding]
    assert reason.startswith(expected) and bool(reason) == bool(expected)
    assert fixable == can_be_fixed


@pytest.mark.parametrize("coding", [c for c, (reason, fix) in CASES.items() if reason and fix])
def test_transcoding_makes_it_playable_with_all_frames(
    new_dataset: New, coding: str, tmp_path: Path
) -> None:
    source, target = clip_path(new_dataset(1, (coding,))), tmp_path / "out.mp4"
    media.transcode(source, target)
    assert media.examine(target) == ("", True)
    assert cut.examine(target).frames == cut.examine(source).frames


def test_prepare_does_each_clip_once(new_dataset: New, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = new_dataset(3, ("hevc", "silent"))
    first = media.prepare(dataset, dataset.clips, QUIET)
    assert [bool(shown.problem) for shown in first] == [False, True, False]
    assert first[0].video.parent == first[0].poster.parent != first[2].video.parent
    asked: list[Path] = []
    examine = media.examine
    monkeypatch.setattr(media, "examine", lambda path: asked.append(path) or examine(path))
    assert media.prepare(dataset, dataset.clips, QUIET) == first
    assert asked == [clip_path(dataset, 1)]  # only what was refused is looked at again


def test_poster_marks_the_target_in_the_frame_where_it_is_largest(new_dataset: New) -> None:
    dataset = new_dataset(1)
    shown = media.prepare(dataset, dataset.clips, QUIET)[0]
    poster = cv2.imread(str(shown.poster))
    assert poster.shape[:2] == (180, 320)
    # The box of frame 20, halved from the video's size to the clip's.
    x1, y1, x2, y2 = 100, 30, 160, 110
    yellow = np.array([0, 220, 255])
    for x, y in ((x1, 70), (x2, 70), (130, y1), (130, y2)):
        around = poster[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).astype(int)
        assert np.abs(around - yellow).sum(axis=1).min() < 60, (x, y)


def test_a_clip_without_its_target_is_refused(new_dataset: New) -> None:
    dataset = new_dataset(1)
    clips = dataset.clips.assign(person_id="somebody-else")
    assert "no face box" in media.prepare(dataset, clips, QUIET)[0].problem


def test_a_missing_file_is_named(new_dataset: New) -> None:
    dataset = new_dataset(2)
    clip_path(dataset, 1).unlink()
    with pytest.raises(CaerError, match=r"1 clip file is missing, the first is clips/.*c00001"):
        media.prepare(dataset, dataset.clips, QUIET)


def test_a_file_that_is_no_video_is_refused(new_dataset: New) -> None:
    dataset = new_dataset(2)
    clip_path(dataset).write_bytes(b"no video at all")
    shown = media.prepare(dataset, dataset.clips, QUIET)
    assert shown[0].problem and not shown[1].problem


def test_files_have_a_new_name_when_the_clip_is_cut_anew(new_dataset: New) -> None:
    clips = new_dataset(3).clips
    names = {media.file_name(clip) for clip in clips.itertuples()}
    again = {media.file_name(clip) for clip in clips.assign(sha256="f" * 64).itertuples()}
    assert len(names | again) == 6
