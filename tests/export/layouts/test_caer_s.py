"""The pictures and lists are read by a loader written as those of published work are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from export_fixtures import FACE, HEIGHT, WIDTH


class PeerLoader:
    """Root, list file, lines `path,label,x1,y1,x2,y2`; face cropped, face hidden in the context."""

    def __init__(self, root, split):
        with (root / f"{split}.txt").open() as lines:
            self.samples = [line.strip().split(",") for line in lines]
        self.folder = f"{root}/{split}"

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        name, label, *box = self.samples[index]
        x1, y1, x2, y2 = (int(side) for side in box)
        image = cv2.imread(f"{self.folder}/{name}")
        face = image[y1:y2, x1:x2].copy()
        image[y1:y2, x1:x2] = 0
        return cv2.resize(face, (96, 96)), cv2.resize(image, (128, 171)), int(label)


@pytest.mark.parametrize("top", ["CAER-S", "CAER-S-2019"])
def test_a_peer_s_loader_reads_it_unchanged(everything, top):
    classes = ["Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"]
    for split in ("train", "test"):
        loader = PeerLoader(everything.folder / top, split)
        assert len(loader) > 5
        for index in range(len(loader)):
            face, context, label = loader[index]
            assert face.shape == (96, 96, 3)
            assert context.shape == (171, 128, 3)
            assert loader.samples[index][0].split("/")[0] == classes[label]


def test_frames_inherit_the_split_of_their_clip(everything):
    files = everything.manifest
    split = files[files.layout == "caer"].set_index("clip_id")["split"]
    frames = files[files.layout == "caer-s"]
    assert (frames.clip_id.map(split) == frames["split"]).all()
    assert frames.groupby("clip_id").size().max() <= 6


def test_the_box_lies_on_the_face_and_the_frame_is_a_sharp_one(everything):
    frames = everything.manifest[everything.manifest.layout == "caer-s"]
    assert (frames.frame % 6 == 3).mean() > 0.9  # the generated face is sharp in every sixth
    assert (frames.x2 - frames.x1).between(FACE, FACE + 1).all()
    assert np.allclose(frames.face_height.astype(float), FACE / HEIGHT, atol=0.01)
    assert (frames.frames == 1).all()
    assert (frames.width == WIDTH).all()


def test_lists_and_manifest_say_the_same(everything):
    frames = everything.manifest[everything.manifest.layout == "caer-s"]
    assert set(frames["split"]) == {"train", "validation", "test"}
    for split, rows in frames.groupby("split"):
        lines = (everything.folder / f"CAER-S/{split}.txt").read_text().splitlines()
        assert lines == [
            f"{r.path.split('/', 2)[2]},{r.label},{r.x1},{r.y1},{r.x2},{r.y2}"
            for r in rows.itertuples()
        ]
