"""The layouts that a release can have. To add one, add its entry here and its module.

The module is `caer_data.export.layouts.<word>`, with `_` for `-`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Layout:
    """One layout.

    Attributes:
        folder: folder of its files in a release.
        media: pattern of its media files inside that folder.
        about: short description of its files.
    """

    folder: str
    media: str
    about: str


LAYOUTS: Final = {
    "caer": Layout("CAER", "**/*.mp4", "video clips by split and class"),
    "caer-s": Layout("CAER-S", "**/*.png", "frames by split and class"),
    "caer-s-2019": Layout("CAER-S-2019", "**/*.png", "frames by class in the leaking draw of 2019"),
    "huggingface": Layout("huggingface", "**/*.mp4", "video clips by split"),
    "fiftyone": Layout("fiftyone", "data/*.mp4", "video clips with boxes, for FiftyOne"),
    "webdataset": Layout("webdataset", "*.tar", "shards of clips and their labels"),
}
"""Layouts by their name in recipes and `--layout`."""
