"""Pictures and models shared by the tests of detectors and embedders."""

from __future__ import annotations

import cv2
import pytest
import skimage.data

from caer_data.engine.recipe import Faces
from caer_data.faces.models import create_detector, create_embedder


@pytest.fixture(scope="session")
def portrait():
    """Eileen Collins, 512 by 512, BGR: one face, about 110 px, at (225, 115)."""
    return cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)


@pytest.fixture(scope="session")
def two_people(media_data):
    """A photo of two people, 563 by 330."""
    picture = cv2.imread(
        str(media_data / "identities/face_recognition/biden_AND_obama__two_people.jpg")
    )
    return cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def weights_folder(media_data):
    return media_data / "weights"


@pytest.fixture(scope="session")
def mmod():
    return create_detector(Faces(detector="mmod", detector_size=640), threads=1)


@pytest.fixture(scope="session")
def dlib_embedder():
    return create_embedder(Faces(), threads=1)


@pytest.fixture(scope="session")
def hog():
    return create_detector(Faces(detector="hog", detector_size=512), threads=1)
