import numpy as np
import pytest

from caer_data.faces.bars import find_bars


class Pictures:
    """Samples of these pictures."""

    def __init__(self, *pictures):
        self.frames = np.arange(len(pictures))
        self.picture = lambda frame: pictures[frame]


def picture(top=0, bottom=0, level=120):
    rng = np.random.default_rng(top + bottom)
    rows = rng.integers(2, 12, (180, 320, 3)).astype(np.uint8)
    rows[top : 180 - bottom] = level
    return rows


@pytest.mark.parametrize("bars", [(0, 0), (20, 20), (30, 10)], ids=str)
def test_bars_are_measured(bars):
    assert find_bars(Pictures(picture(*bars))) == pytest.approx([rows / 180 for rows in bars])


def test_subtitles_in_a_bar_do_not_end_it():
    with_text = picture(20, 20)
    with_text[165:175, 80:240] = 230
    assert find_bars(Pictures(*[with_text] * 2, *[picture(20, 20)] * 3)) == pytest.approx(
        [20 / 180] * 2
    )


def test_dark_pictures_say_nothing():
    dark = [np.zeros((180, 320, 3), np.uint8), picture(100, 40)]
    assert find_bars(Pictures(*dark * 3, picture(20, 20))) == pytest.approx([20 / 180] * 2)
    assert find_bars(Pictures(*dark)) == (0, 0)


def test_an_edge_of_a_few_rows_is_no_bar():
    assert find_bars(Pictures(picture(2, 3))) == (0, 0)
