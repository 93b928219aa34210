"""A Ray cluster of two nodes on the loopback interface; a line on stdin kills the second one.

Run as a program: prints the address, `killed` after the first line, and ends when stdin does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SETTINGS = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # that is, listen on loopback
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
}
_NODE = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 80_000_000}


def start() -> tuple[subprocess.Popen[str], str]:
    """The cluster's program, and its address."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__))], env=os.environ | SETTINGS,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if line.startswith("address "):
            return process, line.split()[1]
    raise RuntimeError("Ray does not start")


def kill_node(process: subprocess.Popen[str]) -> None:
    """End the second node and all that runs on it, as a machine that loses its power."""
    process.stdin.write("kill\n")
    process.stdin.flush()
    for line in process.stdout:
        if line.startswith("killed"):
            return


def _main() -> None:
    import psutil
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=_NODE | {"include_dashboard": False})
    node = cluster.add_node(**_NODE)
    print("address", cluster.address, flush=True)
    for _ in sys.stdin:
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        victims = [*raylet.children(recursive=True), raylet]
        for victim in [raylet, *victims]:
            try:
                victim.kill()
            except psutil.NoSuchProcess:
                continue
        print("killed", len(victims), flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    _main()
