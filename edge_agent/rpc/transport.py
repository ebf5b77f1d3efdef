"""The shell around a Connection: an asyncio protocol that reads the socket, and runs one task for each call."""

from __future__ import annotations

import asyncio
import functools
import logging
import mmap
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from edge_agent.errors import EdgeAgentError
from edge_agent.rpc.connection import Connection, Handlers, Headers
from edge_agent.rpc.frames import ProtocolError
from edge_agent.rpc.framing import (
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
from edge_agent.rpc.messages import Lend
from edge_agent.rpc.outbox import Outbox, Told
from edge_agent.rpc.status import Code, code_of

log = logging.getLogger(__name__)

#: Answers a message, or raises an EdgeAgentError; the deadline is in seconds of the monotonic clock. The message is
#: valid until the answer is there. A large answer is written into memory that is lent for it.
Handler = Callable[[memoryview, float | None, Lend], Awaitable[bytes | memoryview]]

_READ_BYTES = 1 << 18
#: message buffers of these sizes are kept for the next call, since making one costs more than filling it; larger ones
#: would hold too much memory for each idle connection
_KEEP_FROM, _KEEP_TO = 1 << 16, 1 << 24


class _Call:
    """A call that is being received or answered."""

    __slots__ = (
        "buffer",
        "compressed",
        "deadline",
        "filled",
        "handler",
        "headers",
        "length",
        "lent",
        "prefix",
        "task",
    )

    def __init__(self, headers: CallHeaders, handler: Handler) -> None:
        self.headers, self.handler = headers, handler
        self.deadline = None if headers.timeout is None else time.monotonic() + headers.timeout
        self.prefix = bytearray()
        self.length = -1  # of the message, once its prefix is there
        self.compressed = False
        self.buffer: bytearray | mmap.mmap = bytearray()
        self.filled = 0
        self.lent: mmap.mmap | None = None
        self.task: asyncio.Task[None] | None = None


class ClientProtocol(asyncio.BufferedProtocol):
    """One client's connection."""

    def __init__(self, handlers: Mapping[bytes, Handler], clients: set[ClientProtocol]) -> None:
        """Serve `handlers` by path; `clients` is where this connection is registered while it lasts."""
        self._handlers, self._clients = handlers, clients
        self._calls: dict[int, _Call] = {}
        self._received = bytearray(_READ_BYTES)
        self._view = memoryview(self._received)
        self._spare: bytearray | mmap.mmap | None = None
        self._spare_answer: mmap.mmap | None = None
        self._loop = asyncio.get_running_loop()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._clients.add(self)
        # The client that does not read its answers: its calls are not read either.
        told = Told(self._transport.pause_reading, self._on_drained, self._transport.close)
        self._outbox = Outbox(self._transport.get_extra_info("socket").fileno(), told)
        handlers = Handlers(self._on_headers, self._on_data, self._on_end, self._on_reset)
        self._connection = Connection(self._outbox.write, handlers)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.discard(self)
        self._outbox.close()
        for stream in list(self._calls):
            self._on_reset(stream)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        try:
            self._connection.receive(self._view[:nbytes])
        except ProtocolError as error:
            log.info("a client was disconnected: %s", error)
            self.close()

    def _on_drained(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # The connection's side

    def _on_headers(self, stream: int, headers: Headers) -> None:
        try:
            read = read_headers(headers)
            handler = self._handlers.get(read.path)
            if handler is None:
                raise RefusedCall(Code.UNIMPLEMENTED, f"there is no method {read.path[:200].decode(errors='replace')}")
        except RefusedCall as refused:
            self._refuse(stream, refused.code, refused.details)
            return
        self._calls[stream] = _Call(read, handler)

    def _on_data(self, stream: int, data: memoryview) -> None:
        call = self._calls.get(stream)
        if call is None:
            return
        try:
            if call.length < 0:
                data = self._take_prefix(call, data)
            end = call.filled + len(data)
            if end > max(call.length, 0):
                raise RefusedCall(Code.INTERNAL, "a unary call has one message, expected no more data after it")
            call.buffer[call.filled : end] = data
            call.filled = end
        except RefusedCall as refused:
            self._drop(stream)
            self._refuse(stream, refused.code, refused.details)

    def _take_prefix(self, call: _Call, data: memoryview) -> memoryview:
        missing = PREFIX_BYTES - len(call.prefix)
        call.prefix += data[:missing]
        if len(call.prefix) == PREFIX_BYTES:
            call.length, call.compressed = read_prefix(bytes(call.prefix), call.headers)
            if self._spare is not None and len(self._spare) >= call.length:
                call.buffer, self._spare = self._spare, None
            else:
                # Large ones are mapped: their pages take memory only when data arrives, whatever length was announced.
                call.buffer = mmap.mmap(-1, call.length) if call.length >= _KEEP_FROM else bytearray(call.length)
        return data[missing:]

    def _on_end(self, stream: int) -> None:
        call = self._calls.get(stream)
        if call is None:
            return
        if call.filled != call.length:
            self._drop(stream)
            self._refuse(stream, Code.INTERNAL, "the call ended before its message was complete")
            return
        call.task = self._loop.create_task(self._answer(stream, call))

    def _on_reset(self, stream: int) -> None:
        call = self._calls.pop(stream, None)
        if call is not None and call.task is not None:
            call.task.cancel()

    # Answering

    async def _answer(self, stream: int, call: _Call) -> None:
        message = memoryview(call.buffer)[: call.length]
        try:
            if call.compressed:
                message = memoryview(decompress(message, call.headers.window_bits))
            answer = await call.handler(message, call.deadline, functools.partial(self._lend, call))
            prefix = b"\0" + len(answer).to_bytes(4, "big")
            if call.lent is None:
                self._connection.answer(stream, RESPONSE_HEADERS, prefix + answer, OK_TRAILERS)
            else:
                self._answer_lent(stream, call.lent, prefix, len(answer))
        except EdgeAgentError as error:
            self._refuse(stream, code_of(error), str(error))
        except RefusedCall as refused:
            self._refuse(stream, refused.code, refused.details)
        except asyncio.CancelledError:
            self._refuse(stream, Code.UNAVAILABLE, "the agent ends")
            raise
        except Exception as error:
            log.exception("a defect of the agent")
            self._refuse(stream, Code.UNKNOWN, f"a defect of the agent: {type(error).__name__}")
        finally:
            message.release()
            self._drop(stream)

    def _lend(self, call: _Call, size: int) -> memoryview:
        """Give memory for an answer, behind room for its prefix."""
        spare, self._spare_answer = self._spare_answer, None
        if spare is None or len(spare) < PREFIX_BYTES + size:
            spare = mmap.mmap(-1, PREFIX_BYTES + size)
        call.lent = spare
        return memoryview(spare)[PREFIX_BYTES : PREFIX_BYTES + size]

    def _answer_lent(self, stream: int, lent: mmap.mmap, prefix: bytes, size: int) -> None:
        """Send an answer from the memory that was lent for it, and keep that for the next when the answer has gone."""
        lent[:PREFIX_BYTES] = prefix

        def keep() -> None:
            if self._spare_answer is None and len(lent) <= _KEEP_TO:
                self._spare_answer = lent

        data = memoryview(lent)[: PREFIX_BYTES + size]
        self._connection.answer(stream, RESPONSE_HEADERS, data, OK_TRAILERS, lambda: self._outbox.then(keep))

    def _refuse(self, stream: int, code: Code, details: str) -> None:
        if self._transport.is_closing():  # the client has gone
            return
        self._connection.refuse(stream, refusal_headers(code, details))

    def _drop(self, stream: int) -> None:
        """Forget a call, and keep its buffer for the next."""
        call = self._calls.pop(stream, None)
        if call is not None and _KEEP_FROM <= len(call.buffer) <= _KEEP_TO and self._spare is None:
            self._spare = call.buffer

    # Ending

    @property
    def calls(self) -> list[asyncio.Task[None]]:
        """The calls that are being answered."""
        return [call.task for call in self._calls.values() if call.task is not None]

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
