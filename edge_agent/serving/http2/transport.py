"""The shell around a Connection: an asyncio protocol that reads the socket, and gives each call to its handler."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import mmap
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import cast

from edge_agent.access.peer import Peer, read_peer
from edge_agent.serving.http2.connection import Connection, Handlers, Headers
from edge_agent.serving.http2.frames import ProtocolError
from edge_agent.serving.http2.outbox import Outbox, Told
from edge_agent.serving.http2.turns import Turns
from edge_agent.serving.observing.observer import Observer
from edge_agent.serving.rpc.exchange import Exchange, Handler, ParcelMessage, Reply
from edge_agent.serving.rpc.framing import (
    NO_HEADERS,
    OK_TRAILERS,
    PREFIX_BYTES,
    RESPONSE_HEADERS,
    CallHeaders,
    RefusedCall,
    decompress,
    read_headers,
    read_prefix,
    refusal_headers,
)
from edge_agent.serving.rpc.memory import check_held
from edge_agent.serving.rpc.status import Code
from edge_agent.serving.rpc.witness import Witness
from edge_agent.serving.workers.parcels import LARGE, Parcel, ParcelShelf

log = logging.getLogger(__name__)

#: where bytes of all clients are read that do not belong elsewhere; nothing stays in it
_received = memoryview(bytearray(1 << 18))
#: what is read of it at once while a large message is under way: only the head of its next frame is wanted here
_FRAME_HEAD = 1 << 10
#: messages of one client that are received into parcels at once: each takes a file descriptor from all of them
_PARCELS_EACH = 16
#: what may be on its way to a client; the kernel gives what net.core.wmem_max allows
_SEND_BUFFER = 1 << 22
#: how often a socket is read in a row while a large message is under way; then others have their turn
_READS_IN_A_ROW = 8


class _Incoming:
    """A call that is being received."""

    __slots__ = (
        "begun",
        "buffer",
        "compressed",
        "deadline",
        "filled",
        "handler",
        "headers",
        "length",
        "parcel",
        "prefix",
    )

    def __init__(self, headers: CallHeaders, handler: Handler) -> None:
        self.headers, self.handler = headers, handler
        self.begun = time.monotonic()
        self.deadline = None if headers.timeout is None else self.begun + headers.timeout
        self.prefix = b""
        self.length = -1  # of the message, once its prefix is there
        self.compressed = False
        self.parcel: Parcel | None = None
        self.buffer = memoryview(b"")
        self.filled = 0

    def take_prefix(self, data: memoryview, shelf: ParcelShelf, *, may_have_parcel: bool) -> memoryview:
        """Take what is missing of the message's prefix, and return the rest."""
        missing = PREFIX_BYTES - len(self.prefix)
        self.prefix += bytes(data[:missing])
        if len(self.prefix) == PREFIX_BYTES:
            self.length, self.compressed = read_prefix(self.prefix, self.headers)
            self._make_room(shelf if may_have_parcel else None)
        return data[missing:]

    def _make_room(self, shelf: ParcelShelf | None) -> None:
        """Get memory for the message. A large one's pages take none before data arrives, whatever was announced."""
        if self.length < LARGE:
            self.buffer = memoryview(bytearray(self.length))
            return
        if shelf is not None:
            with contextlib.suppress(OSError):  # no file descriptor is left: the worker's copy will be another
                self.parcel = shelf.get(self.length)
                self.buffer = self.parcel.memory[: self.length]
                return
        try:
            self.buffer = memoryview(mmap.mmap(-1, self.length))
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise RefusedCall(
                Code.RESOURCE_EXHAUSTED, f"no memory for a message of {self.length} bytes: {reason}"
            ) from None

    def forget(self) -> None:
        """Give back the memory for its message."""
        if self.parcel is not None:
            self.parcel.release()
            self.parcel = None


