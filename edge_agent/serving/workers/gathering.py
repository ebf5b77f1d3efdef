"""When a worker waits a moment so that calls that are about to come are inspected together."""

from __future__ import annotations


class Gathering:
    """Expects as many calls at once as clients were there at the end of the last batch.

    Clients send their next picture when they have an answer, so those whose calls ended together call again at almost
    the same time, or, on a line with a clock, much later. Whoever is alone is never made to wait.
    """

    def __init__(self, batch: int, patience: float) -> None:
        """Make batches of `batch` calls at the most, waiting `patience` seconds for one to fill."""
        self._batch, self._patience = batch, patience
        self._expected, self._until = 1, 0.0

    def patience(self, waiting: int, now: float) -> float:
        """Return for how many seconds more calls are worth waiting for, with so many there."""
        expected = min(self._expected, self._batch) if now < self._until else 1
        return min(self._patience, self._until - now) if 0 < waiting < expected else 0.0

    def ended(self, count: int, waiting: int, now: float) -> None:
        """Take note that a batch of `count` calls has ended while `waiting` others were there."""
        self._expected, self._until = count + waiting, now + 2 * self._patience
