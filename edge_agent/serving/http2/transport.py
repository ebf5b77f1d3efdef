"""The shell around a Connection: an asyncio protocol that reads a client's socket."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from edge_agent.access.names import describe_client
from edge_agent.access.peer import Peer, program_of, read_peer
from edge_agent.serving.http2.connection import Connection
from edge_agent.serving.http2.frames import ProtocolError
from edge_agent.serving.http2.lull import Lull
from edge_agent.serving.http2.outbox import Outbox, Told
from edge_agent.serving.http2.streams import ClientReceiver

log = logging.getLogger(__name__)

#: where bytes of all clients are read that do not belong elsewhere; nothing stays in it
_received = memoryview(bytearray(1 << 18))
#: what is read of it at once while much data is under way: only the head of its next frame is wanted here
_FRAME_HEAD = 1 << 10
#: what may be on its way to a client; the kernel gives what net.core.wmem_max allows
_SEND_BUFFER = 1 << 22
#: how often a socket is read in a row while much data is under way; then others have their turn
_READS_IN_A_ROW = 8
#: what a client sends in one piece that is worth a wait for the next: less than a packet of its kernel
_PIECE = 1 << 15


R = TypeVar("R", bound=ClientReceiver)


class ClientProtocol(asyncio.BufferedProtocol, Generic[R]):
    """One client's connection."""

    #: what is said on its streams
    connection: Connection
    #: who the client is
    peer: Peer
    #: what takes its streams
    receiver: R

    def __init__(self, serve: Callable[[ClientProtocol[R]], R], clients: set[ClientProtocol[R]]) -> None:
        """Have what `serve` gives for the client take its streams.

        The connection is registered in `clients` while it lasts.
        """
        self._serve, self._clients = serve, clients
        #: the stream to whose receiver's room the socket is being read; 0 for none
        self._direct = 0

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._descriptor = peer.fileno()
        self.peer = read_peer(peer)
        self._lull = Lull(asyncio.get_running_loop())
        self._clients.add(self)
        # The client that does not read its answers: its calls are not read either.
        told = Told(self._transport.pause_reading, self._on_drained, self._transport.close)
        self._outbox = Outbox(self._descriptor, told)
        self.receiver = self._serve(self)
        self.connection = Connection(self._outbox.write, self.receiver)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.discard(self)
        self._outbox.close()
        self.receiver.on_lost()
        # Connections and protocols know each other: what they hold would wait for a garbage collection.
        self.connection.abandon()

    def get_buffer(self, sizehint: int) -> memoryview:
        stream, count = self.connection.expected
        if count:
            room = self.receiver.room(stream, count)
            if room is not None:
                self._direct = stream
                return room
        self._direct = 0
        return _received[:_FRAME_HEAD] if self.receiver.awaits_much() else _received

    def buffer_updated(self, nbytes: int) -> None:
        self.receiver.on_turn()
        try:
            self._take(_received[:nbytes], nbytes)
            if self._direct:
                self._read_on(nbytes)
        except ProtocolError as error:
            # In a thread, since a user's name may have to be asked for.
            loop = asyncio.get_running_loop()
            loop.run_in_executor(None, _tell_disconnected, self.peer, program_of(self.peer.pid), str(error))
            self.close()

    def _read_on(self, nbytes: int) -> None:
        """Read much data while there is more of it, as after the `nbytes` before, without asking the event loop."""
        self._lull.begin()
        for _ in range(_READS_IN_A_ROW):
            if self._outbox.is_blocked:
                return
            buffer = self.get_buffer(-1)
            before, nbytes = nbytes, self._read_into(buffer)
            # In the middle of a frame there soon is more, unless a client sends it by driblets: nobody waits for those.
            if not nbytes and self._direct and before >= _PIECE and self._lull.wait():
                nbytes = self._read_into(buffer)
            if not nbytes:  # the event loop tells what there will be
                return
            self._take(buffer, nbytes)

    def _read_into(self, buffer: memoryview) -> int:
        """Read what there is now; 0 for nothing, and for the end, which the event loop tells too."""
        try:
            return os.readv(self._descriptor, [buffer])
        except OSError:
            return 0

    def _take(self, buffer: memoryview, count: int) -> None:
        """Take `count` bytes that have been read to where `get_buffer` wanted them."""
        if self._direct:
            self.receiver.on_filled(self._direct, count)
            self.connection.received(count)
        else:
            self.connection.receive(buffer[:count])

    def _on_drained(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # For whom takes the streams

    @property
    def is_closing(self) -> bool:
        """Whether the connection ends, or has ended."""
        return self._transport.is_closing()

    def then(self, call: Callable[[], None]) -> None:
        """Call a function when nothing of what was said before is needed any more: it has gone, or the client has."""
        self._outbox.then(call)

    # Ending

    def go_away(self) -> None:
        """Ask the client for no more calls."""
        if self.connection.open and not self._transport.is_closing():
            self.connection.go_away()

    def close(self) -> None:
        """Close the connection, after what has been written."""
        if self._outbox.is_empty:
            self._transport.close()
        else:
            self._outbox.then(self._transport.close)


def _tell_disconnected(peer: Peer, program: str, why: str) -> None:
    log.info("%s was disconnected: %s", describe_client(peer, program), why)
