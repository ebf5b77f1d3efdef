"""The quota of a control group counts for the number of an engine's threads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent.hardware.cpu_quota import cpu_quota, threads_within_quota


def _group(tmp_path: Path, line: str, files: dict[str, str]) -> tuple[Path, Path]:
    own = tmp_path / "own"
    own.write_text(line + "\n")
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "cgroup", own


@pytest.mark.parametrize(
    ("line", "files", "quota"),
    [
        ("0::/a/b", {"a/b/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/a/b", {"a/b/cpu.max": "200000 100000\n", "a/cpu.max": "100000 100000\n"}, 1.0),
        ("0::/", {"cpu.max": "25000 50000\n"}, 0.5),
        ("0::/elsewhere", {"cpu.max": "100000 100000\n"}, 1.0),
        (
            "4:cpu,cpuacct:/x",
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "300000", "cpu,cpuacct/x/cpu.cfs_period_us": "100000"},
            3,
        ),
        ("4:cpu,cpuacct:/x", {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, None),
        ("0::/a", {}, None),
    ],
)
def test_the_least_of_the_groups(tmp_path: Path, line: str, files: dict[str, str], quota: float | None) -> None:
    assert cpu_quota(*_group(tmp_path, line, files)) == quota


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a quota below one core makes no difference to one core")
def test_threads(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    for limit, threads in ((50_000, 1), (150_000, 1), (cores * 100_000, 0), (None, 0)):
        text = "max 100000" if limit is None else f"{limit} 100000"
        expected = threads if limit is None or limit // 100_000 < cores else 0
        assert threads_within_quota(*_group(tmp_path, "0::/", {"cpu.max": text})) == expected


def test_a_process_without_control_groups(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path, tmp_path / "none") is None
