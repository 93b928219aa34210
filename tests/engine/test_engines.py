"""Where tasks run, and what the options of an engine mean."""

from __future__ import annotations

import pytest
import worker_tasks

from caer_data.engine.engines import LocalEngine, Needs, parse_needs
from caer_data.engine.errors import CaerError
from caer_data.engine.pool import Limits, Task


def test_the_local_engine_runs_tasks_and_tells_progress() -> None:
    told = []
    tasks = [Task(str(n), worker_tasks.double, (n,)) for n in range(3)]
    ended = LocalEngine(2).run("videos", tasks, lambda *what: told.append(what[1:]), Limits(), ())
    assert sorted(outcome.value for outcome in ended) == [0, 2, 4]
    assert told == [("doubling", 1)] * 3


@pytest.mark.parametrize(
    ("videos", "workers", "threads"), [(1, 4, 8), (4, 4, 2), (100, 4, 2), (3, 4, 2), (0, 4, 8)]
)
def test_threads_share_out_the_cores_among_the_videos(
    monkeypatch, videos, workers, threads
) -> None:
    monkeypatch.setattr("caer_data.engine.engines.cores", lambda: 8)
    assert LocalEngine(workers).threads(videos) == threads


def test_what_a_task_takes_is_read_by_stage() -> None:
    assert parse_needs(["analyse:cpus=2,gpus=0.25,memory=6", "clips:cpus=0.5"]) == {
        "analyse": Needs(2, 0.25, 6 * 1024**3),
        "clips": Needs(0.5, 0, None),
    }


@pytest.mark.parametrize(
    "text", ["faces:cpus=1", "analyse", "analyse:cpu=1", "analyse:cpus=-1", "clips:gpus=nan", ":"]
)
def test_what_a_task_takes_is_refused_in_one_sentence(text) -> None:
    with pytest.raises(CaerError, match=r"--needs .*: give a stage \(videos, analyse, clips\)"):
        parse_needs([text])
