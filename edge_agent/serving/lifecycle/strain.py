"""Whether a model has to refuse calls for want of room: known at once, and over after a second without a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edge_agent.errors import Overloaded
from edge_agent.serving.workers.calls import Call
from edge_agent.serving.workers.pool import WorkerPool

_OVER_AFTER = 1.0  # seconds; a queue that is full now and has room a moment later would change too often to be told


class Strain:
    """One model's."""

    def __init__(self) -> None:
        #: called when it begins, and when it is over; by the model when its status changes
        self.on_change: Callable[[], None] = lambda: None
        self._until = 0.0
        #: whether calls have been refused within the last second
        self.is_on = False

    def submit(self, pool: WorkerPool, call: Call) -> None:
        """Hand a call to the workers; the errors are those of WorkerPool.submit."""
        try:
            pool.submit(call)
        except Overloaded:
            self._note()
            raise

    def _note(self) -> None:
        loop = asyncio.get_running_loop()
        self._until = loop.time() + _OVER_AFTER
        if not self.is_on:
            self.is_on = True
            loop.call_later(_OVER_AFTER, self._look)
            self.on_change()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._until - loop.time()
        if left > 0:
            loop.call_later(left, self._look)
            return
        self.is_on = False
        self.on_change()
