"""Priorities of processes beside the daemon, which must not take the processor from the models."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


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


def step_back() -> None:
    """Take the processor from nobody who has it, but get as much of it as any other; sched(7).

    A process of SCHED_BATCH does not take the place of another when it wakes up.
    """
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
