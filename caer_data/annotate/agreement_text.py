"""Agreement for the terminal."""

from __future__ import annotations

from caer_data.annotate.agreement import Agreement


def agreement_text(agreement: Agreement) -> str:
    """Tables for the terminal, as plain text."""
    raise NotImplementedError
