"""Cards: what a person or a program must know before using a release."""

from __future__ import annotations

from caer_data.export.cards.facts import Facts, collect
from caer_data.export.cards.write import write

__all__ = ["Facts", "collect", "write"]
