"""The receiving half of a connection: bytes of a client, in pieces of any size, become frames, and what is wrong with
one alone is said. What a frame means for its stream is the connection's to know.
"""

from __future__ import annotations

from typing import Protocol

from edge_agent.serving.http2.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    HEADER_BYTES,
    PADDED,
    PREFACE,
    PRIORITY,
    ErrorCode,
    Frame,
    ProtocolError,
    read_head,
)
from edge_agent.serving.http2.header_blocks import MAX_BLOCK
from edge_agent.serving.http2.strangers import recognise

#: the largest frame that we take: gRPC's library sends a picture in one frame faster than in several
MAX_FRAME = 1 << 23
#: of frames other than DATA, which are collected until they are whole
_MAX_WHOLE = 1 << 20
#: PING and SETTINGS that a client may send at once: each is answered, and nobody needs many
_MAX_ASIDES = 100
_PRIORITY_BYTES = 5
_SHOWN = 200  # bytes of what is no HTTP/2 that are looked at


class Frames(Protocol):
    """Who is told of the frames; `stream` is the number of a stream, `ends` that the client says no more on it."""

    def on_block(self, stream: int, block: bytes, *, ends: bool) -> None:
        """A whole header block has come."""

    def on_data_head(self, stream: int, length: int, counted: int, *, ends: bool) -> None:
        """A DATA frame begins that has `length` bytes of data, and `counted` with padding."""

    def on_data(self, stream: int, data: memoryview) -> None:
        """A piece of its data has come; valid only while it is told."""

    def on_data_end(self, stream: int) -> None:
        """The last DATA frame of a stream has come whole."""

    def on_reset(self, stream: int) -> None:
        """The client wants no answer any more."""

    def on_priority(self, stream: int, length: int) -> None:
        """A PRIORITY frame of `length` bytes; nobody needs one."""

    def on_settings(self, payload: memoryview) -> None:
        """The client has other settings."""

    def on_ping(self, payload: memoryview) -> None:
        """The client wants these eight bytes back."""

    def on_window_update(self, stream: int, increment: int) -> None:
        """The client takes more data, on a stream or (0) on the connection."""


