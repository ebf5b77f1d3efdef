"""When a shadow model may begin: not while the worker that a picture came from has a call.

At the lowest priority a shadow leaves the processor at once, but not the caches, nor the other half of a core. So the
worker says in the memory that both see when it has a call, and the shadow begins when there was none for a moment. On
a line that is never still it begins anyway now and then, so that it judges some of the pictures.
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
) -> None:
    """Return when nothing was to do at two looks, or after LONGEST_SECONDS."""
    end = clock() + LONGEST_SECONDS
    still = 0
    while still < 2 and clock() < end:
        sleep(LOOK_SECONDS)
        still = 0 if is_busy() else still + 1
