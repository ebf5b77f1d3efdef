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

#: of a slot's head: whether the worker has a call, and whether somebody wants to be told of its end, a byte each; the
#: worker's process, without which it has none; when its last call ended, and the shortest pause between the last few
_BUSY_AT, _AWAITED_AT, _WORKER = 1, 2, struct.Struct("@4xi")
_ENDED_AT, _PAUSE_AT, _SECONDS = 8, 16, struct.Struct("@d")
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


def tell_pause(memory: mmap.mmap, seconds: float) -> None:
    """Write how long the shortest of this process's last pauses was."""
    _SECONDS.pack_into(memory, _PAUSE_AT, seconds)


def tell_end(memory: mmap.mmap, at: float) -> None:
    """Write when this process's last call ended, in seconds of the monotonic clock."""
    _SECONDS.pack_into(memory, _ENDED_AT, at)


def last_pause(memory: mmap.mmap) -> tuple[float, float]:
    """Read when a slot's worker had its last call, and how long the shortest of its last pauses was."""
    (ended,), (pause,) = _SECONDS.unpack_from(memory, _ENDED_AT), _SECONDS.unpack_from(memory, _PAUSE_AT)
    return ended, pause


def tell_awaited(memory: mmap.mmap, awaited: int) -> None:
    """Write whether the worker shall tell when a call ends, 1 or 0."""
    memory[_AWAITED_AT] = awaited


def is_awaited(memory: mmap.mmap) -> bool:
    """Tell whether somebody wants to be told when a call ends."""
    return memory[_AWAITED_AT] == 1


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
) -> None:
    """Return when nothing was to do at two looks, or after `LONGEST_SECONDS`."""
    end = clock() + LONGEST_SECONDS
    still = 0
    while still < 2 and clock() < end:
        sleep(LOOK_SECONDS)
        still = 0 if is_busy() else still + 1
