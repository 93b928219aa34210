from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import worker_tasks as tasks

from caer_data.curate import PRELOAD
from caer_data.engine.cores import cores
from caer_data.engine.errors import CaerError, MachineError
from caer_data.engine.pool import Limits, Outcome, Standby, Task, run_map, run_tasks


def run(tasks: list[Task], workers: int = 2, **limits) -> dict[str, Outcome]:
    done = run_tasks(tasks, workers, lambda *_: None, Limits(**limits), PRELOAD)
    return {outcome.task.name: outcome for outcome in done}


def test_values_and_progress_come_back():
    seen = []
    jobs = [Task(str(n), tasks.double, (n,)) for n in range(5)]
    outcomes = list(run_tasks(jobs, 2, lambda *what: seen.append(what), preload=PRELOAD))
    assert {o.task.name: o.value for o in outcomes} == {str(n): 2 * n for n in range(5)}
    assert len(seen) == 5
    assert all(o.error is None for o in outcomes)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("crash", "crashed while it was being read (SIGSEGV)"),
        ("leave", "exit code 7"),
        ("mistake", "the file is not a video"),
        ("bug", "unexpected KeyError in worker_tasks.py"),
        ("unsendable", "unexpected"),
        ("no_memory", "the machine ran out of memory; end other programs, or use fewer workers"),
        ("be_killed", "killed from outside, most likely because the machine ran out of memory"),
    ],
)
def test_a_failure_costs_its_own_task_alone(name, words):
    outcomes = run([Task("bad", getattr(tasks, name), ()), Task("good", tasks.double, (4,))])
    assert words in outcomes["bad"].error
    assert outcomes["good"].value == 8


def test_processes_are_used_again_for_small_tasks_and_results_come_from_all():
    assert sorted(run_map(tasks.square, range(40), 3)) == sorted(n * n for n in range(40))
    assert len(set(run_map(tasks.own_process, range(12), 2))) == 2


@pytest.mark.parametrize(("megabytes", "processes"), [(1, 1), (600, 3)], ids=["light", "heavy"])
def test_a_process_that_holds_much_memory_is_replaced_between_tasks(megabytes, processes):
    jobs = [Task(str(n), tasks.name_yourself, (megabytes,)) for n in range(3)]
    limits = Limits(memory=2 * 1024**3)  # a quarter of it: more than what is imported
    done = run_tasks(jobs, 1, lambda *_: None, limits, reuse=True)
    assert len({outcome.value for outcome in done}) == processes


def test_a_standby_keeps_its_process_and_replaces_one_that_crashed():
    standby, seen = Standby(Limits(), ()), []
    first, second = (
        standby.perform(Task(str(n), tasks.name_yourself, (1,)), lambda *what: None).value
        for n in range(2)
    )
    assert first == second != os.getpid()
    assert "SIGSEGV" in standby.perform(Task("bad", tasks.crash, ()), lambda *what: None).error
    after = standby.perform(Task("good", tasks.double, (4,)), lambda *what: seen.append(what))
    assert (after.value, len(seen)) == (8, 1)
    assert standby.perform(Task("x", tasks.name_yourself, (1,)), print).value != first
    child = psutil.Process(standby.perform(Task("x", tasks.name_yourself, (1,)), print).value)
    del standby
    assert not child.is_running()


def test_a_failed_call_is_the_error_of_the_whole():
    with pytest.raises(CaerError, match="three is too many"):
        list(run_map(tasks.fail_on_three, range(9), 2))


def test_items_are_taken_as_they_are_needed():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    results = run_map(tasks.square, items(), 2)
    next(results)
    assert len(taken) <= 4
    results.close()


def test_with_one_worker_the_calls_are_made_here():
    assert list(run_map(tasks.own_process, range(2), 1)) == [os.getpid()] * 2


def test_the_death_of_the_server_is_not_blamed_on_a_task():
    jobs = [Task("one", tasks.kill_the_server, ()), Task("two", tasks.hang, ())]
    with pytest.raises(MachineError, match=r"killed from outside.* fewer workers"):
        list(run_tasks(jobs, 2, lambda *_: None))
    assert run([Task("after", tasks.double, (4,))])["after"].value == 8


def test_library_code_leaves_environment_and_signals_alone():
    before = dict(os.environ), signal.getsignal(signal.SIGINT)
    run([Task("x", tasks.double, (1,))])
    assert (dict(os.environ), signal.getsignal(signal.SIGINT)) == before
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.skipif(cores() < 2, reason="needs two cores")
def test_matrix_libraries_of_workers_use_one_thread(monkeypatch):
    """Threads for each core would spin: a build on 16 cores took three times as much."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # of the tests
        monkeypatch.delenv(name, raising=False)
    script = (
        f"import sys; sys.path.insert(0, {str(Path(tasks.__file__).parent)!r})\n"
        "import worker_tasks\n"
        "from caer_data.engine.pool import Task, run_tasks\n"
        "(found,) = run_tasks([Task('x', worker_tasks.matrix_threads, ())], 1, lambda *_: None)\n"
        "print(set(found.value))"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "{1}"


def test_a_plain_script_without_a_guard_works(tmp_path):
    script = tmp_path / "plain.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(tasks.__file__).parent)!r})\n"
        "import worker_tasks\n"
        "from caer_data.engine.pool import run_map\n"
        "print(sorted(run_map(worker_tasks.square, range(4), 2)))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout, done.stderr) == ("[0, 1, 4, 9]\n", "")


def test_a_task_that_stands_still_is_stopped():
    outcome = run([Task("slow", tasks.hang, ())], stall_s=1.5)["slow"]
    assert "no progress" in outcome.error


def test_a_task_that_eats_memory_is_stopped():
    outcome = run([Task("big", tasks.grow, ())], memory=800_000_000)["big"]
    assert "memory" in outcome.error


def test_stopping_ends_what_the_task_started(tmp_path):
    outcome = run([Task("x", tasks.hang_with_child, (tmp_path,))], stall_s=2)["x"]
    assert outcome.error
    _assert_gone(tmp_path)


def test_killing_the_parent_ends_the_workers(tmp_path):
    script = (
        f"import sys; sys.path.insert(0, {str(Path(tasks.__file__).parent)!r})\n"
        "import worker_tasks\nfrom pathlib import Path\n"
        "from caer_data.engine.pool import Task, run_tasks\n"
        "if __name__ == '__main__':\n"
        f"    task = Task('x', worker_tasks.hang_with_child, (Path({str(tmp_path)!r}),))\n"
        "    list(run_tasks([task], 1, lambda *_: None))\n"
    )
    (tmp_path / "main.py").write_text(script)
    with subprocess.Popen([sys.executable, str(tmp_path / "main.py")]) as parent:
        deadline = time.monotonic() + 60
        while not (tmp_path / "pids").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(parent.pid, signal.SIGKILL)
    _assert_gone(tmp_path)


def _assert_gone(folder: Path) -> None:
    pids = [int(pid) for pid in (folder / "pids").read_text().split()]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(_alive(pid) for pid in pids):
        time.sleep(0.1)
    assert not [pid for pid in pids if _alive(pid)]


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_files_in_the_current_folder_are_not_taken_for_modules(tmp_path):
    (tmp_path / "scenedetect.py").write_text("raise SystemExit('imported from the folder')")
    script = tmp_path / "elsewhere" / "run.py"
    script.parent.mkdir()
    script.write_text(
        "from caer_data.engine.pool import Task, run_tasks\n"
        "if __name__ == '__main__':\n"
        "    assert [o.error for o in run_tasks([Task('t', callable, ())], 1, print)] == [None]\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "imported from the folder" not in done.stderr
