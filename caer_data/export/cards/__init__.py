"""Cards: documentation of a release for people and programs."""

from __future__ import annotations

from caer_data.export.cards.facts import Facts, collect
from caer_data.export.cards.write import COLUMNS, write

__all__ = ["COLUMNS", "Facts", "collect", "write"]
