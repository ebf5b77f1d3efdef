"""What is told of the daemon, in one place: what its settings ask for, and nothing else is paid for."""

from __future__ import annotations

from edge_agent.serving.observing.counts import Counts
from edge_agent.serving.observing.refusals import Refusals
from edge_agent.settings import Settings


class Observer:
    """Who takes note of calls, models and clients; lives in the event loop of the daemon."""

    def __init__(self, settings: Settings) -> None:
        #: None where nobody asks for metrics
        self.counts = Counts() if settings.metrics else None
        self.refusals = Refusals()

    def close(self) -> None:
        """Tell what is left to tell."""
        self.refusals.close()
