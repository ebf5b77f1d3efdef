"""Target: any bytes as an HTTP/2 connection. It goes on or ends with a ProtocolError, and what it says is HTTP/2."""

from __future__ import annotations

from collections.abc import Iterator

import hpack

from edge_agent.serving.http2.connection import Connection
from edge_agent.serving.http2.frames import (
    ACK,
    DEFAULT_WINDOW,
    END_STREAM,
    HEADER_BYTES,
    PREFACE,
    Frame,
    ProtocolError,
    frame_head,
    headers_frame,
    read_head,
    settings_frame,
    word_frame,
)
from edge_agent.serving.http2.header_blocks import Headers
from edge_agent.serving.rpc.framing import OK_TRAILERS, RESPONSE_HEADERS
from tests.support.sentences import check_sentence

_REQUEST = [(":method", "POST"), (":scheme", "http"), (":path", "/S/M"), ("content-type", "application/grpc")]
_FRAME_MAX = 1 << 14


def seeds() -> Iterator[bytes]:
    """Frames of every kind: first the size of an answer, then, before each, one byte with its length."""
    headers = headers_frame(1, hpack.Encoder().encode(_REQUEST))
    message = frame_head(Frame.DATA, END_STREAM, 1, 5) + bytes(5)
    settings = frame_head(Frame.SETTINGS, 0, 0, 12) + b"\0\4\0\0\0\1" + b"\0\5\0\0\x40\0"
    more = word_frame(Frame.WINDOW_UPDATE, 0, 1000) + word_frame(Frame.WINDOW_UPDATE, 1, 1000)
    yield b"\x01" + headers + message
    yield b"\xff" + settings + headers + message + more + word_frame(Frame.RST_STREAM, 1, 8)
    yield b"\x03" + frame_head(Frame.PING, 0, 0, 8) + bytes(8) + frame_head(Frame.GOAWAY, 0, 0, 8) + bytes(8)
    yield b"\x05" + frame_head(Frame.HEADERS, 0, 1, 1) + b"\x83" + frame_head(Frame.CONTINUATION, 4, 1, 1) + b"\x86"


class _Server:
    """A connection whose calls are all answered, and what it has said."""

    def __init__(self, answer: bytes, *, reads_directly: bool) -> None:
        self._answer, self._reads_directly = answer, reads_directly
        self.said = bytearray()
        self._calls: dict[int, int] = {}
        self.connection = Connection(lambda *parts: self.said.extend(b"".join(parts)), self)

    def take(self, given: memoryview) -> int:
        """Take bytes from the client, as the transport does: those of a message may go where they belong at once."""
        stream, count = self.connection.expected
        if count and self._reads_directly and stream in self._calls:
            used = min(count, len(given))
            self._calls[stream] += used
            self.connection.received(used)
            return used
        self.connection.receive(given)
        return len(given)

    def on_headers(self, stream: int, headers: Headers) -> None:
        assert stream not in self._calls
        self._calls[stream] = 0
        if not headers:
            self.connection.refuse(stream, OK_TRAILERS)
            del self._calls[stream]

    def on_overlong(self, stream: int, size: int) -> None:
        self.connection.refuse(stream, OK_TRAILERS)

    def on_data(self, stream: int, data: memoryview) -> None:
        if stream in self._calls:
            self._calls[stream] += len(data)

    def on_end(self, stream: int) -> None:
        if self._calls.pop(stream, None) is not None:
            self.connection.answer(stream, RESPONSE_HEADERS, self._answer, OK_TRAILERS)

    def on_reset(self, stream: int) -> None:
        self._calls.pop(stream, None)


def consume(data: bytes) -> None:
    """Talk to one connection in pieces whose size the first byte says."""
    first, rest = data[:1] or b"\1", data[1:]
    server = _Server(bytes(first[0] * 300), reads_directly=first[0] % 3 == 0)
    piece = first[0] % 64 + 1 if first[0] % 2 else 1 << 20
    whole = PREFACE + settings_frame({}) + rest
    try:
        position = 0
        while position < len(whole):
            given = memoryview(whole)[position : position + piece]
            position += server.take(given)
    except ProtocolError as error:
        check_sentence(error)
        assert not server.connection.open
    _check(bytes(server.said), rest)


def _check(said: bytes, heard: bytes) -> None:
    """Read what the server has said: whole frames, no more data than windows allow, nothing behind a stream's end."""
    position, sent, ended = 0, 0, set()
    while position < len(said):
        length, kind, flags, stream = read_head(said, position)
        position += HEADER_BYTES + length
        assert position <= len(said), "a frame is cut off"
        assert length <= _FRAME_MAX or b"\0\5" in heard, "a frame is larger than any that was allowed"
        if kind == Frame.DATA:
            sent += length
        if kind in (Frame.DATA, Frame.HEADERS):
            assert stream not in ended
        if kind == Frame.RST_STREAM or (kind == Frame.HEADERS and flags & END_STREAM):
            ended.add(stream)
        if kind == Frame.SETTINGS and flags & ACK:
            assert length == 0
    if bytes([Frame.WINDOW_UPDATE]) not in heard:
        assert sent <= DEFAULT_WINDOW
