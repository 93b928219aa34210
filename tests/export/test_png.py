from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from caer_data.export import png


@pytest.mark.parametrize(
    "rgb",
    [
        pytest.param(data.astronaut(), id="photo"),
        pytest.param(np.zeros((1, 1, 3), np.uint8), id="one-pixel"),
        pytest.param(np.random.default_rng(0).integers(0, 256, (33, 57, 3), np.uint8), id="noise"),
    ],
)
def test_other_readers_see_every_pixel(rgb):
    encoded = png.encode(rgb)
    assert (np.asarray(Image.open(io.BytesIO(encoded))) == rgb).all()
    read = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    assert (read[..., ::-1] == rgb).all()


def test_a_photo_is_about_as_small_as_by_opencv():
    photo = data.astronaut()
    assert len(png.encode(photo)) < 1.1 * len(cv2.imencode(".png", photo)[1])
