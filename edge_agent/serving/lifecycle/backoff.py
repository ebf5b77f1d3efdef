"""How long to wait before a failed model is started again."""

from __future__ import annotations


class Backoff:
    """Waits that double from `first` to `longest` seconds, and begin anew after a run of `steady` seconds."""

    def __init__(self, first: float, longest: float, steady: float = 60.0) -> None:
        self._first, self._longest, self._steady = first, longest, steady
        self._next = first

    def wait(self, ran_for: float) -> float:
        """Return the seconds to wait, given how long the model ran before it failed."""
        if ran_for >= self._steady:
            self._next = self._first
        wait, self._next = self._next, min(self._next * 2, self._longest)
        return wait
