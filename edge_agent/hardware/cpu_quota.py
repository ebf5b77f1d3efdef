"""How much of the processor a control group leaves to this process: CPUQuota= of systemd, --cpus of a container.

A process sees all cores whatever its quota is. With a thread on each it uses the quota up in the first part of every
period, and then stands still with a picture half done. cgroups(7): version 2's cpu.max, version 1's cpu.cfs_quota_us.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def cpu_quota(root: Path = _ROOT, own: Path = _OWN) -> float | None:
    """Return the quota in cores, the least of this process's group and those above it; None where there is none."""
    return min(_quotas(root, own), default=None)


def threads_within_quota(root: Path = _ROOT, own: Path = _OWN) -> int:
    """Return how many threads use the quota without standing still; 0 where it is no less than the cores."""
    quota = cpu_quota(root, own)
    cores = len(os.sched_getaffinity(0))
    return 0 if quota is None or quota >= cores else max(1, int(quota))


def _quotas(root: Path, own: Path) -> Iterator[float]:
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            folders = [root]
        elif "cpu" in controllers.split(","):
            folders = [root / controllers, root / "cpu"]
        else:
            continue
        for folder in folders:
            place = folder / path.lstrip("/")
            while True:  # a container sees its own group as the root, whatever its path is said to be
                yield from _quota(place)
                if place == folder or folder not in place.parents:
                    break
                place = place.parent


def _quota(group: Path) -> Iterator[float]:
    try:
        if (group / "cpu.max").exists():
            limit, period = (group / "cpu.max").read_text().split()
        else:
            limit, period = (group / "cpu.cfs_quota_us").read_text(), (group / "cpu.cfs_period_us").read_text()
        if limit != "max" and int(limit) > 0:
            yield int(limit) / int(period)
    except (OSError, ValueError):
        return
