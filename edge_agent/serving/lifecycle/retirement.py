"""Pools that serve a model no more: they answer what they still hold and end, beside those that serve it."""

from __future__ import annotations

import asyncio
from typing import Any

from edge_agent.serving.workers.pool import WorkerPool


class Retirement:
    """The pools of one model that are ending."""

    def __init__(self, patience: float) -> None:
        """Give each `patience` seconds to answer what it holds: it holds nobody up, so that may be long."""
        self._patience = patience
        self._ending: dict[asyncio.Task[Any], WorkerPool] = {}

    def take(self, pool: WorkerPool) -> None:
        """Let a pool end."""
        task = asyncio.get_running_loop().create_task(pool.retire(self._patience))
        self._ending[task] = pool
        task.add_done_callback(self._ending.pop)

    @property
    def is_over(self) -> bool:
        """Whether all have ended."""
        return not self._ending

    async def finish(self, seconds: float) -> None:
        """Wait until all have ended; those that take longer are killed."""
        ending = dict(self._ending)
        if ending:
            _, late = await asyncio.wait(ending, timeout=seconds)
            for task in late:
                ending[task].kill()
            await asyncio.gather(*late)

    def kill(self) -> None:
        """End all at once, without waiting for anything."""
        for pool in self._ending.values():
            pool.kill()
