"""FiftyOne's `FiftyOneVideoLabelsDataset`: clips, and the box of the target in each frame.

`data/` contains the clips, `labels/` one file per clip in ETA's VideoLabels format, and
`manifest.json` pairs them:
https://docs.voxel51.com/user_guide/import_datasets.html and
https://github.com/voxel51/eta/blob/develop/docs/video_labels_guide.md.

In addition, `boxes.coco.json` has the boxes in COCO format, with one image per frame.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pandas as pd

from caer_data.engine import tables
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.files import write_text
from caer_data.export.layouts import Finished, Wanted

NAME = "fiftyone"

_TYPE: Final = "eta.core.datasets.LabeledVideoDataset"
_WORDS: Final = ("split", "show", "episode", "clip_id", "person_id")
_NUMBERS: Final = ("confidence", "start_s", "end_s")

COLUMNS: Final = ("path", "emotion", "label", "width", "height", *_WORDS, *_NUMBERS)


def plan(wanted: Wanted) -> pd.DataFrame:
    """Return one video file per clip, numbered across all splits."""
    rows = wanted.clips[["clip_id", "split"]].copy()
    rows["path"] = [f"fiftyone/data/{number:06d}.mp4" for number in range(1, len(rows) + 1)]
    return rows.assign(layout=NAME)


def finish(finished: Finished) -> None:
    """Write the labels of each clip, the list of clips, and the boxes in COCO format."""
    if not finished.media:
        return
    root = finished.root / NAME
    boxes = {str(clip): rows for clip, rows in finished.boxes().groupby("clip_id", observed=True)}
    index = []
    for row in tables.records(finished.rows):
        name = row["path"].removeprefix(f"{NAME}/data/").removesuffix(".mp4")
        labels = video_labels(row, boxes.get(row["clip_id"]))
        write_text(root / "labels" / f"{name}.json", _json(labels))
        index.append({"data": f"data/{name}.mp4", "labels": f"labels/{name}.json"})
    about = "Clips of television shows with the emotion that raters perceived."
    write_text(root / "manifest.json", _json({"type": _TYPE, "description": about, "index": index}))
    write_text(root / "boxes.coco.json", _json(coco(finished.rows, boxes)))


def video_labels(row: dict[str, Any], boxes: pd.DataFrame | None) -> dict[str, Any]:
    """Return one clip in the VideoLabels format: frames count from 1, boxes are relative."""
    attributes = [_attribute("Categorical", "emotion", row["emotion"])]
    attributes += [
        _attribute("Categorical", name, row[name]) for name in _WORDS if pd.notna(row[name])
    ]
    attributes += [
        _attribute("Numeric", name, float(row[name])) for name in _NUMBERS if pd.notna(row[name])
    ]
    frames = {}
    for box in tables.rows(boxes) if boxes is not None else ():
        number = int(box.frame) + 1
        frames[str(number)] = {
            "frame_number": number,
            "attrs": {"attrs": []},
            "objects": {"objects": [_object(box, row, number)]},
        }
    return {"attrs": {"attrs": attributes}, "frames": frames}


def _object(box: Any, row: dict[str, Any], number: int) -> dict[str, Any]:
    width, height = row["width"], row["height"]
    return {
        "label": row["emotion"],
        "bounding_box": {
            "top_left": {"x": float(box.x1) / width, "y": float(box.y1) / height},
            "bottom_right": {"x": float(box.x2) / width, "y": float(box.y2) / height},
        },
        "index": 1,
        "frame_number": number,
        "attrs": {"attrs": [_attribute("Boolean", "interpolated", bool(box.interpolated))]},
    }


def _attribute(kind: str, name: str, value: Any) -> dict[str, Any]:
    return {"type": f"eta.core.data.{kind}Attribute", "name": name, "value": value}


def coco(rows: pd.DataFrame, boxes: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Return the boxes in COCO format: x, y, width and height in pixels; an image is a frame.

    https://cocodataset.org/#format-data; `video` and `frame` say which frame an image is.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for row in tables.records(rows):
        name = row["path"].removeprefix(f"{NAME}/")
        for box in tables.rows(boxes.get(row["clip_id"], pd.DataFrame())):
            number = len(images) + 1
            sides = [float(box.x1), float(box.y1), float(box.x2), float(box.y2)]
            width, height = sides[2] - sides[0], sides[3] - sides[1]
            images.append(
                {
                    "id": number,
                    "file_name": f"{name}#{int(box.frame)}",
                    "width": row["width"],
                    "height": row["height"],
                    "video": name,
                    "frame": int(box.frame),
                }
            )
            annotations.append(
                {
                    "id": number,
                    "image_id": number,
                    "category_id": row["label"],
                    "bbox": [sides[0], sides[1], width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": word} for number, word in enumerate(EMOTIONS)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _json(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n"
