"""When a model that has failed is started again by itself, unless somebody gives that up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from edge_agent.serving.lifecycle.backoff import Backoff

_AGAIN = "; it is started again"
_NEAR_SECONDS = 5.0  # clients that wait for a model give up at FAILED; so long they may as well wait


class Restart:
    """The one restart of a model that may be planned."""

    def __init__(self, again: Callable[[], None], backoff: Backoff) -> None:
        """`again` is called when its time has come."""
        self._again, self._backoff = again, backoff
        self._task: asyncio.Task[None] | None = None
        self._at = 0.0  # when it is planned for, by the monotonic clock

    @property
    def is_near(self) -> bool:
        """Whether it is planned for one of the next few seconds."""
        return self._task is not None and self._at - time.monotonic() <= _NEAR_SECONDS

    @property
    def is_planned(self) -> bool:
        """Whether the model will be started again without being asked."""
        return self._task is not None

    def plan(self, cause: str, ran_for: float) -> str:
        """Start the model again after a while, which is longer each time; return the cause with what will be done."""
        wait = self._backoff.wait(ran_for)
        self.soon(wait)
        return f"{cause}{_AGAIN} in {wait:.1f} s"

    def soon(self, wait: float = 0.0) -> None:
        """Start the model again after `wait` seconds, whatever was planned."""
        self.forget()
        self._at = time.monotonic() + wait
        self._task = asyncio.get_running_loop().create_task(self._after(wait))

    async def _after(self, wait: float) -> None:
        await asyncio.sleep(wait)
        self._task = None
        self._again()

    def forget(self) -> None:
        """Give up a restart that is planned."""
        if self._task is not None:
            self._task.cancel()
            self._task = None


def cause_alone(message: str) -> str:
    """Take from a status message what it says of a restart."""
    return message.partition(_AGAIN)[0]


def when_it_is_back(message: str) -> str:
    """Say in a status message that a restart waits for the component, which has gone."""
    return f"{cause_alone(message)}{_AGAIN} when its component is back"
