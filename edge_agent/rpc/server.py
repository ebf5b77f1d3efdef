"""The daemon: the agent behind a gRPC server, from the claim to the socket to an orderly end."""

from __future__ import annotations

import asyncio
import enum
import gc
import logging
import signal

import grpc.aio

from edge_agent.agent import Agent
from edge_agent.rpc.contract import MAX_MESSAGE_BYTES
from edge_agent.rpc.listener import SocketClaim
from edge_agent.rpc.servicer import Servicer
from edge_agent.settings import Settings

log = logging.getLogger(__name__)

_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
    # A client that waits while the daemon restarts must not be told to calm down for its pings.
    ("grpc.http2.min_ping_interval_without_data_ms", 1000),
]


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

    async def serve(self) -> End:
        """Serve until SIGTERM or SIGINT: the first finishes the calls in flight, a second ends at once.

        Raises:
            AddressInUse, SettingsError: see SocketClaim.
        """
        settings = self._settings
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._signals.put_nowait, number)
        claim = SocketClaim(settings.socket_path, int(settings.socket_mode, 8), settings.socket_group)
        agent = Agent(settings)
        server = grpc.aio.server(options=_OPTIONS)
        try:
            await agent.open()
            server.add_generic_rpc_handlers([Servicer(agent).handlers()])
            with claim.binding():
                server.add_insecure_port(f"unix:{settings.socket_path}")
            await server.start()
            log.info("serving on %s, models from %s", settings.socket, ", ".join(map(str, settings.model_dirs)))
            gc.collect()
            gc.freeze()  # what has been made by now lives as long as the daemon: no collection has to look at it
            return await self._until_ended(agent, server)
        finally:
            claim.release()
            agent.kill()
            _ignore_signals(loop)

    async def _until_ended(self, agent: Agent, server: grpc.aio.Server) -> End:
        log.info("%s: finishing the calls in flight", (await self._signals.get()).name)
        graceful = asyncio.ensure_future(self._stop(agent, server))
        again = asyncio.ensure_future(self._signals.get())
        await asyncio.wait([graceful, again], return_when=asyncio.FIRST_COMPLETED)
        if not graceful.done():
            log.warning("%s again: ending at once", again.result().name)
            return End.IMMEDIATE
        again.cancel()
        graceful.result()
        return End.GRACEFUL

    async def _stop(self, agent: Agent, server: grpc.aio.Server) -> None:
        """Stop taking calls, let those in flight finish, then end the workers: the order of opening, reversed."""
        await server.stop(self._settings.drain_seconds)
        await agent.close()


def _ignore_signals(loop: asyncio.AbstractEventLoop) -> None:
    """Let a late signal not turn an orderly end into a killed one; the loop would restore the default action."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    for number in _SIGNALS:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
