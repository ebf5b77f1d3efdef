"""What is told of the daemon, in one place: what its settings ask for, and nothing else is paid for."""

from __future__ import annotations

from edge_agent.serving.observing.counts import Counts
from edge_agent.serving.observing.model_watch import ModelWatch
from edge_agent.serving.observing.refusals import Refusals
from edge_agent.settings import Settings


class Observer:
    """Who takes note of calls, models and clients; lives in the event loop of the daemon."""

    def __init__(self, settings: Settings) -> None:
        """Observe what the settings say."""
        #: None where nobody asks for metrics
        self.counts = Counts() if settings.metrics else None
        self.refusals = Refusals()

    def watch_model(self, name: str) -> ModelWatch:
        """Give what a model that has come tells its life to."""
        return ModelWatch(None if self.counts is None else self.counts.add_model(name))

    def forget_model(self, name: str) -> None:
        """Forget a model that has left the device."""
        if self.counts is not None:
            self.counts.forget_model(name)

    def close(self) -> None:
        """Tell what is left to tell."""
        self.refusals.close()
