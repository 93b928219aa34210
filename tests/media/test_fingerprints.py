"""Fingerprints of pictures: sizes, bars, sampling."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from moving import EDITS, letterbox, pillarbox, scene
from numbered_video import write

from caer_data.media import fingerprints
from caer_data.media.decode import frames
from caer_data.media.probe import probe


def made(pictures: np.ndarray) -> np.ndarray:
    writer = fingerprints.Writer(Fraction(1, 25))
    for picture in pictures:
        small = cv2.resize(picture, (128, 72), interpolation=cv2.INTER_AREA)
        writer.add(fingerprints.Look.of(small))
    return writer.finish()[1]


@pytest.mark.parametrize("barred", [letterbox, pillarbox])
def test_bars_do_not_show(barred):
    plain = scene(1, 30)
    difference = made(plain).astype(int) - made(barred(plain))
    assert np.abs(difference).mean() < 6
    assert np.abs(made(plain).astype(int) - made(scene(2, 30))).mean() > 25


def test_a_dark_scene_between_bright_ones_keeps_the_bars_of_the_film():
    film = letterbox(np.concatenate([scene(1, 10), scene(1, 4, 10) // 12, scene(1, 10, 14)]))
    dark = made(film)[10:14].astype(int)
    plain = made(np.concatenate([scene(1, 10), scene(1, 4, 10) // 12, scene(1, 10, 14)]))[10:14]
    assert np.corrcoef(dark.ravel(), plain.ravel())[0, 1] > 0.95


def test_a_video_gives_some_pictures_a_second_with_their_timestamps(tmp_path):
    path = write(tmp_path / "numbers.mp4", 60, Fraction(25))
    info = probe(path)
    writer = fingerprints.Writer(info.time_base)
    seen = []
    for frame in frames(path, info):
        seen.append(frame.pts)
        writer.push(frame)
    pts, pictures, inside = writer.finish()
    assert pictures.shape == (19, fingerprints.HEIGHT, fingerprints.WIDTH)
    assert set(pts) <= set(seen)
    assert (inside == (0, 0, *fingerprints.GRID)).all()
    seconds = (pts - pts[0]) * float(info.time_base)
    assert np.abs(seconds - np.arange(19) / fingerprints.RATE).max() < 1 / 25


def test_every_frame_where_that_is_asked_for(tmp_path):
    path = write(tmp_path / "numbers.mp4", 12)
    info = probe(path)
    writer = fingerprints.Writer(info.time_base, None)
    for frame in frames(path, info):
        writer.push(frame)
    assert len(writer.finish()[0]) == 12


def test_single_pictures_have_bars_of_their_own():
    plain = scene(3, 1)[0]
    small, detailed = fingerprints.of_pictures([plain, EDITS["pillarbox"](plain[None])[0]])
    assert detailed.shape == (2, *reversed(fingerprints.DETAIL))
    for one, other in (small, detailed):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97


def test_a_bar_may_bear_a_logo_if_the_opposite_one_is_clean():
    marked = letterbox(scene(1, 30))
    marked[:, 2:14, 150:180] = 255
    assert np.abs(made(letterbox(scene(1, 30))).astype(int) - made(marked)).mean() < 6
    dark = np.zeros((30, 108, 192), np.uint8)
    dark[:, 2:14, 150:180] = 255  # no bar opposite that ends: all of it is dark
    assert made(dark).shape == (30, fingerprints.HEIGHT, fingerprints.WIDTH)


def test_still_pictures_are_kept_in_detail():
    writer = fingerprints.Writer(Fraction(1, 25))
    cards = [np.repeat(scene(seed, 1), 20, axis=0) for seed in (1, 2)]
    for picture in np.concatenate([*cards, scene(3, 20)]):
        writer.add(fingerprints.Look.of(cv2.resize(picture, (128, 72))))
    writer.finish()
    stills, detailed = writer.details()
    assert stills.tolist() == [4, 24]  # each half a second after it came
    assert detailed.shape == (2, *reversed(fingerprints.DETAIL))


def test_what_was_saved_is_read_again(tmp_path):
    pictures = made(scene(1, 5))
    saved = fingerprints.Fingerprints(
        np.arange(5), pictures, np.zeros((5, 4), np.uint8), np.arange(7, dtype=np.uint32)
    )
    saved.save(tmp_path)
    again = fingerprints.load(lambda name: np.load(tmp_path / name))
    assert (again.pictures == pictures).all()
    assert again.sound.tolist() == list(range(7))
    assert len(again.stills) == len(again.detailed) == 0


def test_fingerprints_of_earlier_versions_have_no_details():
    known = {
        "pts.npy": np.arange(5),
        "pictures.npy": made(scene(1, 5)),
        "inside.npy": np.zeros((5, 4), np.uint8),
        "sound.npy": np.zeros(0, np.uint32),
    }
    again = fingerprints.load(known.__getitem__)
    assert len(again.pts) == 5
    assert len(again.stills) == len(again.detailed) == 0
