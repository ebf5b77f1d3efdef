"""The daemon: the agent behind its socket, from the claim to the socket to an orderly end."""

from __future__ import annotations

import asyncio
import enum
import functools
import gc
import logging
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.children.priority import be_prompt
from edge_agent.serving.agent import Agent
from edge_agent.serving.http2.transport import ClientProtocol
from edge_agent.serving.lifecycle.memory import available_bytes
from edge_agent.serving.lifecycle.state import Status
from edge_agent.serving.observing.counts import Counts
from edge_agent.serving.observing.observer import Observer
from edge_agent.serving.observing.readings import FrontReading, ReadFront
from edge_agent.serving.observing.recording import first_words, read_records
from edge_agent.serving.rpc import reflection
from edge_agent.serving.rpc.address import Address
from edge_agent.serving.rpc.calls import Calls
from edge_agent.serving.rpc.health import Health
from edge_agent.serving.rpc.listener import SocketClaim
from edge_agent.serving.rpc.readiness import Readiness
from edge_agent.serving.rpc.servicer import Servicer
from edge_agent.serving.rpc.shadowing import Shadowing
from edge_agent.serving.rpc.state_lock import StateLock
from edge_agent.serving.rpc.witness import Witness
from edge_agent.settings import Settings

if TYPE_CHECKING:  # it brings the library, which a daemon without metrics does not load
    from edge_agent.serving.rpc.metrics import MetricsServer

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class End(enum.Enum):
    """How the daemon came to its end."""

    GRACEFUL = enum.auto()
    IMMEDIATE = enum.auto()


class Server:
    """Serves one agent on one socket until a signal ends it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._readiness = Readiness()

    async def serve(self) -> End:
        """Serve until SIGTERM or SIGINT: the first finishes the calls in flight, a second ends at once.

        Raises:
            AddressInUse, StateInUse, SettingsError: see SocketClaim, StateLock and Agent.
        """
        settings = self._settings
        be_prompt()
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._signals.put_nowait, number)
        claim = SocketClaim(settings.socket_path, int(settings.socket_mode, 8), settings.socket_group)
        try:
            lock = StateLock(Path(settings.state_dir))
            try:
                return await self._serve_claimed(claim, loop)
            finally:
                lock.close()
        finally:
            claim.release()

    async def _serve_claimed(self, claim: SocketClaim, loop: asyncio.AbstractEventLoop) -> End:
        settings = self._settings
        observer = Observer(settings)
        agent = Agent(settings, observer)
        clients: set[ClientProtocol[Calls]] = set()
        metrics: MetricsServer | None = None
        ended = "failed"
        try:
            observer.began()
            if observer.counts is not None:
                read = functools.partial(_read, settings, agent, observer, clients)
                metrics = _serve_metrics(settings, observer.counts, read)
            await agent.open()
            serve = functools.partial(_serve, agent, observer)
            address = Address(claim, lambda: ClientProtocol(serve, clients))
            log.info("serving on %s, models from %s", settings.socket, ", ".join(map(str, settings.model_dirs)))
            self._readiness.ready(lambda: _summary(agent))
            gc.collect()
            gc.freeze()  # what has been made by now lives as long as the daemon: no collection has to look at it
            end = await self._until_ended(agent, address, clients)
            ended = end.name.lower()
            return end
        finally:
            claim.release()
            if metrics is not None:
                await metrics.close()
            agent.kill()
            await observer.close(ended)
            agent.shelf.close()
            self._readiness.close()
            _ignore_signals(loop)

    async def _until_ended(self, agent: Agent, address: Address, clients: set[ClientProtocol[Calls]]) -> End:
        log.info("%s: finishing the calls in flight", (await self._signals.get()).name)
        self._readiness.stopping()
        graceful = asyncio.ensure_future(self._stop(agent, address, clients))
        again = asyncio.ensure_future(self._signals.get())
        await asyncio.wait([graceful, again], return_when=asyncio.FIRST_COMPLETED)
        if not graceful.done():
            log.warning("%s again: ending at once", again.result().name)
            return End.IMMEDIATE
        again.cancel()
        graceful.result()
        return End.GRACEFUL

    async def _stop(self, agent: Agent, address: Address, clients: set[ClientProtocol[Calls]]) -> None:
        """Stop taking calls, let those in flight finish, then end the workers: the order of opening, reversed."""
        end = time.monotonic() + self._settings.drain_seconds
        address.close()
        for client in list(clients):
            client.go_away()
        if clients:
            drained = [asyncio.ensure_future(client.receiver.drain()) for client in clients]
            _, late = await asyncio.wait(drained, timeout=self._settings.drain_seconds)
            for task in late:
                task.cancel()
        await agent.close(max(0.0, end - time.monotonic()))
        for client in list(clients):
            client.close()
        await asyncio.sleep(0)  # closing is done in the next round of the loop


def _serve(agent: Agent, observer: Observer, client: ClientProtocol[Calls]) -> Calls:
    if observer.counts is not None:
        observer.counts.connections_opened += 1
    handlers = {
        **Servicer(agent, client.peer).handlers(),
        **Health(agent).handlers(),
        **Shadowing(agent, client.peer).handlers(),
        **reflection.handlers(),
    }
    return Calls(client, handlers, agent.shelf, Witness(observer, client.peer))


def _serve_metrics(settings: Settings, counts: Counts, read_front: ReadFront) -> MetricsServer:
    from edge_agent.serving.rpc.metrics import MetricsServer

    return MetricsServer(settings, counts, read_front)


async def _read(
    settings: Settings, agent: Agent, observer: Observer, clients: set[ClientProtocol[Calls]]
) -> FrontReading:
    await first_words(agent.recorder, agent.pictures)
    try:
        available = available_bytes()
    except OSError:
        available = None
    return FrontReading(
        models=agent.read_models(),
        statuses=tuple(status.name for status in Status),
        queue_size=settings.queue_size,
        connections=len(clients),
        connections_opened=observer.counts.connections_opened if observer.counts else 0,
        audit_lost=observer.audit.lost if observer.audit else 0,
        memory_available=available,
        records=read_records(agent.recorder, agent.pictures),
        shadows=agent.shadows.read() if agent.shadows is not None else (),
    )


def _summary(agent: Agent) -> str:
    statuses = agent.statuses()
    failed = statuses.count(Status.FAILED)
    return f"{statuses.count(Status.RUNNING)} of {len(statuses)} models RUNNING" + (f", {failed} FAILED" * bool(failed))


def _ignore_signals(loop: asyncio.AbstractEventLoop) -> None:
    """Let a late signal not turn an orderly end into a killed one; the loop would restore the default action."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    for number in _SIGNALS:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
