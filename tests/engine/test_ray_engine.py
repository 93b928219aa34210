"""Ray as an engine: what it refuses, and that a build on it leaves the same bytes."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest
import ray_cluster
import scale_builds as scale
from packaging.requirements import Requirement

from caer_data.api import build
from caer_data.engine import extras, ray_engine
from caer_data.engine.errors import CaerError
from caer_data.engine.ray_engine import Answer, RayEngine, refuse

OURS = Answer("this machine", "3.11", "0.2.0", ())
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="no Ray installed")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer("n2", "3.11", None, ()), "n2 has no caer-data; install version 0.2.0"),
        (Answer("n2", "3.11", "0.1.0", ()), "n2 has caer-data 0.1.0 and this machine 0.2.0"),
        (Answer("n2", "3.12", "0.2.0", ()), "n2 runs Python 3.12 and this machine 3.11"),
        (Answer("n2", "3.11", "0.2.0", ("/raw",)), "n2 does not see /raw; put shows and dataset"),
    ],
    ids=["no-package", "other-package", "other-python", "no-folder"],
)
def test_a_node_that_cannot_do_the_work_is_named(answer, says) -> None:
    refuse([OURS], OURS)
    with pytest.raises(CaerError, match=says) as refused:
        refuse([OURS, answer], OURS)
    assert "\n" not in str(refused.value)


def test_without_ray_the_command_that_installs_it_is_named(monkeypatch, tmp_path) -> None:
    lacking = [Requirement("ray>=2.50")]
    monkeypatch.setattr(extras, "missing", lambda extra: lacking if extra == "ray" else [])
    with pytest.raises(
        CaerError, match=r"the engine 'ray' needs .*\(ray\); run pip install .*\[ray"
    ):
        RayEngine().check([tmp_path])


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "here:no"])
def test_an_address_that_nobody_listens_at_is_refused_at_once(address) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(CaerError, match="no Ray cluster answers there"):
        RayEngine(address=address.format(port=port))._given()


@needs_ray
@pytest.mark.parametrize(
    ("address", "says"),
    [
        (None, "--engine ray: Ray did not start on this machine within 0 s; run the same command"),
        ("auto", "--address auto: the Ray cluster did not let this machine in within 0 s"),
    ],
)
def test_a_ray_that_never_starts_is_not_waited_for_forever(monkeypatch, address, says) -> None:
    import ray

    stuck = threading.Event()
    monkeypatch.setattr(ray, "init", lambda **given: stuck.wait())
    monkeypatch.setattr(ray_engine, "_START_S", 0.2)
    for name in ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "RAY_USAGE_STATS_ENABLED", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "0")  # is set by the engine, and then again as it was
    engine = RayEngine(address)
    with pytest.raises(CaerError, match=says):
        engine.check([])
    stuck.set()
    assert engine._folder is None


def test_what_a_start_raises_is_raised() -> None:
    before = threading.enumerate()
    starter = ray_engine._Starter()
    with pytest.raises(KeyError):
        starter.call(lambda: {}["a"], 5)
    starter.call(lambda: None, 5)
    threads = [t for t in threading.enumerate() if t.name == "ray" and t not in before]
    assert len(threads) == 1  # which Linux takes for the parent of what was started
    starter.end()
    threads[0].join(5)
    assert not threads[0].is_alive()


@needs_ray
@pytest.mark.service
def test_an_address_that_does_not_answer_is_refused_before_any_work(media_data, tmp_path) -> None:
    shows = scale.write_shows(media_data, tmp_path / "raw")
    recipe = scale.write_recipe(tmp_path)
    words = scale.command(shows, tmp_path / "d", recipe, "--engine", "ray")
    # Ray notes the address of a cluster in its folder, also of one that is gone.
    with tempfile.TemporaryDirectory(prefix="ray-") as empty:
        done = subprocess.run(
            [*words, "--address", "auto"], capture_output=True, text=True, timeout=120, check=False,
            env=os.environ | {"RAY_TMPDIR": empty},
        )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "--address auto: no Ray cluster answers there" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "d").exists()


@needs_ray
@pytest.mark.service
def test_a_build_on_ray_gives_the_same_bytes_and_is_heard_on_loopback_alone(
    media_data, tmp_path
) -> None:
    shows = scale.write_shows(media_data, tmp_path / "raw")
    recipe = scale.write_recipe(tmp_path)
    build(shows, tmp_path / "local", str(recipe), workers=2)
    words = scale.command(shows, tmp_path / "d", recipe, "--engine", "ray", "--workers", "2")
    running = scale.start([*words, "--json"] if "-q" not in words else words)
    listening: set[str] = set()
    killed = 0
    while running.poll() is None:
        listening |= _listening(running.pid)
        if not killed and (tmp_path / "d" / "work" / "videos").is_dir():
            killed = _kill_a_worker(running.pid)
    text = running.stderr.read()  # type: ignore[union-attr]
    assert running.returncode == 3, text
    assert "Two/broken.mp4" in text
    assert killed
    assert listening
    assert all(ip in ("127.0.0.1", "::ffff:127.0.0.1", "::1") for ip in listening), listening
    assert scale.result(tmp_path / "d") == scale.result(tmp_path / "local")
    assert scale.artifacts(tmp_path / "d") == scale.artifacts(tmp_path / "local")


@needs_ray
@pytest.mark.service
def test_what_a_task_tells_comes_back(tmp_path) -> None:
    """Values, mistakes, bugs with their trace in the log of the command, progress, limits."""
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, worker_tasks as w
            from pathlib import Path
            from caer_data.engine import logs
            from caer_data.engine.pool import Limits, Task
            from caer_data.engine.ray_engine import RayEngine
            engine = RayEngine(workers=2)
            here = Path(sys.argv[1])
            try:
                engine.check([here / "nowhere"])
            except Exception as error:
                print("refused", error)
            engine.check([here])
            told = []
            tasks = [Task("double", w.double, (4,)), Task("mistake", w.mistake, ()),
                     Task("bug", w.bug, ()), Task("crash", w.crash, ()), Task("hang", w.hang, ()),
                     Task("grow", w.grow, ())]
            with logs.to_file(here / "log"):
                for o in engine.run("analyse", tasks, lambda t, *rest: told.append((t.name, *rest)),
                                    Limits(800_000_000, 20), ()):
                    print(o.task.name, o.value, o.error)
            print("progress", told)
            engine.close()
            """
        )
    )
    path = f"{Path(__file__).parents[1] / 'helpers'}"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=300,
        env=os.environ | {"PYTHONPATH": path}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "does not see" in done.stdout
    assert "double 8 None" in done.stdout
    assert "mistake None the file is not a video" in done.stdout
    assert "crash None crashed while it was being read (SIGSEGV)" in done.stdout
    assert "bug None" in done.stdout
    log = next((tmp_path / "log").iterdir())
    assert f"the traceback is in {log}" in done.stdout
    assert "KeyError" in log.read_text()
    assert "in bug" in log.read_text()
    assert "hang None made no progress for" in done.stdout
    assert "grow None needed more than" in done.stdout
    assert "('double', 'doubling', 1.0)" in done.stdout


