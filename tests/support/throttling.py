"""A disk that is slow for some processes: the kernel's block I/O throttling, of the first version of cgroups."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.daemon import wait_until

_PREFIX = "edge-agent-slow-"
_ROOT = Path("/sys/fs/cgroup/blkio")
_LIMIT = "blkio.throttle.write_bps_device"


def _remove(group: Path) -> None:
    """Take a group away; who is in it goes on outside of it."""

    def is_gone() -> bool:
        with contextlib.suppress(OSError):  # somebody has begun or ended meanwhile
            for process in (group / "cgroup.procs").read_text().split():
                (group.parent / "cgroup.procs").write_text(process)
            group.rmdir()
        return not group.exists()

    wait_until(is_gone, f"{group} is removed")


def _remove_leftovers() -> None:
    """Remove the groups of tests that were killed."""
    for group in _ROOT.glob(f"{_PREFIX}*"):
        if not psutil.pid_exists(int(group.name.removeprefix(_PREFIX))):
            _remove(group)


@contextlib.contextmanager
def slow_disk(disk: Path, process: psutil.Process, bytes_per_second: int) -> Iterator[Path]:
    """Let a disk take no more than so much from a process and its children; gives the group's `cgroup.procs`."""
    if not (_ROOT / _LIMIT).exists():
        pytest.skip("the kernel throttles no disk here: there is no cgroup v1 with blkio")
    _remove_leftovers()
    group = _ROOT / f"{_PREFIX}{os.getpid()}"
    group.mkdir()
    try:
        device = disk.stat().st_dev
        (group / _LIMIT).write_text(f"{os.major(device)}:{os.minor(device)} {bytes_per_second}")
        for one in (process, *process.children(recursive=True)):
            (group / "cgroup.procs").write_text(str(one.pid))
        yield group / "cgroup.procs"
    finally:
        _remove(group)
