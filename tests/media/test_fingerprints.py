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
    one, other = fingerprints.of_pictures([plain, EDITS["pillarbox"](plain[None])[0]])
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97


def test_what_was_saved_is_read_again(tmp_path):
    pictures = made(scene(1, 5))
    saved = fingerprints.Fingerprints(
        np.arange(5), pictures, np.zeros((5, 4), np.uint8), np.arange(7, dtype=np.uint32)
    )
    saved.save(tmp_path)
    again = fingerprints.load(lambda name: np.load(tmp_path / name))
    assert (again.pictures == pictures).all()
    assert again.sound.tolist() == list(range(7))
