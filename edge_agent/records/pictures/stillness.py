"""When a process beside the daemon may work: not while the worker that a picture came from has a call.

At the lowest priority it should leave the processor at once, but does not: where the kernel shares the processor
between sessions (autogroups, sched(7)), what wakes up beside it waited for 2 to 3 ms on average, as a trace of Linux
6.18 showed, since priorities count within a session only. Nor does it leave the caches. So the worker says in the
memory that both see when it has a call, and the other begins when there was none for a moment. On a line that is never
still it goes on anyway now and then.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: byte of a slot's head that says whether the worker has a call
BUSY_AT = 1
#: between two looks; it is still when two in a row find it so
LOOK_SECONDS = 0.004
#: a line that is never still gives the shadow this much of a rest between two pictures
LONGEST_SECONDS = 1.0


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
