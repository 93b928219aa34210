"""Write the made-up clips of `synthetic` as files, in the layout of an exported release.

This makes it possible to try the whole path from a release to results without any footage.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from caer_data.benchmark.data.samples import SPLITS
from caer_data.benchmark.data.sound import RATE
from caer_data.benchmark.selftest.synthetic import FPS, KINDS, SyntheticClips
from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.files import atomic_path, sha256_of


def write(clips: SyntheticClips, folder: Path) -> None:
    """Write `CAER/` (clips) or, for clips of one frame, `CAER-S/` (pictures), with a manifest.

    The folder is written atomically. In the manifest, `made_up` is true in every row, and `show`
    names the kind of clip.

    Raises:
        CaerError: the folder cannot be written.
    """
    with atomic_path(folder) as temporary:
        is_video = clips.frames.shape[1] > 1
        tree = "CAER" if is_video else "CAER-S"
        rows, boxes, numbers = [], [], Counter[tuple[str, str]]()
        for i, frames in enumerate(clips.frames):
            split, emotion = SPLITS[clips.splits[i]], EMOTIONS[clips.labels[i]]
            numbers[split, emotion] += 1
            name = f"{numbers[split, emotion]:04d}.{'mp4' if is_video else 'png'}"
            path = temporary / tree / split / emotion.title() / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if is_video:
                _write_video(path, frames, None if clips.sounds is None else clips.sounds[i])
            else:
                Image.fromarray(frames[0]).save(path)
            clip_id = f"made-up-{i:05d}"
            places = clips.face_boxes[i]
            rows.append(
                {
                    "clip_id": clip_id,
                    "path": path.relative_to(temporary).as_posix(),
                    "split": split,
                    "emotion": emotion,
                    "show": KINDS[clips.kinds[i]],
                    "episode": clip_id,
                    "sha256": sha256_of(path),
                    **dict(zip(("x1", "y1", "x2", "y2"), map(float, places[0]), strict=True)),
                    "made_up": True,
                }
            )
            boxes += [[clip_id, frame, *map(float, box)] for frame, box in enumerate(places)]
        pd.DataFrame(rows).to_parquet(temporary / "manifest.parquet")
        if is_video:
            columns = ["clip_id", "frame", "x1", "y1", "x2", "y2"]
            table = pd.DataFrame(boxes, columns=columns)
            table.to_parquet(temporary / tree / "boxes.parquet")


def _write_video(
    path: Path, frames: npt.NDArray[np.uint8], sound: npt.NDArray[np.float32] | None = None
) -> None:
    import av

    with av.open(str(path), "w") as container:
        options = {"crf": "4", "preset": "veryfast", "threads": "1"}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv444p"  # keeps the full colour resolution, which carries the label
        voice = None if sound is None else container.add_stream("aac", rate=RATE, layout="mono")
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
        if voice is not None and sound is not None:
            heard = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
            heard.sample_rate = RATE
            container.mux(voice.encode(heard))
            container.mux(voice.encode())
