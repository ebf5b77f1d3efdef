"""Looks at the model folders beside the event loop, never twice at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from edge_agent.serving.catalogue.catalogue import Entry

log = logging.getLogger(__name__)


class Lookout:
    """Who asks for a look during one shares the next with all others who do."""

    def __init__(self, scan: Callable[[], dict[str, Entry]], apply: Callable[[dict[str, Entry]], None]) -> None:
        """`scan` looks, in a thread; `apply` is told what it has found, in the event loop."""
        self._scan, self._apply = scan, apply
        self._looking: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self._is_blind = False  # the last look saw nothing

    async def look(self) -> None:
        """Look, and return when what was found has been applied."""
        if self._next is None:
            task = asyncio.get_running_loop().create_task(self._look_after(self._looking))
            if self._looking is None:
                self._looking = task
            else:
                self._next = task
        await asyncio.wait([self._next or task])

    async def _look_after(self, previous: asyncio.Task[None] | None) -> None:
        if previous is not None:
            await asyncio.wait([previous])
            self._looking, self._next = self._next, None
        try:
            self._apply(await asyncio.to_thread(self._scan))
            self._is_blind = False
        except OSError as error:  # no file descriptor is left, say: what was seen last is taken to be there still
            if not self._is_blind:
                log.warning("the model folders can't be looked at: %s", error)
            self._is_blind = True
        except Exception:  # a defect here must not end the watch for the rest of the daemon's life
            log.exception("looking at the model folders failed")
        finally:
            self._looking = None
