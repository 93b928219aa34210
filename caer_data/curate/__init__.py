"""What `build` runs: videos to clips, stage by stage."""

from typing import Final

PRELOAD: Final = ("caer_data.curate.preload",)
"""What the worker processes of a build import first."""
