"""How often somebody may try a password."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from edge_agent.errors import StudioError

_MOST, _SECONDS = 8, 60.0
_MOST_KEYS = 10_000


class Attempts:
    """Counts attempts in the last minute, by name and by address."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._times: dict[str, deque[float]] = {}

    def check(self, *keys: str) -> None:
        """Take note of an attempt; StudioError when there have been too many for one of the keys."""
        now = self._now()
        if len(self._times) > _MOST_KEYS:
            self._times.clear()
        for key in keys:
            times = self._times.setdefault(key, deque())
            while times and times[0] < now - _SECONDS:
                times.popleft()
            if len(times) >= _MOST:
                raise StudioError(f"{_MOST} attempts in a minute are enough; try again in {_SECONDS:g} s")
            times.append(now)
