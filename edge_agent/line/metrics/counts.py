"""What the supervisor of a line counts. One thread counts, another may read."""

from __future__ import annotations

import time
from collections import Counter

from edge_agent.line.words import Cause
from edge_agent.serving.observing.histogram import Histogram


class Counts:
    """Counts since the line was started."""

    def __init__(self) -> None:
        self.is_able = False
        self.parts: Counter[str] = Counter()
        self.late = 0
        self.safe_states: Counter[Cause] = Counter()
        self.restarts = 0
        self.cycle = Histogram()
        #: seconds since 1970
        self.last_part = 0.0

    def decided(self, outcome: str, began: float) -> None:
        """Count a part that was decided, and came at `began`, seconds of the monotonic clock."""
        self.parts[outcome] += 1
        self.cycle.observe(max(0.0, time.monotonic() - began))
        self.last_part = time.time()
