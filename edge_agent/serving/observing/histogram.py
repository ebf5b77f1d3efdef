"""How often values fell where: what a histogram of Prometheus is made of, in as little time as it can be counted."""

from __future__ import annotations

from bisect import bisect_left

#: upper ends, in seconds, from less than an empty call takes to what ends one (the setting call_seconds)
SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
#: upper ends of scores: fine enough for a drift that has not reached the threshold yet
SCORES = tuple(round(0.05 * step, 2) for step in range(1, 21))


class Histogram:
    """Counts of values by where they fall between `bounds`, and their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self.bounds = bounds
        #: how many values are at most each bound and above the one before; the last has what is above all
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value
