"""Work in pieces: others in the event loop have their turn when one has taken long enough."""

from __future__ import annotations

import asyncio
import time

_PIECE = 0.0003  # seconds: a call that comes meanwhile waits for so long; a turn of the loop costs a tenth of it


class Pace:
    """Whoever works calls `step` after each small part of it."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()

    async def step(self) -> None:
        """Let others have their turn, if it is time."""
        if time.perf_counter() - self._begun > _PIECE:
            await asyncio.sleep(0)
            self._begun = time.perf_counter()