@needs_ray
@pytest.mark.service
@pytest.mark.slow
def test_a_node_that_is_lost_costs_time_and_nothing_else(media_data, tmp_path) -> None:
    shows = scale.write_shows(media_data, tmp_path / "raw")
    recipe = scale.write_recipe(tmp_path)
    build(shows, tmp_path / "local", str(recipe), workers=2)
    cluster, address = ray_cluster.start()
    try:
        words = scale.command(shows, tmp_path / "d", recipe, "--engine", "ray")
        running = scale.start([*words, "--address", address], **ray_cluster.SETTINGS)
        while running.poll() is None and not list((tmp_path / "d").glob("work/samples/*")):
            time.sleep(0.05)
        assert running.poll() is None, running.communicate()[1]
        ray_cluster.kill_node(cluster)
        text = running.communicate(timeout=400)[1]
        assert running.returncode == 3, text
        assert text.count("broken.mp4") == 1
        assert scale.result(tmp_path / "d") == scale.result(tmp_path / "local")
    finally:
        cluster.stdin.close()
        cluster.wait(timeout=60)


def _listening(root: int) -> set[str]:
    found: set[str] = set()
    for process in _below(root):
        try:
            found |= {c.laddr.ip for c in process.net_connections("inet") if c.status == "LISTEN"}
        except psutil.Error:
            continue
    return found


def _kill_a_worker(root: int) -> int:
    """Kill a process of Ray that has a task, as the kernel does when memory runs out."""
    for process in _below(root):
        try:
            if "_perform" in " ".join(process.cmdline()):
                os.kill(process.pid, signal.SIGKILL)
                return process.pid
        except (psutil.Error, ProcessLookupError):
            continue
    return 0


def _below(root: int) -> list[psutil.Process]:
    try:
        return psutil.Process(root).children(recursive=True)
    except psutil.Error:
        return []
