"""How frames that may consist of two fields are shown: decided once per file, followed everywhere.

`interlacing` decides it from the pictures; `frame` and `picture_filters` follow it.
"""

from __future__ import annotations

from enum import StrEnum


class Fields(StrEnum):
    """What is done with the fields of a file's frames.

    Attributes:
        FLAGGED: frames that the file flags as two fields are deinterlaced.
        WHOLE: none are; the flags are wrong.
        TOP: all frames are deinterlaced; the top field comes first.
        BOTTOM: the same, with the bottom field first.
        FILM_TOP: telecined film; clips cut by time show its frames put together again, and other
            pictures show one field. The top field comes first.
        FILM_BOTTOM: the same, with the bottom field first.
    """

    FLAGGED = "flagged"
    WHOLE = "whole"
    TOP = "top"
    BOTTOM = "bottom"
    FILM_TOP = "film_top"
    FILM_BOTTOM = "film_bottom"

    def deinterlaces(self, flagged: bool) -> bool:
        """Whether a frame is treated as two fields; `flagged` is what the file says of it."""
        return flagged if self is Fields.FLAGGED else self is not Fields.WHOLE
