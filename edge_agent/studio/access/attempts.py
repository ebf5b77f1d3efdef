"""How often somebody may try a password.

Wrong ones count by name and address together: whoever tries somebody else's name from elsewhere does not lock that
person out. They count by address too, for whoever tries many names. After the free ones each makes the next wait
longer, up to five minutes.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from edge_agent.errors import TooManyAttempts

_FREE_OF_NAME, _FREE_OF_ADDRESS = 5, 30
_LONGEST = 300.0  # seconds
_FORGOTTEN = 3600.0  # seconds after the last one
_MOST_KEYS = 10_000


class _Wrong(NamedTuple):
    times: int
    last: float


class Attempts:
    """Knows the wrong attempts of the last hour."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        #: by key, the one that was tried longest ago first
        self._wrong: OrderedDict[tuple[str, ...], _Wrong] = OrderedDict()

    def begin(self, name: str, address: str) -> None:
        """Take note of an attempt, which is wrong until `right` is called.

        Raises:
            TooManyAttempts: it comes too soon after wrong ones.
        """
        now = self._now()
        keys = {(name, address): _FREE_OF_NAME, (address,): _FREE_OF_ADDRESS}
        for key, free in keys.items():
            wrong = self._of(key, now)
            wait = min(_LONGEST, 2.0 ** (wrong.times - free)) if wrong.times >= free else 0.0
            left = wrong.last + wait - now
            if left > 0:
                raise TooManyAttempts(f"too many wrong passwords; try again in {max(1, round(left))} s")
        for key in keys:
            self._wrong[key] = _Wrong(self._of(key, now).times + 1, now)
            self._wrong.move_to_end(key)
        while len(self._wrong) > _MOST_KEYS:
            self._wrong.popitem(last=False)

    def right(self, name: str, address: str) -> None:
        """Forget the attempts of somebody whose password was right."""
        self._wrong.pop((name, address), None)
        wrong = self._wrong.get((address,))
        if wrong is not None:  # the others of this address stay
            self._wrong[address,] = wrong._replace(times=max(0, wrong.times - 1))

    def _of(self, key: tuple[str, ...], now: float) -> _Wrong:
        wrong = self._wrong.get(key)
        return wrong if wrong is not None and now - wrong.last < _FORGOTTEN else _Wrong(0, 0.0)
