"""When a process beside the daemon may work: not while the worker that a picture came from has a call.

At the lowest priority it should leave the processor at once, but does not: where the kernel shares the processor
between sessions (autogroups, sched(7)), what wakes up beside it waited for 2 to 3 ms on average, as a trace of Linux
6.18 showed, since priorities count within a session only. Nor does it leave the caches. So the worker says in the
memory that both see when it has a call, and the other begins when there was none for a moment. On a line that is never
still it goes on anyway now and then.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Callable

#: of a slot's head: whether the worker has a call, a byte; and the worker's process, without which it has none
_BUSY_AT, _WORKER = 1, struct.Struct("@4xi")
#: bytes of the head that `has_call` looks at
HEAD_BYTES = _WORKER.size
#: between two looks; it is still when two in a row find it so
LOOK_SECONDS = 0.004
#: a line that is never still gives the shadow this much of a rest between two pictures
LONGEST_SECONDS = 1.0


def introduce(memory: mmap.mmap) -> None:
    """Write into a slot's head whose it is: of this process."""
    struct.pack_into("@i", memory, HEAD_BYTES - struct.calcsize("@i"), os.getpid())


def tell_busy(memory: mmap.mmap, busy: int) -> None:
    """Write whether this process has a call, 1 or 0, which whoever has the slot may read at any time."""
    memory[_BUSY_AT] = busy


def has_call(head: bytes) -> bool:
    """Tell by a slot's first bytes whether its worker has a call; one that was killed in a call has none any more."""
    if head[_BUSY_AT] != 1:
        return False
    (worker,) = _WORKER.unpack(head)
    try:
        os.kill(worker, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def wait_for_stillness(
    is_busy: Callable[[], object],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    *,
    longest: float = LONGEST_SECONDS,
) -> None:
    """Return when nothing was to do at two looks, or after `longest` seconds."""
    end = clock() + longest
    still = 0
    while still < 2 and clock() < end:
        sleep(LOOK_SECONDS)
        still = 0 if is_busy() else still + 1
