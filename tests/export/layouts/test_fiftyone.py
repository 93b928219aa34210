"""The layout that FiftyOne opens, held to its documented format."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from caer_data.export.manifest import read, read_boxes


def load(root, name):
    return json.loads((root / name).read_text())


def test_the_list_names_each_clip_and_its_labels(everything):
    root = everything.folder / "fiftyone"
    listed = load(root, "manifest.json")
    assert listed["type"] == "eta.core.datasets.LabeledVideoDataset"
    assert len(listed["index"]) == 21
    for entry in listed["index"]:
        assert (root / entry["data"]).is_file()
        assert (root / entry["labels"]).is_file()
    assert len(list((root / "data").iterdir())) == len(list((root / "labels").iterdir())) == 21


def test_labels_hold_emotion_split_and_a_box_in_each_frame(everything):
    root = everything.folder / "fiftyone"
    rows = read(everything.folder)
    rows = rows[rows.layout == "fiftyone"]
    assert len(rows)
    boxes = read_boxes(everything.folder)
    for row in rows.itertuples():
        labels = load(root, row.path.replace("data", "labels").replace("fiftyone/", "", 1)
                      .replace(".mp4", ".json"))  # fmt: skip
        told = {a["name"]: a["value"] for a in labels["attrs"]["attrs"]}
        assert (told["emotion"], told["split"]) == (row.emotion, row.split)
        own = boxes[boxes.clip_id == row.clip_id]
        assert sorted(map(int, labels["frames"])) == [frame + 1 for frame in own.frame]
        first = own.iloc[0]
        frame = labels["frames"][str(first.frame + 1)]
        assert frame["frame_number"] == first.frame + 1
        (target,) = frame["objects"]["objects"]
        assert target["label"] == row.emotion
        corner = target["bounding_box"]["bottom_right"]
        assert corner["x"] * row.width == pytest.approx(first.x2)
        assert corner["y"] * row.height == pytest.approx(first.y2)


def test_coco_boxes_are_x_y_width_height(everything):
    coco = load(everything.folder / "fiftyone", "boxes.coco.json")
    boxes = read_boxes(everything.folder)
    assert len(coco["annotations"]) == len(coco["images"]) == len(boxes)
    names = {c["id"]: c["name"] for c in coco["categories"]}
    assert names[3] == "happy"
    rows = read(everything.folder)
    rows = rows[rows.layout == "fiftyone"].set_index("path")
    image = pd.DataFrame(coco["images"]).iloc[5]
    (annotation,) = [a for a in coco["annotations"] if a["image_id"] == image.id]
    clip = rows.loc[f"fiftyone/{image.video}"]
    box = boxes[(boxes.clip_id == clip.clip_id) & (boxes.frame == image.frame)].iloc[0]
    x, y, width, height = annotation["bbox"]
    assert (x, y, x + width, y + height) == pytest.approx((box.x1, box.y1, box.x2, box.y2))
    assert annotation["area"] == pytest.approx(width * height)
    assert annotation["category_id"] == clip.label
