"""Who gets the processor first, where the daemon's processes and others want it at once."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
import time
from pathlib import Path

#: the number of the system call sched_setattr by machine: glibc has had a function for it only since 2.41
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
#: struct sched_attr without what came later: size, policy, flags, nice, priority, runtime, deadline, period
_ATTRIBUTES = "=IIQiIQQQ"
#: the shortest and the longest slice that the kernel takes
_SHORT_NS, _LONG_NS = 100_000, 100_000_000
_USUAL_NS = 0  # its own choice
_BREATH_SECONDS = 0.00005


def give_way() -> None:
    """Let everything else have the processor first.

    Where the kernel shares the processor between sessions, priorities count within one only, and a process in a session
    of its own would get as much as all of another: so the session itself is made the least important; sched(7).
    """
    os.nice(19)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("19")
    _set_slice(_LONG_NS)


def step_back() -> None:
    """Take the processor from nobody who has it, and let who wakes up have it at once, but get as much as any other.

    A process of SCHED_BATCH does not take the place of another when it wakes up; sched(7). Its slice is the longest:
    kernels from 6.12 on let one with a shorter slice take its place in the middle of it.
    """
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    _set_slice(_LONG_NS)


def be_prompt() -> None:
    """Have the processor soon when there is something to do, but no more of it than any other.

    That is what a short slice says to kernels from 6.12 on. Without it a thread that wakes up where another runs may
    wait 4 ms, the time between two looks of the kernel. Threads and processes that are started later have the same.
    """
    if os.sched_getscheduler(0) == os.SCHED_OTHER:  # otherwise somebody has decided how it is to run
        _set_slice(_SHORT_NS)


def be_as_any_other() -> None:
    """Take back what be_prompt() of the parent has left. An engine's threads only lose the caches by it."""
    if os.sched_getscheduler(0) == os.SCHED_OTHER:
        _set_slice(_USUAL_NS)


def breathe() -> None:
    """Let whoever waits for this core have it, in the middle of work that takes longer than a call should wait."""
    time.sleep(_BREATH_SECONDS)


def _set_slice(nanoseconds: int) -> None:
    """Set the calling thread's slice; sched_setattr(2). Older kernels take no notice of it."""
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None:
        return
    policy, nice = os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)
    attributes = struct.pack(_ATTRIBUTES, struct.calcsize(_ATTRIBUTES), policy, 0, nice, 0, nanoseconds, 0, 0)
    ctypes.CDLL(None).syscall(ctypes.c_long(number), ctypes.c_long(0), attributes, ctypes.c_long(0))
