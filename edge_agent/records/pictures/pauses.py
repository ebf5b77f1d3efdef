"""When the process that keeps pictures may work: in the pauses between the calls of the worker that one came from.

An engine's threads wait for each other, and where one is put behind something else, if only for a moment, the call may
last until the kernel's next tick, 4 ms. So nothing is at work when a call begins: on a line with a pace the work ends
before the next call is due. And nothing wakes up in a call to see whether it has ended: the worker says so.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import time
from collections.abc import Callable

from edge_agent.records.pictures.stillness import HEAD_BYTES, has_call, last_pause, tell_awaited

#: what is done without a rest, and the rest, in which whoever waits for this core has it
_PIECE_SECONDS, _REST_SECONDS = 0.0001, 0.0001
#: that an answer has to get to its client
ANSWER_SECONDS = 0.001
#: of a pause, which may be shorter than those before
_SHARE = 0.8
#: a line with shorter pauses is never still: there is one piece of work in so many seconds, at once behind a call
_SHORT_PAUSE_SECONDS, _RARELY_SECONDS, _AT_ONCE_SECONDS = 0.004, 0.03, 0.0004
#: a call that takes longer is not waited for, nor one that is due for so long
_LONGEST_SECONDS = 0.05
#: whatever calls come, there is a piece of work in so many seconds
_PATIENCE_SECONDS = 0.25


def wait_for_end(event: int, seconds: float) -> bool:
    """Wait for the end of a call, for so many seconds at the most; False when none has ended."""
    poll = select.poll()
    poll.register(event, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


class Pauses:
    """The pauses of one worker, by the head of a slot. To be closed."""

    def __init__(
        self,
        memory: int,
        ended: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        wait: Callable[[int, float], bool] = wait_for_end,
    ) -> None:
        """`memory` is a slot's descriptor, `ended` that of the event by which the worker says that a call has ended."""
        self._head = mmap.mmap(memory, mmap.PAGESIZE)
        self._ended = ended
        self._clock, self._sleep, self._wait = clock, sleep, wait
        self._rested_at = clock()
        tell_awaited(self._head, 1)

    def rest(self) -> None:
        """Return when there may be another piece of work."""
        now = self._clock()
        if now - self._rested_at < _PIECE_SECONDS and not self._has_call():
            return
        self._sleep(_REST_SECONDS)
        while not self._may_work() and self._clock() - now < _PATIENCE_SECONDS:
            pass
        self._rested_at = self._clock()

    def _may_work(self) -> bool:
        """Say whether it is time; if not, wait until it may be."""
        with contextlib.suppress(BlockingIOError):  # an end before what is looked at now
            os.eventfd_read(self._ended)
        if self._has_call():
            return not self._wait(self._ended, _LONGEST_SECONDS)
        ended, pause = last_pause(self._head)
        now = self._clock()
        due = ended + pause
        if now >= due + _LONGEST_SECONDS:
            return True
        if pause < _SHORT_PAUSE_SECONDS:
            if now - self._rested_at >= _RARELY_SECONDS and now - ended < _AT_ONCE_SECONDS:
                return True
        elif now < ended + ANSWER_SECONDS:
            self._sleep(ANSWER_SECONDS)
            return False
        elif now < ended + _SHARE * pause:
            return True
        return not self._wait(self._ended, due + _LONGEST_SECONDS - now)

    def _has_call(self) -> bool:
        return has_call(self._head[:HEAD_BYTES])

    def close(self) -> None:
        """Leave the worker alone. Closing twice is harmless."""
        if not self._head.closed:
            tell_awaited(self._head, 0)
            self._head.close()