class FrameReader:
    """Cuts what arrives into frames."""

    def __init__(self, told: Frames) -> None:
        self._told = told
        self._partial = bytearray()
        self._greeted = self._settled = False
        #: the DATA frame that is being received: its stream, whether it is the last, and what is still to come of it.
        self.stream, self._ends, self.left, self._padding = 0, False, 0, 0
        self._block = bytearray()
        self._block_of = 0  # the stream whose header block goes on in CONTINUATION frames
        self._block_ends = False
        self._asides = 0

    def receive(self, data: memoryview) -> None:
        """Take bytes from the client; ProtocolError when they can't be understood."""
        self._asides = 0
        if self._partial:
            self._partial += data
            whole = self._partial
            with memoryview(whole) as view:
                used = self._receive_frames(view)
            del whole[:used]
        else:
            used = self._receive_frames(data)
            self._partial += data[used:]

    def _receive_frames(self, view: memoryview) -> int:
        """Handle the complete frames in a buffer and return how many of its bytes they are."""
        position, size = (0 if self._greeted else self._greet(view)), len(view)
        if not self._greeted:
            return 0
        while True:
            if self.left or self._padding:
                position += self._receive_payload(view[position:])
                if self.left or self._padding:
                    return position
            if size - position < HEADER_BYTES:
                return position
            length, kind, flags, stream = read_head(view, position)
            if length > _MAX_WHOLE:
                _check_large(kind, length)
            payload = position + HEADER_BYTES
            if self._block_of or not self._settled:
                self._check_order(kind, flags, stream)
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

    def _greet(self, view: memoryview) -> int:
        """Take the connection preface, and return how many bytes that is; 0 while it has not come whole."""
        given = min(len(view), len(PREFACE))
        if view[:given] != PREFACE[:given]:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, recognise(bytes(view[:_SHOWN])))
        self._greeted = given == len(PREFACE)
        return given if self._greeted else 0

    def _check_order(self, kind: int, flags: int, stream: int) -> None:
        if not self._settled and (kind != Frame.SETTINGS or flags & ACK):
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "the first frame is not SETTINGS")
        if self._block_of and (kind != Frame.CONTINUATION or stream != self._block_of):
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "a header block was interrupted")

    def _begin_data(self, flags: int, stream: int, length: int, padding: int | None) -> None:
        """Take the head of a DATA frame of `length` bytes, the first of which may say how much of it is padding."""
        counted = length
        if flags & PADDED:
            if padding is None:
                raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, "a padded frame of no bytes")
            if padding >= length:
                raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "more padding than frame")
            length -= 1 + padding
        self.stream, self._ends = stream, bool(flags & END_STREAM)
        self._told.on_data_head(stream, length, counted, ends=self._ends)
        self.left, self._padding = length, padding or 0
        self._end_data()

    def _receive_payload(self, view: memoryview) -> int:
        """Take what has arrived of a DATA frame's payload and padding, and return how many bytes that is."""
        used = min(len(view), self.left)
        if used:
            self.left -= used
            self._told.on_data(self.stream, view[:used])
        skipped = min(len(view) - used, self._padding)
        self._padding -= skipped
        self._end_data()
        return used + skipped

    def _end_data(self) -> None:
        if not self.left and not self._padding and self._ends:
            self._told.on_data_end(self.stream)

    def received(self, count: int) -> None:
        """Take note that somebody else has read `count` of the bytes of data that come next."""
        self.left -= count
        self._end_data()

    def _handle(self, kind: int, flags: int, stream: int, payload: memoryview) -> None:
        if kind == Frame.HEADERS:
            self._on_headers(flags, stream, payload)
        elif kind == Frame.CONTINUATION:
            self._on_continuation(flags, payload)
        elif kind == Frame.WINDOW_UPDATE:
            _check_length(payload, 4, "WINDOW_UPDATE")
            self._told.on_window_update(stream, int.from_bytes(payload, "big") & 0x7FFFFFFF)
        elif kind == Frame.RST_STREAM:
            _check_stream(stream, "RST_STREAM", wanted=True)
            _check_length(payload, 4, "RST_STREAM")
            self._told.on_reset(stream)
        elif kind == Frame.SETTINGS:
            self._on_settings(flags, stream, payload)
        elif kind == Frame.PING:
            self._count_aside()
            _check_stream(stream, "PING", wanted=False)
            _check_length(payload, 8, "PING")
            if not flags & ACK:
                self._told.on_ping(payload)
        elif kind == Frame.PRIORITY:
            _check_stream(stream, "PRIORITY", wanted=True)
            self._told.on_priority(stream, len(payload))
        elif kind == Frame.GOAWAY:  # the client still wants its answers
            _check_stream(stream, "GOAWAY", wanted=False)
            if len(payload) < 8:
                raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, f"GOAWAY of {len(payload)} bytes, expected 8 or more")
        elif kind == Frame.PUSH_PROMISE:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "a client can't push")
        # Frames of unknown types need nothing.

    def _count_aside(self) -> None:
        self._asides += 1
        if self._asides > _MAX_ASIDES:
            raise ProtocolError(ErrorCode.ENHANCE_YOUR_CALM, f"more than {_MAX_ASIDES} PING and SETTINGS at once")

    def _on_settings(self, flags: int, stream: int, payload: memoryview) -> None:
        self._count_aside()
        _check_stream(stream, "SETTINGS", wanted=False)
        if len(payload) % 6 or (flags & ACK and payload):
            raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, "malformed SETTINGS")
        self._settled = True
        if not flags & ACK:
            self._told.on_settings(payload)

    def _on_headers(self, flags: int, stream: int, payload: memoryview) -> None:
        payload = _unpadded(flags, payload)
        if flags & PRIORITY:
            if len(payload) < _PRIORITY_BYTES:
                raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, "HEADERS without room for the priority it announces")
            payload = payload[_PRIORITY_BYTES:]
        if stream % 2 == 0:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, f"a client can't open stream {stream}")
        _check_block(len(payload))
        if flags & END_HEADERS:
            self._told.on_block(stream, bytes(payload), ends=bool(flags & END_STREAM))
        else:
            self._block_of, self._block, self._block_ends = stream, bytearray(payload), bool(flags & END_STREAM)

    def _on_continuation(self, flags: int, payload: memoryview) -> None:
        if not self._block_of:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "CONTINUATION of nothing")
        if not payload and not flags & END_HEADERS:
            raise ProtocolError(ErrorCode.ENHANCE_YOUR_CALM, "a CONTINUATION of no bytes")
        self._block += payload
        _check_block(len(self._block))
        if flags & END_HEADERS:
            stream, self._block_of = self._block_of, 0
            block, self._block = bytes(self._block), bytearray()
            self._told.on_block(stream, block, ends=self._block_ends)


def _check_large(kind: int, length: int) -> None:
    most = MAX_FRAME if kind == Frame.DATA else _MAX_WHOLE
    if length > most:
        raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} bytes, expected {most} at most")


def _check_stream(stream: int, frame: str, *, wanted: bool) -> None:
    if bool(stream) != wanted:
        where = f"stream {stream}" if stream else "the connection as a whole"
        raise ProtocolError(ErrorCode.PROTOCOL_ERROR, f"{frame} on {where}, where it has no meaning")


def _check_length(payload: memoryview, wanted: int, frame: str) -> None:
    if len(payload) != wanted:
        raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, f"{frame} of {len(payload)} bytes, expected {wanted}")


def _check_block(count: int) -> None:
    if count > MAX_BLOCK:
        raise ProtocolError(ErrorCode.ENHANCE_YOUR_CALM, f"headers of more than {MAX_BLOCK} bytes, compressed")


def _unpadded(flags: int, payload: memoryview) -> memoryview:
    if not flags & PADDED:
        return payload
    if not payload:
        raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, "a padded frame of no bytes")
    if payload[0] >= len(payload):
        raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "more padding than frame")
    return payload[1 : len(payload) - payload[0]]
