"""gRPC on one client's streams: what arrives becomes calls, each is given to its handler, and answered."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from typing import NamedTuple

from edge_agent.serving.http2.header_blocks import Headers
from edge_agent.serving.http2.transport import ClientProtocol
from edge_agent.serving.http2.turns import Turns
from edge_agent.serving.rpc.exchange import Exchange, Handler, ParcelMessage, Reply
from edge_agent.serving.rpc.framing import (
    NO_HEADERS,
    OK_TRAILERS,
    PREFIX_BYTES,
    RESPONSE_HEADERS,
    RefusedCall,
    overlong,
    read_headers,
    refusal_headers,
)
from edge_agent.serving.rpc.incoming import Incoming
from edge_agent.serving.rpc.inflation import Inflation
from edge_agent.serving.rpc.memory import check_held
from edge_agent.serving.rpc.status import Code
from edge_agent.serving.rpc.streamed import StreamedCall, Streaming
from edge_agent.serving.rpc.witness import Witness
from edge_agent.serving.workers.parcels import LARGE, Parcel, ParcelShelf

#: messages of one client that are received into parcels at once: each takes a file descriptor from all of them
_PARCELS_EACH = 16


class _Arrived(NamedTuple):
    """A call that has come whole."""

    exchange: Exchange
    handler: Handler
    #: what makes its message of what came, if that was compressed
    inflation: Inflation | None


class _Said(NamedTuple):
    """A message of a call that goes on; None for its end."""

    call: StreamedCall
    message: bytes | None


class Calls:
    """The calls of one client."""

    def __init__(
        self,
        client: ClientProtocol[Calls],
        handlers: Mapping[bytes, Handler | Streaming],
        shelf: ParcelShelf,
        witness: Witness,
    ) -> None:
        """Serve the handlers, by path, with memory for messages from `shelf`; `witness` is told how calls end."""
        self._client, self._handlers, self._shelf, self._witness = client, handlers, shelf, witness
        self._incoming: dict[int, Incoming] = {}
        self._exchanges: dict[int, Exchange] = {}
        self._streamed: dict[int, StreamedCall] = {}
        #: messages that came compressed
        self._inflations: dict[int, Inflation] = {}
        #: parcels whose content is being sent
        self._outgoing: dict[int, Parcel] = {}
        self._drained: asyncio.Event | None = None
        self._last_headers: Headers | None = None
        self._last_read = NO_HEADERS
        self._turns = Turns(self._begin)
        self.on_turn = self._turns.renew

    # Receiving

    def on_headers(self, stream: int, headers: Headers) -> None:
        """See StreamReceiver."""
        try:
            # The calls of a client differ in nothing, as a rule, and the connection then gives the same list again.
            read = self._last_read if headers is self._last_headers else read_headers(headers)
            self._last_headers, self._last_read = headers, read
            handler = self._handlers.get(read.path)
            if handler is None:
                raise self._unknown(read.path)
        except RefusedCall as refused:
            self._send(stream, refused)
            self._witness.refused(dict(headers).get(b":path", b""), refused)
            return
        if isinstance(handler, Streaming):
            over = functools.partial(self._on_over, read.path)
            call = StreamedCall(stream, self._client.connection, read, self._client.then, over)
            self._streamed[stream] = call
            handler.begin(call)
        else:
            self._incoming[stream] = Incoming(read, handler)

    def _on_over(self, path: bytes, stream: int, refused: RefusedCall | None, cancelled: bool) -> None:
        self._streamed.pop(stream, None)
        self._witness.streamed(path, refused, cancelled=cancelled)

    def _unknown(self, path: bytes) -> RefusedCall:
        methods = ", ".join(sorted(path.decode() for path in self._handlers))
        shown = path[:200].decode(errors="replace")
        return RefusedCall(Code.UNIMPLEMENTED, f"there is no method {shown}, expected one of {methods}")

    def on_overlong(self, stream: int, size: int) -> None:
        """See StreamReceiver."""
        refused = overlong(size)
        self._send(stream, refused)
        self._witness.refused(b"", refused)

    def on_data(self, stream: int, data: memoryview) -> None:
        """See StreamReceiver."""
        call = self._incoming.get(stream)
        if call is None:
            self._hear(stream, data)
            return
        try:
            if call.length < 0:
                held = sum(other.parcel is not None for other in self._incoming.values())
                data = call.take_prefix(data, self._shelf, may_have_parcel=held < _PARCELS_EACH)
                if call.length >= LARGE:
                    self._check_held()
            call.take(data)
        except RefusedCall as refused:
            self._refuse(stream, refused)

    def _hear(self, stream: int, data: memoryview) -> None:
        """Take data of a call that goes on; its messages have their turns as calls have."""
        call = self._streamed.get(stream)
        if call is not None:
            try:
                for message in call.take(data):
                    self._turns.take(_Said(call, message))
            except RefusedCall as refused:
                call.refuse(refused)

    def _check_held(self) -> None:
        sizes = [len(call.buffer) for call in self._incoming.values()]
        check_held([*sizes, *(inflation.held for inflation in self._inflations.values())], what="messages under way")

    def room(self, stream: int, count: int) -> memoryview | None:
        """See ClientReceiver."""
        call = self._incoming.get(stream)
        if call is None or call.filled >= call.length:
            return None
        return call.buffer[call.filled : call.filled + count]

    def on_filled(self, stream: int, count: int) -> None:
        """See ClientReceiver."""
        self._incoming[stream].filled += count

    def awaits_much(self) -> bool:
        """See ClientReceiver."""
        return any(call.length >= LARGE for call in self._incoming.values()) if self._incoming else False

    def on_end(self, stream: int) -> None:
        """See StreamReceiver."""
        call = self._incoming.get(stream)
        if call is None:
            if stream in self._streamed:
                self._turns.take(_Said(self._streamed[stream], None))
            return
        try:
            if self._outgoing:
                sizes = (parcel.size for parcel in self._outgoing.values())
                check_held(sizes, what="answers that it has not taken")
            if call.filled != call.length:
                raise RefusedCall(Code.INTERNAL, "the call ended before its message was complete")
        except RefusedCall as refused:
            self._refuse(stream, refused)
            return
        del self._incoming[stream]
        inflation = None
        if call.compressed:
            inflation = self._inflations[stream] = Inflation(call.buffer, call.headers.window_bits, self._shelf)
        end = functools.partial(self._on_reply, stream)
        exchange = Exchange(call.buffer, call.parcel, call.deadline, end, call.headers.notes)
        exchange.seen_by(self._witness, call.headers, call.begun)
        self._exchanges[stream] = exchange
        self._turns.take(_Arrived(exchange, call.handler, inflation))

    def _begin(self, arrived: _Arrived | _Said) -> bool:
        """Give a call to its handler, and return whether its message needs another turn for that."""
        if isinstance(arrived, _Said):
            call, message = arrived
            if message is None:
                call.on_half_closed()
            elif not call.ended:
                call.waiting -= 1
                call.on_message(message)
            return False
        exchange, handler, inflation = arrived
        if exchange.ended:  # the client does not want it any more
            return False
        if inflation is not None:
            try:
                self._check_held()
                if inflation.step():
                    return True
            except RefusedCall as refused:
                exchange.refuse(refused)
                return False
            assert inflation.message is not None
            exchange.message, exchange.parcel = inflation.message, inflation.parcel
            inflation.parcel = None  # the exchange's now
        exchange.begin(handler)
        return False

    def _refuse(self, stream: int, refused: RefusedCall) -> None:
        """Answer a call that is still being received."""
        call = self._incoming.pop(stream)
        call.forget()
        self._send(stream, refused)
        self._witness.refused(call.headers.path, refused)

    def on_reset(self, stream: int) -> None:
        """See StreamReceiver."""
        incoming = self._incoming.pop(stream, None)
        if incoming is not None:
            incoming.forget()
        if stream in self._streamed:
            self._streamed[stream].cancel()
        exchange = self._exchanges.get(stream)
        if exchange is not None:
            exchange.cancel()
            self._forget(stream)
        if stream in self._outgoing:
            self._witness.untaken(self._outgoing[stream].size)
            self._on_sent(stream)

    def on_lost(self) -> None:
        """See ClientReceiver."""
        for stream in list(self._outgoing):
            self._on_sent(stream)
        for stream in [*self._incoming, *self._exchanges, *self._streamed]:
            self.on_reset(stream)

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
        if self._inflations:
            inflation = self._inflations.pop(stream, None)
            if inflation is not None:
                inflation.forget()
        if self._drained is not None and not self._exchanges:
            self._drained.set()

    def _send(self, stream: int, reply: Reply) -> None:
        connection = self._client.connection
        if isinstance(reply, ParcelMessage):
            parcel, start, end = reply
            prefix = start - PREFIX_BYTES
            parcel.memory[prefix:start] = b"\0" + (end - start).to_bytes(4, "big")
            self._outgoing[stream] = parcel
            connection.answer(
                stream,
                RESPONSE_HEADERS,
                parcel.memory[prefix:end],
                OK_TRAILERS,
                functools.partial(self._on_sent, stream),
            )
        elif self._client.is_closing:  # the client has gone
            pass
        elif isinstance(reply, RefusedCall):
            connection.refuse(stream, refusal_headers(reply, connection.max_header_list))
        else:
            prefixed = b"\0" + len(reply).to_bytes(4, "big") + reply
            connection.answer(stream, RESPONSE_HEADERS, prefixed, OK_TRAILERS)

    def _on_sent(self, stream: int) -> None:
        """Give back a parcel when the outbox has done with what it was given of it."""
        self._client.then(self._outgoing.pop(stream).release)

    # Ending

    async def drain(self) -> None:
        """Wait until every call that has been received is answered."""
        if self._exchanges:
            self._drained = self._drained or asyncio.Event()
            await self._drained.wait()
        for call in list(self._streamed.values()):  # they would never end by themselves
            call.refuse(RefusedCall(Code.UNAVAILABLE, "the agent ends"))
