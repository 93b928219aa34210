"""The column of a progress bar with amount, unit and rate (a module of its own: rich is slow)."""

from __future__ import annotations

from rich.progress import ProgressColumn, Task
from rich.text import Text


class RateColumn(ProgressColumn):
    """Amount, unit and rate, such as `3/12 videos  0.4/s`."""

    def render(self, task: Task) -> Text:
        """Draw the column for a task."""
        unit = task.fields.get("unit", "")
        speed = task.finished_speed or task.speed
        rate = f"  {_short(speed)}/s" if speed else ""
        return Text(f"{_short(task.completed)}/{_short(task.total or 0)} {unit}{rate}")


def _short(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:.2f}" if value < 10 else f"{value:,.1f}"
