"""A call that goes on: its client may say more, and is answered piece by piece, until one side ends it."""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from edge_agent.serving.http2.connection import Connection
from edge_agent.serving.rpc.framing import (
    OK_TRAILERS,
    PREFIX_BYTES,
    RESPONSE_HEADERS,
    CallHeaders,
    RefusedCall,
    refusal_headers,
    trailers_of,
)
from edge_agent.serving.rpc.status import Code

#: bytes of a message of such a call; the pictures come in others
_MOST_BYTES = 1 << 16
#: messages of a client that wait for their turn, and answers that it has not taken
_MOST_WAITING = 256


class Streaming(NamedTuple):
    """What a handler of such calls is."""

    begin: Callable[[StreamedCall], None]


class StreamedCall:
    """One such call. What becomes of it is told to what its handler has put into `on_…`."""

    def __init__(
        self,
        stream: int,
        connection: Connection,
        headers: CallHeaders,
        then: Callable[[Callable[[], None]], None],
        over: Callable[[int, RefusedCall | None, bool], None],
    ) -> None:
        """`then` calls a function when what was said before has gone.

        `over` is told when the call has ended: with the status that refused it, if one did, and whether it was the
        client that went away.
        """
        self._stream, self._connection, self._headers = stream, connection, headers
        self._then, self._over = then, over
        self._received = bytearray()
        self._answers: deque[bytes] = deque()
        self._begun = self._sending = False
        self.ended = False
        #: messages that have arrived and not been given to `on_message`
        self.waiting = 0
        #: a message of the client
        self.on_message: Callable[[bytes], None] = lambda message: None
        #: the client has no more to say
        self.on_half_closed: Callable[[], None] = lambda: None
        #: the client has taken all that was sent
        self.on_taken: Callable[[], None] = lambda: None
        #: the call is over, whoever has ended it
        self.on_over: Callable[[], None] = lambda: None
        self._timer: asyncio.TimerHandle | None = None
        if headers.timeout is not None:
            late = RefusedCall(Code.DEADLINE_EXCEEDED, "the call's deadline has passed")
            self._timer = asyncio.get_running_loop().call_later(headers.timeout, self.refuse, late)

    @property
    def is_sending(self) -> bool:
        """Whether the client has not taken all that was sent."""
        return self._sending

    def take(self, data: memoryview) -> Iterator[bytes]:
        """Take what has arrived, and give the messages that are whole; RefusedCall for those that are not taken."""
        self._received += data
        while len(self._received) >= PREFIX_BYTES:
            length = int.from_bytes(self._received[1:PREFIX_BYTES], "big")
            if length > _MOST_BYTES or self.waiting >= _MOST_WAITING:
                raise RefusedCall(
                    Code.RESOURCE_EXHAUSTED,
                    f"a message of {length} bytes with {self.waiting} before it, expected {_MOST_BYTES} bytes and "
                    f"{_MOST_WAITING} messages at most",
                )
            if len(self._received) < PREFIX_BYTES + length:
                return
            message, compressed = bytes(self._received[PREFIX_BYTES : PREFIX_BYTES + length]), self._received[0]
            del self._received[: PREFIX_BYTES + length]
            self.waiting += 1
            yield self._inflated(message) if compressed else message

    def _inflated(self, message: bytes) -> bytes:
        inflater = zlib.decompressobj(self._headers.window_bits or 15)
        try:
            inflated = inflater.decompress(message, _MOST_BYTES)
        except zlib.error as error:
            raise RefusedCall(Code.INTERNAL, f"the message can't be decompressed: {error}") from None
        if not inflater.eof:
            raise RefusedCall(Code.RESOURCE_EXHAUSTED, f"the message has more than {_MOST_BYTES} bytes, decompressed")
        return inflated

    def send(self, message: bytes) -> None:
        """Send a message, after those before; a client that takes none is refused when too many wait for it."""
        if self.ended:
            return
        self._answers.append(b"\0" + len(message).to_bytes(4, "big") + message)
        if len(self._answers) > _MOST_WAITING:
            self.refuse(
                RefusedCall(Code.RESOURCE_EXHAUSTED, f"{_MOST_WAITING} answers wait for this client to take them")
            )
        elif not self._sending:
            self._send_next()

    def _send_next(self) -> None:
        if not self._begun:
            self._begun = True
            self._connection.begin(self._stream, RESPONSE_HEADERS)
        self._sending = True
        self._connection.send(self._stream, self._answers.popleft(), self._on_queued)

    def _on_queued(self) -> None:
        self._then(self._on_sent)

    def _on_sent(self) -> None:
        self._sending = False
        if self.ended:
            return
        if self._answers:
            self._send_next()
        else:
            self.on_taken()

    def finish(self) -> None:
        """End the call well, when nothing waits to be sent."""
        self._end(OK_TRAILERS)

    def refuse(self, refused: RefusedCall) -> None:
        """End the call with a status."""
        if not self.ended and not self._begun:
            self._connection.refuse(self._stream, refusal_headers(refused, self._connection.max_header_list))
            self._close(refused)
        else:
            self._end(trailers_of(refused, self._connection.max_header_list), refused)

    def _end(self, trailers: bytes, refused: RefusedCall | None = None) -> None:
        if self.ended:
            return
        if not self._begun:
            self._connection.begin(self._stream, RESPONSE_HEADERS)
        self._connection.end(self._stream, trailers)
        self._close(refused)

    def cancel(self) -> None:
        """End the call without a word: its client has gone, or wants no more of it."""
        self._close(None, cancelled=True)

    def _close(self, refused: RefusedCall | None, *, cancelled: bool = False) -> None:
        if not self.ended:
            self.ended = True
            self._answers.clear()
            if self._timer is not None:
                self._timer.cancel()
            self._over(self._stream, refused, cancelled)
            self.on_over()
