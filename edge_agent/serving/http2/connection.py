"""One client's HTTP/2 connection, as much of RFC 9113 as gRPC uses, without I/O: bytes in, calls out, and bytes out.

The agent speaks HTTP/2 itself because the way of a picture is what it is measured by. gRPC's own server hands each call
from thread to thread and copies a message several times; here the event loop that talks to the workers reads the socket
as well, and a message is put together once, in a buffer that is kept. docs/performance.md has the figures. Header
compression is the library hpack's.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple, Protocol

import hpack

from edge_agent.serving.http2.frames import (
    ACK,
    DEFAULT_MAX_FRAME,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    HEADER_BYTES,
    MAX_WINDOW,
    PADDED,
    PREFACE,
    PRIORITY,
    ErrorCode,
    Frame,
    ProtocolError,
    Setting,
    frame_head,
    goaway_frame,
    headers_frame,
    read_head,
    settings_frame,
    word_frame,
)

#: streams that a client may have open; it keeps further calls back by itself
MAX_STREAMS = 256
#: the largest frame that we take: one large frame costs less than many small ones
_MAX_FRAME = 1 << 20
_MAX_HEADER_BLOCK = 1 << 16
#: PING and SETTINGS that a client may send at once: each is answered, and nobody needs many
_MAX_ASIDES = 100
#: what a client may send before we say that we have taken it; replenished long before it runs out
_CONNECTION_WINDOW = 1 << 30
_STREAM_WINDOW = 1 << 27

_SETTINGS = {
    Setting.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
    Setting.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
    Setting.MAX_FRAME_SIZE: _MAX_FRAME,
    Setting.MAX_HEADER_LIST_SIZE: _MAX_HEADER_BLOCK,
}

#: an answer up to this size is put together with its frames, in one piece
_SMALL = 1 << 16

Headers = list[tuple[bytes, bytes]]


class Write(Protocol):
    """Where bytes for the client go."""

    def __call__(self, *parts: bytes | memoryview) -> None: ...


class Handlers(NamedTuple):
    """Whom a connection tells what arrives; `stream` is the number of the call."""

    #: a call begins
    on_headers: Callable[[int, Headers], None]
    #: a piece of its message, as it arrives; valid only while it is told
    on_data: Callable[[int, memoryview], None]
    #: the client has said all
    on_end: Callable[[int], None]
    #: the client does not want the answer any more
    on_reset: Callable[[int], None]


class _Outgoing:
    """What is still to be sent on a stream: data, as far as the windows allow, then the trailers."""

    __slots__ = ("data", "on_queued", "trailers", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        self.data = memoryview(b"")
        self.on_queued: Callable[[], None] | None = None
        self.trailers: bytes | None = None


class Connection:
    """The server's side of one connection."""

    def __init__(self, write: Write, handlers: Handlers) -> None:
        """`write` takes bytes for the client, in one piece or several; they are complete frames."""
        self._write, self._handlers = write, handlers
        self._partial = bytearray()
        self._greeted = False
        # The DATA frame that is being received: its stream and flags, and what is still to come of it.
        self._data_stream, self._data_flags, self._data_left, self._padding_left = 0, 0, 0, 0
        self._decoder = hpack.Decoder(max_header_list_size=_MAX_HEADER_BLOCK)
        self._last_block: bytes | None = None
        self._last_headers: Headers = []
        self._block = bytearray()
        self._block_of = 0  # the stream whose header block goes on in CONTINUATION frames
        self._block_ends = False
        self._last_stream = 0
        self._taken = 0  # bytes of data received since the connection's window was last replenished
        self._window, self._initial_window, self._max_frame = DEFAULT_WINDOW, DEFAULT_WINDOW, DEFAULT_MAX_FRAME
        self._streams: dict[int, _Outgoing] = {}
        self._receiving: set[int] = set()  # streams on which the client has not ended its side
        self._held: dict[int, None] = {}  # streams that wait for the connection's window, the first first
        self._asides = 0
        self.open = True
        write(settings_frame(_SETTINGS) + word_frame(Frame.WINDOW_UPDATE, 0, _CONNECTION_WINDOW - DEFAULT_WINDOW))

    # Receiving

    def receive(self, data: memoryview) -> None:
        """Take bytes from the client, in pieces of any size.

        Raises:
            ProtocolError: the client broke the protocol; it has been told so, and the connection is to be closed.
        """
        self._asides = 0
        try:
            if self._partial:
                self._partial += data
                whole = self._partial
                with memoryview(whole) as view:
                    used = self._receive_frames(view)
                del whole[:used]
            else:
                used = self._receive_frames(data)
                self._partial += data[used:]
        except ProtocolError as error:
            self.open = False
            self._write(goaway_frame(self._last_stream, error.code, str(error)))
            raise

    def _receive_frames(self, view: memoryview) -> int:
        """Handle the complete frames in a buffer and return how many of its bytes they are."""
        position, size = 0, len(view)
        if not self._greeted:
            given = min(size, len(PREFACE))
            if bytes(view[:given]) != PREFACE[:given]:
                raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "this is not an HTTP/2 client")
            if given < len(PREFACE):
                return 0
            self._greeted, position = True, given
        while True:
            if self._data_left or self._padding_left:
                position += self._receive_payload(view[position:])
                if self._data_left or self._padding_left:
                    return position
            if size - position < HEADER_BYTES:
                return position
            length, kind, flags, stream = read_head(view, position)
            if length > _MAX_FRAME:
                raise ProtocolError(
                    ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} bytes, expected {_MAX_FRAME} at most"
                )
            payload = position + HEADER_BYTES
            if kind == Frame.DATA:  # may be large: taken as it arrives, never collected here
                padded = bool(flags & PADDED and length)
                if size - payload < padded:
                    return position
                self._begin_data(flags, stream, length, view[payload] if padded else None)
                position = payload + padded
                continue
            if payload + length > size:
                return position
            self._handle(kind, flags, stream, view[payload : payload + length])
            position = payload + length

    def _begin_data(self, flags: int, stream: int, length: int, padding: int | None) -> None:
        """Take the head of a DATA frame of `length` bytes, the first of which may say how much of it is padding."""
        if self._block_of:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "a header block was interrupted")
        if stream == 0 or stream > self._last_stream:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "DATA on a stream that was never opened")
        if flags & PADDED and (padding is None or padding >= length):
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "more padding than frame")
        # Windows are large and replenished on arrival: what bounds memory is the size of a message and the number of
        # streams. A window that closed while several messages are half there would never open again.
        self._taken += length
        if self._taken > _CONNECTION_WINDOW // 4:
            self._write(word_frame(Frame.WINDOW_UPDATE, 0, self._taken))
            self._taken = 0
        self._data_stream, self._data_flags = stream, flags
        self._data_left, self._padding_left = length, 0
        if padding is not None:
            self._data_left, self._padding_left = length - 1 - padding, padding
        self._end_data()

    def _receive_payload(self, view: memoryview) -> int:
        """Take what has arrived of a DATA frame's payload and padding, and return how many bytes that is."""
        used = min(len(view), self._data_left)
        if used:
            self._data_left -= used
            if self._data_stream in self._receiving:  # else answered or reset already: what was under way is dropped
                self._handlers.on_data(self._data_stream, view[:used])
        skipped = min(len(view) - used, self._padding_left)
        self._padding_left -= skipped
        self._end_data()
        return used + skipped

    def _end_data(self) -> None:
        """End the stream if the DATA frame that was its last has arrived whole."""
        if not self._data_left and not self._padding_left and self._data_flags & END_STREAM:
            self._on_end(self._data_stream)

    @property
    def expected(self) -> tuple[int, int]:
        """The stream of the DATA frame under way, and how many bytes of its message come next; (0, 0) for none.

        The shell may read so many bytes, or fewer, from the client to where they belong, and say so with `received`.
        """
        if self._data_left and self._data_stream in self._receiving:
            return self._data_stream, self._data_left
        return 0, 0

    def received(self, count: int) -> None:
        """Take note that the shell has read `count` of the bytes that were `expected`."""
        self._data_left -= count
        self._end_data()

    def _handle(self, kind: int, flags: int, stream: int, payload: memoryview) -> None:
        if self._block_of and (kind != Frame.CONTINUATION or stream != self._block_of):
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "a header block was interrupted")
        if kind == Frame.HEADERS:
            self._on_headers(flags, stream, payload)
        elif kind == Frame.CONTINUATION:
            self._on_continuation(flags, payload)
        elif kind == Frame.WINDOW_UPDATE:
            self._on_window_update(stream, payload)
        elif kind == Frame.RST_STREAM:
            self._on_reset(stream, payload)
        elif kind == Frame.SETTINGS:
            self._count_aside()
            self._on_settings(flags, stream, payload)
        elif kind == Frame.PING:
            self._count_aside()
            if len(payload) != 8 or stream:
                raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, "a PING that is not 8 bytes on stream 0")
            if not flags & ACK:
                self._write(frame_head(Frame.PING, ACK, 0, 8) + payload)
        elif kind == Frame.PUSH_PROMISE:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "a client can't push")
        # PRIORITY, GOAWAY (the client still wants its answers) and frames of unknown types need nothing.

    def _count_aside(self) -> None:
        self._asides += 1
        if self._asides > _MAX_ASIDES:
            raise ProtocolError(ErrorCode.ENHANCE_YOUR_CALM, f"more than {_MAX_ASIDES} PING and SETTINGS at once")

    def _on_end(self, stream: int) -> None:
        """The client has ended its side, unless the stream has been answered or reset meanwhile."""
        if stream in self._receiving:
            self._receiving.discard(stream)
            self._handlers.on_end(stream)

    def _on_headers(self, flags: int, stream: int, payload: memoryview) -> None:
        payload = _unpadded(flags, payload)
        if flags & PRIORITY:
            payload = payload[5:]
        if stream % 2 == 0:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, f"a client can't open stream {stream}")
        _check_header_bytes(len(payload))
        self._block_ends = bool(flags & END_STREAM)
        if flags & END_HEADERS:
            self._on_header_block(stream, bytes(payload))
        else:
            self._block_of, self._block = stream, bytearray(payload)

    def _on_continuation(self, flags: int, payload: memoryview) -> None:
        if not self._block_of:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "CONTINUATION of nothing")
        self._block += payload
        if not payload:
            raise ProtocolError(ErrorCode.ENHANCE_YOUR_CALM, "a CONTINUATION of no bytes")
        _check_header_bytes(len(self._block))
        if flags & END_HEADERS:
            stream, self._block_of = self._block_of, 0
            self._on_header_block(stream, bytes(self._block))

    def _on_header_block(self, stream: int, block: bytes) -> None:
        headers = self._decode(block)  # in any case: it belongs to the compression's state
        if stream <= self._last_stream:  # trailers of the client, which gRPC does not use, or of a finished stream
            if self._block_ends:
                self._on_end(stream)
            return
        self._last_stream = stream
        if len(self._streams) >= MAX_STREAMS:
            self._write(word_frame(Frame.RST_STREAM, stream, ErrorCode.REFUSED_STREAM))
            return
        self._streams[stream] = _Outgoing(self._initial_window)
        self._receiving.add(stream)
        self._handlers.on_headers(stream, headers)
        if self._block_ends:
            self._on_end(stream)

    def _decode(self, block: bytes) -> Headers:
        """Decompress a header block.

        The calls of a client differ in nothing, or only in the deadline: a block of nothing but references to the
        table (each a byte from 0x80 up, RFC 7541, 6.1) means the same again as long as no other block, which might have
        changed the table, came between.
        """
        if block == self._last_block:
            return self._last_headers
        try:
            headers = [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        except hpack.HPACKError as error:
            raise ProtocolError(ErrorCode.COMPRESSION_ERROR, f"headers can't be decoded: {error}") from None
        only_references = bool(block) and min(block) >= 0x80
        self._last_block, self._last_headers = (block, headers) if only_references else (None, [])
        return headers

    def _on_reset(self, stream: int, payload: memoryview) -> None:
        if len(payload) != 4 or stream == 0 or stream > self._last_stream:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "RST_STREAM of a stream that was never opened")
        self._receiving.discard(stream)
        self._held.pop(stream, None)
        if self._streams.pop(stream, None) is not None:
            self._handlers.on_reset(stream)

    def _on_settings(self, flags: int, stream: int, payload: memoryview) -> None:
        if stream or len(payload) % 6 or (flags & ACK and payload):
            raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, "malformed SETTINGS")
        if flags & ACK:
            return
        wanted = self._initial_window
        for key, value in struct.iter_unpack(">HI", payload):
            if key == Setting.INITIAL_WINDOW_SIZE:
                if value > MAX_WINDOW:
                    raise ProtocolError(ErrorCode.FLOW_CONTROL_ERROR, "a window larger than 2^31-1")
                wanted = value
            elif key == Setting.MAX_FRAME_SIZE:
                if not DEFAULT_MAX_FRAME <= value < 1 << 24:
                    raise ProtocolError(ErrorCode.PROTOCOL_ERROR, f"a largest frame of {value} bytes")
                self._max_frame = value
        self._write(frame_head(Frame.SETTINGS, ACK, 0, 0))
        change, self._initial_window = wanted - self._initial_window, wanted
        if change:  # once, however often the frame says it
            for outgoing in self._streams.values():
                outgoing.window += change
        if change > 0:
            for number in [number for number, outgoing in self._streams.items() if outgoing.trailers is not None]:
                self._pump(number)

    def _on_window_update(self, stream: int, payload: memoryview) -> None:
        if len(payload) != 4:
            raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, "malformed WINDOW_UPDATE")
        increment = int.from_bytes(payload, "big") & MAX_WINDOW
        if stream == 0:
            self._window += increment
            if increment == 0 or self._window > MAX_WINDOW:
                raise ProtocolError(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window overflowed")
            self._pump_held()
        elif stream > self._last_stream:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of a stream that was never opened")
        elif stream in self._streams:
            self._streams[stream].window += increment
            if increment == 0 or self._streams[stream].window > MAX_WINDOW:
                self.reset(stream, ErrorCode.FLOW_CONTROL_ERROR)
                self._handlers.on_reset(stream)
            else:
                self._pump(stream)

    # Sending

    def answer(
        self,
        stream: int,
        headers: bytes,
        data: bytes | memoryview,
        trailers: bytes,
        on_queued: Callable[[], None] | None = None,
    ) -> None:
        """Send headers, data and trailers (header blocks, compressed) on a stream, which ends with them.

        `data` may be large: it is written from where it lies, and `on_queued` called when the last of it has been given
        to `write`.
        """
        outgoing = self._streams.get(stream)
        if outgoing is None:  # the client has reset it
            return
        length = len(data)
        if length <= min(outgoing.window, self._window, self._max_frame, _SMALL):
            self._window -= length
            self._write(
                headers_frame(stream, headers)
                + frame_head(Frame.DATA, 0, stream, length)
                + bytes(data)
                + headers_frame(stream, trailers, END_STREAM)
            )
            if on_queued is not None:
                on_queued()
            self._finish(stream)
            return
        self._write(headers_frame(stream, headers))
        outgoing.data, outgoing.trailers, outgoing.on_queued = memoryview(data), trailers, on_queued
        self._pump(stream)

    def refuse(self, stream: int, trailers: bytes) -> None:
        """End a stream with nothing but trailers."""
        if stream in self._streams:
            self._write(headers_frame(stream, trailers, END_STREAM))
            self._finish(stream)

    def reset(self, stream: int, code: ErrorCode) -> None:
        """End a stream without an answer."""
        if self._streams.pop(stream, None) is not None:
            self._receiving.discard(stream)
            self._held.pop(stream, None)
            self._write(word_frame(Frame.RST_STREAM, stream, code))

    def go_away(self) -> None:
        """Tell the client to make no further calls here."""
        self._write(goaway_frame(self._last_stream, ErrorCode.NO_ERROR, "the agent ends"))

    def abandon(self) -> None:
        """Forget what was still to be sent: the client has gone."""
        self._streams.clear()
        self._receiving.clear()

    def _finish(self, stream: int) -> None:
        del self._streams[stream]
        self._held.pop(stream, None)
        if stream in self._receiving:  # answered before the client had said all: it need not go on
            self._receiving.discard(stream)
            self._write(word_frame(Frame.RST_STREAM, stream, ErrorCode.NO_ERROR))

    def _pump_held(self) -> None:
        """Go on with what waits for the connection's window: a client may open it in steps of a byte."""
        while self._held and self._window > 0:
            stream = next(iter(self._held))
            self._pump(stream)
            if self._window > 0:  # it has ended, or waits for its own window
                self._held.pop(stream, None)

    def _pump(self, stream: int) -> None:
        """Send of a stream's data what the windows allow, and the trailers after the last of it."""
        outgoing = self._streams[stream]
        if outgoing.trailers is None:
            return
        parts: list[bytes | memoryview] = []
        while outgoing.data:
            size = min(len(outgoing.data), outgoing.window, self._window, self._max_frame)
            if size <= 0:
                break
            outgoing.window -= size
            self._window -= size
            parts += (frame_head(Frame.DATA, 0, stream, size), outgoing.data[:size])
            outgoing.data = outgoing.data[size:]
        ended = not outgoing.data
        if ended:
            parts.append(headers_frame(stream, outgoing.trailers, END_STREAM))
        if parts:
            self._write(*parts)
        if not ended:
            if outgoing.window > 0:
                self._held[stream] = None
            return
        if outgoing.on_queued is not None:
            outgoing.on_queued()
        self._finish(stream)


def _check_header_bytes(count: int) -> None:
    if count > _MAX_HEADER_BLOCK:
        raise ProtocolError(ErrorCode.ENHANCE_YOUR_CALM, f"headers of more than {_MAX_HEADER_BLOCK} bytes")


def _unpadded(flags: int, payload: memoryview) -> memoryview:
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "more padding than frame")
    return payload[1 : len(payload) - payload[0]]
