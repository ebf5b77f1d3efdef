"""Work in pieces: others in the event loop have their turn when one has taken long enough."""

from __future__ import annotations

import asyncio
import time

#: Seconds. A call needs two turns of the loop, one to begin and one to be answered, and each may wait for a piece. A
#: rest between the pieces would let more calls pass, and costs twice the time: each wakes the process up.
_PIECE = 0.0002


class Pace:
    """Whoever works calls `step` after each small part of it."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()

    async def step(self) -> None:
        """Let others have their turn, if it is time."""
        if time.perf_counter() - self._begun > _PIECE:
            await asyncio.sleep(0)
            self._begun = time.perf_counter()
