from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import stress_shots

from caer_data.engine.recipe import Shots
from caer_data.media.decode import frames
from caer_data.media.probe import probe
from caer_data.shots.detect import ShotDetector
from caer_data.shots.wipes import Wipe, changes, wipe_in

Pictures = list[np.ndarray]


@pytest.fixture
def cuts_of(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Cuts of pictures that were encoded and decoded again."""

    def find(pictures: Pictures, settings: Shots) -> list[int]:
        path = stress_shots.write(tmp_path / "film.mp4", pictures)
        info = probe(path)
        detector = ShotDetector(settings, info)
        for frame in frames(path, info):
            detector.push(frame)
        return [row["start_frame"] for row in detector.finish()][1:]

    return find


def two_shots(seed: int) -> tuple[Pictures, Pictures]:
    """Two shots of 60 frames: a section of a photograph each, which moves a little."""
    first, second = (stress_shots.photographs()[(seed + i) % 10] for i in (0, 1))
    return tuple(  # type: ignore[return-value]
        [cv2.resize(photograph[20:300, 10 + i // 6 : 500 + i // 6], (256, 144)) for i in range(60)]
        for photograph in (first, second)
    )


def blended(old: Pictures, new: Pictures, length: int) -> tuple[Pictures, float]:
    """Old into new by a dissolve of so many mixed frames, and its middle."""
    mixed = []
    for number in range(length):
        share = 1 - (number + 1) / (length + 1)
        mixed.append(cv2.addWeighted(old[30 + number], share, new[number], 1 - share, 0))
    return [*old[:30], *mixed, *new[length : length + 30]], 30 + length / 2


@pytest.mark.parametrize("length", [3, 4, 5, 8, 12, 18, 25, 30])
@pytest.mark.parametrize("seed", [0, 4])
def test_dissolves_are_cut_in_the_middle(cuts_of, length: int, seed: int) -> None:  # type: ignore[no-untyped-def]
    film, middle = blended(*two_shots(seed), length)
    assert cuts_of(film, Shots()) == [pytest.approx(middle, abs=max(1.0, length / 8))]


def test_shots_tell_how_they_begin(tmp_path: Path) -> None:
    old, new = two_shots(0)
    film, _ = blended(old, new, 8)
    later = [cv2.flip(picture, 0) for picture in old]
    begins = how(tmp_path, [*film, *later])
    assert [kind for kind, _ in begins] == [None, "dissolve", "cut"]
    assert begins[0][1] is None and all(0.3 < score <= 1 for _, score in begins[1:])
    edge = np.tile(np.linspace(0, 1, 256), (144, 1))
    assert [kind for kind, _ in how(tmp_path, uncovered(old, new, 14, edge))] == [None, "wipe"]


def test_where_the_detector_does_not_tell_there_is_no_score(tmp_path: Path) -> None:
    old, new = two_shots(0)
    plain = how(tmp_path, [*old, *new], Shots(refine=False))
    assert plain == [(None, None), ("cut", None)]
    dfd = how(tmp_path, [*old, *new], Shots(detector="dfd"))
    assert [kind for kind, _ in dfd] == [None, "cut"] and 0 < dfd[1][1] < 1


def how(
    folder: Path, pictures: Pictures, settings: Shots | None = None
) -> list[tuple[str | None, Any]]:
    """Kind and score of the cuts that shots begin with."""
    info = probe(stress_shots.write(folder / "film.mp4", pictures))
    detector = ShotDetector(settings or Shots(), info)
    for frame in frames(folder / "film.mp4", info):
        detector.push(frame)
    return [(row["cut"], row["cut_score"]) for row in detector.finish()]


def uncovered(old: Pictures, new: Pictures, length: int, when: np.ndarray) -> Pictures:
    """Old into new by a wipe of so many frames; `when` says of each pixel when it turns, 0 to 1."""
    wiped = []
    for number in range(length):
        turned = (when < (number + 1) / (length + 1))[..., None]
        wiped.append(np.where(turned, new[number], old[30 + number]))
    return [*old[:30], *wiped, *new[length : length + 30]]


X, Y = np.meshgrid(np.linspace(0, 1, 256), np.linspace(0, 1, 144))
FORMS = {
    "right": X,
    "up": 1 - Y,
    "diagonal": (X + Y) / 2,
    "circle": np.hypot(X - 0.5, (Y - 0.5) * 9 / 16) / np.hypot(0.5, 0.5 * 9 / 16),
    "clock": (np.arctan2(X - 0.5, 0.5 - Y) / np.pi + 1) / 2,
    "doors": 2 * np.abs(X - 0.5),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("length", [12, 16, 24])
def test_wipes_are_cut_in_the_middle(cuts_of, form: str, length: int) -> None:  # type: ignore[no-untyped-def]
    film = uncovered(*two_shots(4), length, FORMS[form])
    assert cuts_of(film, Shots()) == [pytest.approx(30 + length / 2, abs=max(2.0, length / 5))]


def thumbnails(pictures: Pictures) -> np.ndarray:
    small = [cv2.resize(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), (48, 27)) for p in pictures]
    return np.stack(small).astype(np.float32)


def wipe_of(pictures: np.ndarray) -> Wipe | None:
    return wipe_in(pictures, np.stack([changes(a, b) for a, b in pairwise(pictures)]))


def test_a_wipe_in_patches_is_none() -> None:
    rng = np.random.default_rng(0)
    patches = cv2.resize(rng.random((9, 16)), (256, 144), interpolation=cv2.INTER_NEAREST)
    pair = two_shots(4)
    assert wipe_of(thumbnails(uncovered(*pair, 14, patches))[29:45]) is None
    found = wipe_of(thumbnails(uncovered(*pair, 14, X))[29:45])
    assert found is not None and (found.first, found.last) == (0, 13) and found.olds == 7
    assert wipe_of(thumbnails(uncovered(*pair, 5, X))[29:36]) is None


@pytest.mark.parametrize("kind", ["pan", "still"])
@pytest.mark.parametrize("length", [7, 10, 24])
def test_wipes_between_moving_pictures(cuts_of, kind: str, length: int) -> None:  # type: ignore[no-untyped-def]
    first, second = stress_shots.photographs()[4:6]
    step = 3 if kind == "pan" else 0
    old, new = (
        [cv2.resize(p[20:200, s * i : s * i + 320], (256, 144)) for i in range(60)]
        for p, s in ((first, step), (second, 0))
    )
    film = uncovered(old, new, length, X)
    assert cuts_of(film, Shots()) == [pytest.approx(30 + length / 2, abs=max(2.0, length / 5))]


def test_a_sheet_before_the_camera_is_no_wipe(cuts_of) -> None:  # type: ignore[no-untyped-def]
    old, _ = two_shots(4)
    film = [picture.copy() for picture in old]
    for i, picture in enumerate(film):
        top = round(144 - 110 * min(1.0, max(0, i - 20) / 12))
        picture[top:, 70:190] = 235
    assert cuts_of(film, Shots()) == []


def test_a_sheet_that_leaves_much_of_the_picture_is_no_wipe() -> None:
    old = thumbnails(two_shots(4)[0])[0]
    pictures = np.stack([old] * 16)
    for i in range(1, 16):
        pictures[i, 27 - round(27 * i / 15) :, 12:36] = 235
    assert wipe_of(pictures) is None
    pictures[:, :, :12] = pictures[:, :, 12:24]
    pictures[:, :, 36:] = pictures[:, :, 24:36]
    assert wipe_of(pictures) is not None


def test_a_light_that_passes_is_no_wipe() -> None:
    pictures = thumbnails(uncovered(*two_shots(4), 14, Y))[29:45]
    assert wipe_of(pictures) is not None
    for i in range(1, 15):
        edge = round(27 * i / 15)
        pictures[i, max(0, edge - 4) : edge + 4] = 255
    assert wipe_of(pictures) is None


def test_no_gradual_transition_is_looked_for_if_not_wanted(cuts_of) -> None:  # type: ignore[no-untyped-def]
    film, _ = blended(*two_shots(0), 18)
    assert cuts_of(film, Shots(gradual=False)) == []


def test_a_dissolve_between_hard_cuts(cuts_of) -> None:  # type: ignore[no-untyped-def]
    film, middle = blended(*two_shots(0), 12)
    before, after = two_shots(2)
    found = cuts_of([*before[:25], *film, *after[:25]], Shots())
    assert found == [25, pytest.approx(25 + middle, abs=2), 25 + len(film)]


def test_a_dissolve_that_comes_back_is_none(cuts_of) -> None:  # type: ignore[no-untyped-def]
    old, new = two_shots(0)
    there, _ = blended(old, new, 4)
    flash = [*there[:34], *there[:34][::-1], *old[:20]]
    assert cuts_of(flash, Shots()) == []


def photograph_window(x: float, y: float, zoom: float) -> np.ndarray:
    photograph = stress_shots.photographs()[8]
    height, width = photograph.shape[:2]
    w = width * zoom
    h = w * 9 / 16
    left, top = x * (width - w), y * (height - h)
    move = np.array([[w / 256, 0, left], [0, h / 144, top]], np.float32)
    return cv2.warpAffine(photograph, move, (256, 144), flags=cv2.WARP_INVERSE_MAP)


def eased(steps: int) -> Sequence[float]:
    """From 0 to 1 and resting at both ends, as cameras move."""
    way = np.clip((np.arange(steps + 40) - 20) / steps, 0, 1)
    return [float(v) for v in way * way * (3 - 2 * way)]


@pytest.mark.parametrize("steps", [10, 20, 40])
@pytest.mark.parametrize("kind", ["pan", "tilt", "zoom", "light"])
def test_motion_and_light_are_no_transitions(cuts_of, kind: str, steps: int) -> None:  # type: ignore[no-untyped-def]
    film = []
    for v in eased(steps):
        picture = photograph_window(
            v if kind == "pan" else 0.3,
            v if kind == "tilt" else 0.3,
            1 - 0.5 * v if kind == "zoom" else 0.5,
        )
        if kind == "light":
            picture = cv2.convertScaleAbs(picture, alpha=1 - 0.8 * v)
        film.append(picture)
    assert cuts_of(film, Shots()) == []


def test_the_dissolve_of_a_real_film(media_data: Path) -> None:
    path = media_data / "odd" / "two_video_streams.mp4"
    info = probe(path)
    detector = ShotDetector(Shots(), info)
    for frame in frames(path, info):
        detector.push(frame)
    assert [row["start_frame"] for row in detector.finish()][1:] == [
        pytest.approx(138, abs=4),
        202,
    ]
