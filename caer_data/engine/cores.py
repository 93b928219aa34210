"""The number of processor cores this process may use, as the whole package counts them."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1"}
"""Environment variables for processes that share the machine. NumPy's matrix library would start a
thread for each core, and these spin between the small products that are computed here."""

_CGROUPS: Final = Path("/sys/fs/cgroup")
_OWN_CGROUPS: Final = Path("/proc/self/cgroup")


def cores() -> int:
    """Return the number of cores to use, at least one, from the affinity mask and cgroup limits.

    Fractions are rounded up: a container limited to 1.5 cores gets two.
    """
    if hasattr(os, "sched_getaffinity"):
        usable = len(os.sched_getaffinity(0))
    else:
        usable = os.cpu_count() or 1
    return max(1, min(usable, math.ceil(cgroup_limit(_CGROUPS, _OWN_CGROUPS))))


def cgroup_limit(mount: Path, membership: Path) -> float:
    """Return the number of cores that the cgroups (version 1 or 2) allow, at most 1e6.

    Args:
        mount: where the cgroup file systems are mounted.
        membership: the file that lists this process's groups, one `id:controllers:path` per line.
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return 1e6  # not Linux
    limit = 1e6
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            limit = min(limit, *(_limit_v2(group) for group in _upwards(mount, path)))
        elif "cpu" in controllers.split(","):
            limit = min(limit, *(_limit_v1(group) for group in _upwards(mount / "cpu", path)))
    return limit


def _upwards(root: Path, path: str) -> list[Path]:
    """Return a group's folder and its parents; inside a container only the root may be visible."""
    below = Path(path.lstrip("/"))
    return [root / below, *(root / parent for parent in below.parents)]


def _limit_v2(group: Path) -> float:
    quota, period = (*_words(group / "cpu.max"), "max", "max")[:2]
    return _share(quota, period)


def _limit_v1(group: Path) -> float:
    quota = (*_words(group / "cpu.cfs_quota_us"), "-1")[0]
    return _share(quota, (*_words(group / "cpu.cfs_period_us"), "-1")[0])


def _share(quota: str, period: str) -> float:
    if quota.isdigit() and period.isdigit() and int(quota) and int(period):
        return int(quota) / int(period)
    return 1e6


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []
