"""Work in pieces: others in the event loop have their turn when one has taken long enough."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

#: Seconds. A call needs two turns of the loop, one to begin and one to be answered, and each may wait for a piece.
_PIECE = 0.0002
#: Seconds. Without a rest the thread is one that has had its share of the processor, and when worker or client take its
#: core in mid-call the kernel lets it wait for as long as they like: up to 3 ms (base_slice_ns). To rest costs a
#: waking up each time, so it is for when there are calls.
_REST = 0.001


class Pace:
    """Whoever works calls `step` after each small part of it."""

    def __init__(self, is_busy: Callable[[], bool] = lambda: False) -> None:
        """`is_busy` tells whether calls are coming that must not wait."""
        self._is_busy = is_busy
        self._begun = time.perf_counter()

    async def step(self) -> None:
        """Let others have their turn, if it is time."""
        if time.perf_counter() - self._begun > _PIECE:
            await asyncio.sleep(_REST if self._is_busy() else 0)
            self._begun = time.perf_counter()
