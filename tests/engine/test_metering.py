"""What tasks cost is measured where they run, and nothing else about them changes."""

from __future__ import annotations

import worker_tasks as work

from caer_data.engine.engines import LocalEngine
from caer_data.engine.metering import Metered
from caer_data.engine.pool import Limits, Task


def test_a_metered_engine_gives_the_same_outcomes_and_their_cost() -> None:
    tasks = [
        Task("double", work.double, (4,)),
        Task("mistake", work.mistake, ()),
        Task("busy", work.busy, (0.5,)),
    ]
    told = []
    plain, engine = LocalEngine(2), Metered(LocalEngine(2))
    ends = [
        sorted(
            (
                (end.task.name, end.task.function, end.task.arguments, end.value, end.error)
                for end in each.run(
                    "analyse", tasks, lambda t, *_: told.append((t.name, t.arguments)), Limits(), ()
                )
            ),
            key=lambda end: end[0],
        )
        for each in (plain, engine)
    ]
    assert ends[0] == ends[1]
    assert set(told) == {("double", (4,))}
    assert engine.cost.core_s > 0.45  # to the hundredth
    assert engine.cost.wall_s > 0
    assert engine.stages_s > 0
    assert (engine.workers, engine.threads(9)) == (plain.workers, plain.threads(9))
