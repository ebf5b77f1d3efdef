"""What is not counted but read when somebody asks: processes, memory, disks, GPUs.

Sources: /proc/PID/stat (proc_pid_stat(5)), statvfs(3), NVIDIA's management library.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from edge_agent.hardware.gpu_memory import GpuReading, read_gpus
from edge_agent.records.condition.notice import Camera, Drift
from edge_agent.records.events.line import EventLine
from edge_agent.records.pictures.stock import Stock

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108  # where POSIX shared memory lies


class ModelReading(NamedTuple):
    """A model as it is now."""

    name: str
    #: that is served, or that the next start takes; "" when there is none
    version: str
    status: str
    wanted: bool
    waiting: int
    pids: tuple[int, ...]
    #: red and blue of the pictures that it is sent look exchanged; None while it is not running
    exchanged: bool | None = None
    #: how its pictures look; None while that is not known
    camera: Camera | None = None


class RecordsReading(NamedTuple):
    """How the writing down of verdicts stands: since the process that does it started, or the daemon."""

    written: int = 0
    #: by reason
    lost: Mapping[str, int] = {}
    waiting: int = 0
    pictures_kept: int = 0
    pictures_skipped: int = 0
    drifts: tuple[Drift, ...] = ()
    #: whether scores are looked at
    watches_drift: bool = False
    #: bytes of the database
    size: int = 0
    #: how the lines of those who are told of events stand
    events: tuple[EventLine, ...] = ()
    #: the pictures that are kept: kind, how many, and their bytes
    stock: tuple[Stock, ...] = ()


class ShadowReading(NamedTuple):
    """What a shadow model has done since its process was set to work."""

    model: str
    shadow: str
    version: str
    judged: int
    disagreed: int
    #: pictures that there was no time for, since the daemon started
    skipped: int


class FrontReading(NamedTuple):
    """The daemon's front as it is now."""

    models: list[ModelReading]
    #: every status that a model can have
    statuses: tuple[str, ...]
    queue_size: int
    connections: int
    connections_opened: int
    audit_lost: int
    #: bytes; None when nobody can tell
    memory_available: int | None
    #: None where verdicts are not written down
    records: RecordsReading | None = None
    shadows: tuple[ShadowReading, ...] = ()


#: asks the front
ReadFront = Callable[[], Awaitable[FrontReading]]


class Room(NamedTuple):
    """What is left of a disk, in bytes."""

    free: int
    size: int


class DeviceReading(NamedTuple):
    """The device as it is now; None for what can't be read."""

    shared_memory: Room | None
    disk: Room | None
    gpus: tuple[GpuReading, ...]


def read_device(state_dir: Path) -> DeviceReading:
    """Look at disks and GPUs. Blocking, for as long as a disk or a driver takes: meant for a thread."""
    return DeviceReading(_room(_SHARED_MEMORY), _room(str(state_dir)), read_gpus())


def _room(folder: str) -> Room | None:
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return Room(status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize)


def read_process(pid: int, proc: str = "/proc") -> tuple[int, float]:
    """Return a process's resident memory in bytes and its processor time in seconds; zeros when it has gone."""
    try:
        with open(f"{proc}/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123  # twice as fast, many times a scrape
            fields = file.read().rpartition(b")")[2].split()  # its name may hold anything
        # rss, utime and stime: numbers 24, 14 and 15 of all
        return int(fields[21]) * _PAGE, (int(fields[11]) + int(fields[12])) / _TICKS
    except (OSError, IndexError):
        return 0, 0.0
