from __future__ import annotations

import os

import pytest

from caer_data.engine import cores as counting
from caer_data.engine.cores import cgroup_limit, cores


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("membership", "files", "limit"),
    [
        ("0::/", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/", {"cpu.max": "max 100000\n"}, 1e6),
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "300000 100000"}, 3.0),
        ("0::/a/b", {"a/b/cpu.max": "100000 100000", "a/cpu.max": "300000 100000"}, 1.0),
        ("0::/outside/of/the/container", {"cpu.max": "200000 100000"}, 2.0),
        (
            "5:memory:/x\n4:cpu,cpuacct:/x",
            {"cpu/x/cpu.cfs_quota_us": "250000", "cpu/x/cpu.cfs_period_us": "100000"},
            2.5,
        ),
        (
            "4:cpu,cpuacct:/x",
            {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"},
            1e6,
        ),
        ("4:cpuset:/x", {}, 1e6),
    ],
)
def test_limits_of_cgroups(tmp_path, membership, files, limit):
    write(tmp_path / "self", membership + "\n")
    for name, text in files.items():
        write(tmp_path / "mount" / name, text)
    assert cgroup_limit(tmp_path / "mount", tmp_path / "self") == limit


def test_no_cgroups(tmp_path):
    assert cgroup_limit(tmp_path, tmp_path / "missing") == 1e6


@pytest.mark.parametrize(("limit", "expected"), [(0.5, 1), (1.5, 2), (1e6, 8)])
def test_the_smaller_of_mask_and_limit_counts(monkeypatch, limit, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(counting, "cgroup_limit", lambda *_: limit)
    assert cores() == expected
