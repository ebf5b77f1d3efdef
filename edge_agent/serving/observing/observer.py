"""What is told of the daemon, in one place: what its settings ask for, and nothing else is paid for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from edge_agent.access.peer import Peer
from edge_agent.errors import SettingsError
from edge_agent.serving.auditing.audit import Audit
from edge_agent.serving.observing.counts import Counts
from edge_agent.serving.observing.model_watch import ModelWatch
from edge_agent.serving.observing.refusals import Refusals
from edge_agent.settings import Settings, shown_settings
from edge_agent.version import __version__

if TYPE_CHECKING:
    from edge_agent.serving.observing.tracing import Tracer


class Observer:
    """Who takes note of calls, models and clients; lives in the event loop of the daemon."""

    def __init__(self, settings: Settings) -> None:
        """Observe what the settings say."""
        #: None where nobody asks for metrics
        self.counts = Counts() if settings.metrics else None
        self.refusals = Refusals()
        #: None where nothing is audited
        self.audit = Audit.of(settings)
        #: called with rpc, model, reason and details of each call that was refused or failed
        self.on_refused: Callable[[str, str, str, str], None] = _ignore
        self._settings = settings
        #: None where calls are not traced
        self.tracer = _tracer(settings.traces) if settings.traces else None

    def began(self) -> None:
        """Take note that the daemon begins to serve."""
        if self.audit is not None:
            self.audit.began(__version__, shown_settings(self._settings))

    def watch_model(self, name: str) -> ModelWatch:
        """Give what a model that has come tells its life to."""
        return ModelWatch(name, None if self.counts is None else self.counts.add_model(name), self.audit)

    def forget_model(self, name: str) -> None:
        """Forget a model that has left the device."""
        if self.counts is not None:
            self.counts.forget_model(name)

    def refused(self, peer: Peer, reason: str, rpc: str, model: str, details: str) -> None:
        """Take note of a call that was refused or has failed."""
        if self.counts is not None:
            self.counts.refused[reason] += 1
        self.refusals.note(peer, reason, rpc, model, details)
        self.on_refused(rpc, model, reason, details)

    async def close(self, how: str) -> None:
        """Tell what is left to tell, and how the daemon ended."""
        self.refusals.close()
        if self.tracer is not None:
            await self.tracer.close()
        if self.audit is not None:
            await self.audit.close(how)


def _ignore(rpc: str, model: str, reason: str, details: str) -> None:
    pass


def _tracer(address: str) -> Tracer:
    try:
        from edge_agent.serving.observing.tracing import Tracer
    except ImportError as error:
        missing = error.name or error
        raise SettingsError(
            f"traces can't be sent to {address}: {missing} is not installed (pip install 'edge-agent[otel]')"
        ) from None
    return Tracer(address)
