"""Whether the clock may be believed when it says that records are old: what is deleted does not come back."""

from __future__ import annotations

import time
from collections.abc import Callable

_DAY, _HOUR = 86_400.0, 3600.0


class Calendar:
    """Believes a clock that was set ahead by more than a day when it has stayed there for an hour.

    One that is years ahead for a minute, by a wrong answer of a time server, would else empty the file.
    """

    def __init__(
        self, newest: int, clock: Callable[[], float] | None = None, steady: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin; `newest` is the latest time that was written down, in microseconds since 1970, 0 for none."""
        self._clock, self._steady = clock or time.time, steady
        self._offset = self._clock() - steady()
        self._believed_at = steady()
        if newest and self._clock() - newest / 1e6 > _DAY:
            self._believed_at += _HOUR

    def is_believed(self) -> bool:
        """Tell whether what the clock says is old may be deleted."""
        offset = self._clock() - self._steady()
        if offset - self._offset > _DAY:
            self._believed_at = self._steady() + _HOUR
        self._offset = offset
        return self._steady() >= self._believed_at