class ClientProtocol(asyncio.BufferedProtocol):
    """One client's connection."""

    def __init__(
        self,
        serve: Callable[[Peer], Mapping[bytes, Handler]],
        shelf: ParcelShelf,
        clients: set[ClientProtocol],
        observer: Observer,
    ) -> None:
        """Serve the handlers, by path, that `serve` gives for the client, with memory for messages from `shelf`.

        The connection is registered in `clients` while it lasts; `observer` is told what becomes of its calls.
        """
        self._serve, self._shelf, self._clients, self._observer = serve, shelf, clients, observer
        self._incoming: dict[int, _Incoming] = {}
        self._exchanges: dict[int, Exchange] = {}
        #: parcels whose content is being sent
        self._outgoing: dict[int, Parcel] = {}
        #: the call whose message the socket is being read into
        self._direct: _Incoming | None = None
        self._drained: asyncio.Event | None = None
        self._last_headers: Headers | None = None
        self._last_read = NO_HEADERS
        self._turns = Turns(self._begin)

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._descriptor = peer.fileno()
        who = read_peer(peer)
        self._handlers = self._serve(who)
        self._witness = Witness(self._observer, who)
        if self._observer.counts is not None:
            self._observer.counts.connections_opened += 1
        self._clients.add(self)
        # The client that does not read its answers: its calls are not read either.
        told = Told(self._transport.pause_reading, self._on_drained, self._transport.close)
        self._outbox = Outbox(self._descriptor, told)
        handlers = Handlers(self._on_headers, self._on_data, self._on_end, self._on_reset)
        self._connection = Connection(self._outbox.write, handlers)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.discard(self)
        self._outbox.close()
        for stream in [*self._incoming, *self._exchanges, *self._outgoing]:
            self._on_reset(stream)
        # Connections and protocols know each other: what they hold would wait for a garbage collection.
        self._connection.abandon()

    def get_buffer(self, sizehint: int) -> memoryview:
        stream, count = self._connection.expected
        call = self._incoming.get(stream) if count else None
        if call is not None and call.filled < call.length:
            self._direct = call
            return call.buffer[call.filled : call.filled + count]
        self._direct = None
        large = any(call.length >= LARGE for call in self._incoming.values()) if self._incoming else False
        return _received[:_FRAME_HEAD] if large else _received

    def buffer_updated(self, nbytes: int) -> None:
        self._turns.renew()
        try:
            self._take(_received[:nbytes], nbytes)
            # A large message is read while there is more of it, without asking the event loop in between.
            for _ in range(_READS_IN_A_ROW if self._direct is not None else 0):
                if self._outbox.is_blocked:
                    break
                buffer = self.get_buffer(-1)
                try:
                    nbytes = os.readv(self._descriptor, [buffer])
                except OSError:  # there is no more now; the event loop tells what there will be
                    break
                if not nbytes:
                    break
                self._take(buffer, nbytes)
        except ProtocolError as error:
            log.info("a client was disconnected: %s", error)
            self.close()

    def _take(self, buffer: memoryview, count: int) -> None:
        """Take `count` bytes that have been read to where `get_buffer` wanted them."""
        if self._direct is not None:
            self._direct.filled += count
            self._connection.received(count)
        else:
            self._connection.receive(buffer[:count])

    def _on_drained(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # The connection's side

    def _on_headers(self, stream: int, headers: Headers) -> None:
        try:
            # The calls of a client differ in nothing, as a rule, and the connection then gives the same list again.
            read = self._last_read if headers is self._last_headers else read_headers(headers)
            self._last_headers, self._last_read = headers, read
            handler = self._handlers.get(read.path)
            if handler is None:
                raise RefusedCall(Code.UNIMPLEMENTED, f"there is no method {read.path[:200].decode(errors='replace')}")
        except RefusedCall as refused:
            self._send(stream, refused)
            self._witness.refused(dict(headers).get(b":path", b""), refused)
            return
        self._incoming[stream] = _Incoming(read, handler)

    def _on_data(self, stream: int, data: memoryview) -> None:
        call = self._incoming.get(stream)
        if call is None:
            return
        try:
            if call.length < 0:
                held = sum(other.parcel is not None for other in self._incoming.values())
                data = call.take_prefix(data, self._shelf, may_have_parcel=held < _PARCELS_EACH)
                if call.length >= LARGE:
                    check_held((len(other.buffer) for other in self._incoming.values()), what="messages under way")
            end = call.filled + len(data)
            if end > max(call.length, 0):
                raise RefusedCall(Code.INTERNAL, "a unary call has one message, expected no more data after it")
            if len(data):  # of a prefix that comes in pieces there may be nothing left
                call.buffer[call.filled : end] = data
            call.filled = end
        except RefusedCall as refused:
            self._refuse(stream, refused)

    def _on_end(self, stream: int) -> None:
        call = self._incoming.get(stream)
        if call is None:
            return
        message = call.buffer
        try:
            if self._outgoing:
                sizes = (parcel.size for parcel in self._outgoing.values())
                check_held(sizes, what="answers that it has not taken")
            if call.filled != call.length:
                raise RefusedCall(Code.INTERNAL, "the call ended before its message was complete")
            if call.compressed:
                message = memoryview(decompress(message, call.headers.window_bits))
                call.forget()
        except RefusedCall as refused:
            self._refuse(stream, refused)
            return
        del self._incoming[stream]
        end = functools.partial(self._on_reply, stream)
        exchange = Exchange(message, call.parcel, call.deadline, end, call.headers.notes)
        exchange.seen_by(self._witness, call.headers.path, call.begun)
        self._exchanges[stream] = exchange
        self._turns.take((exchange, call.handler))

    def _begin(self, call: tuple[Exchange, Handler]) -> None:
        exchange, handler = call
        if not exchange.ended:  # the client still wants it
            exchange.begin(handler)

    def _refuse(self, stream: int, refused: RefusedCall) -> None:
        """Answer a call that is still being received."""
        call = self._incoming.pop(stream)
        call.forget()
        self._send(stream, refused)
        self._witness.refused(call.headers.path, refused)

    def _on_reset(self, stream: int) -> None:
        incoming = self._incoming.pop(stream, None)
        if incoming is not None:
            incoming.forget()
        exchange = self._exchanges.get(stream)
        if exchange is not None:
            exchange.cancel()
            self._forget(stream)
        if stream in self._outgoing:
            self._on_sent(stream)

    # Answering

    def _on_reply(self, stream: int, reply: Reply) -> None:
        self._forget(stream)
        self._send(stream, reply)

    def _forget(self, stream: int) -> None:
        """Give back the memory of a call's message."""
        exchange = self._exchanges.pop(stream)
        exchange.message = memoryview(b"")
        if exchange.parcel is not None:
            exchange.parcel.release()
        if self._drained is not None and not self._exchanges:
            self._drained.set()

    def _send(self, stream: int, reply: Reply) -> None:
        if isinstance(reply, ParcelMessage):
            parcel, start, end = reply
            prefix = start - PREFIX_BYTES
            parcel.memory[prefix:start] = b"\0" + (end - start).to_bytes(4, "big")
            self._outgoing[stream] = parcel
            self._connection.answer(
                stream,
                RESPONSE_HEADERS,
                parcel.memory[prefix:end],
                OK_TRAILERS,
                functools.partial(self._on_sent, stream),
            )
        elif self._transport.is_closing():  # the client has gone
            pass
        elif isinstance(reply, RefusedCall):
            self._connection.refuse(stream, refusal_headers(reply.code, reply.details))
        else:
            prefixed = b"\0" + len(reply).to_bytes(4, "big") + reply
            self._connection.answer(stream, RESPONSE_HEADERS, prefixed, OK_TRAILERS)

    def _on_sent(self, stream: int) -> None:
        """Give back a parcel when the outbox has done with what it was given of it."""
        self._outbox.then(self._outgoing.pop(stream).release)

    # Ending

    async def drain(self) -> None:
        """Wait until every call that has been received is answered."""
        if self._exchanges:
            self._drained = self._drained or asyncio.Event()
            await self._drained.wait()

    def go_away(self) -> None:
        """Ask the client for no more calls."""
        if self._connection.open and not self._transport.is_closing():
            self._connection.go_away()

    def close(self) -> None:
        """Close the connection, after what has been written."""
        if self._outbox.is_empty:
            self._transport.close()
        else:
            self._outbox.then(self._transport.close)
