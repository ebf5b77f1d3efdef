"""Who of the daemon's processes gets the processor first, as the kernel has it."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from typing import NamedTuple

import psutil
import pytest

from tests.support.daemon import Daemon, wait_until

_SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}


class _Attributes(NamedTuple):
    """The first of struct sched_attr; sched_setattr(2)."""

    size: int
    policy: int
    flags: int
    nice: int
    priority: int
    slice_ns: int


def _attributes(pid: int) -> _Attributes:
    buffer = ctypes.create_string_buffer(56)
    number = _SCHED_GETATTR[platform.machine()]
    assert ctypes.CDLL(None).syscall(number, pid, buffer, len(buffer), 0) == 0
    return _Attributes(*struct.unpack_from("=IIQiIQ", buffer))


def _records(daemon: Daemon) -> list[psutil.Process]:
    children = psutil.Process(daemon.process.pid).children()
    return [child for child in children if "edge_agent.records.process" in child.cmdline()]


def test_the_front_is_prompt_a_worker_is_as_any_other_and_who_writes_records_lets_them_pass(serving: Daemon) -> None:
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        pytest.skip("these tests run under another policy, which the daemon leaves as it is")
    (records,) = _records(serving)
    wait_until(lambda: os.sched_getscheduler(records.pid) == os.SCHED_BATCH, "it has stepped back")
    if platform.machine() not in _SCHED_GETATTR:
        pytest.skip(f"slices can't be asked for on {platform.machine()}")
    front, worker = _attributes(serving.process.pid), _attributes(serving.workers("echo")[0].pid)
    if not front.slice_ns:
        pytest.skip(f"Linux {platform.release()} has no slices of a process's own, which came with 6.12")
    assert (front.policy, front.slice_ns) == (os.SCHED_OTHER, 100_000)
    usual = _attributes(os.getpid()).slice_ns
    assert worker.policy == os.SCHED_OTHER
    assert worker.slice_ns == usual
    wait_until(lambda: _attributes(records.pid).slice_ns == 100_000_000, "its slice is long")
    assert _attributes(records.pid).policy == os.SCHED_BATCH
