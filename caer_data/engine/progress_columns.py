"""The part of a bar that says how much, of what, how fast. Apart, because rich loads slowly."""

from __future__ import annotations

from rich.progress import ProgressColumn, Task
from rich.text import Text


class RateColumn(ProgressColumn):
    """For example `3/12 videos  0.4/s`."""

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
