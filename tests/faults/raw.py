"""A client that need not behave: HTTP/2 frames written to the socket by hand."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import hpack

from edge_agent.serving.http2.connection import MAX_STREAMS
from edge_agent.serving.http2.frames import (
    DEFAULT_WINDOW,
    END_STREAM,
    HEADER_BYTES,
    PREFACE,
    Frame,
    Setting,
    frame_head,
    headers_frame,
    read_head,
    settings_frame,
    word_frame,
)
from edge_agent.serving.rpc.contract import METHODS

_HEADERS = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", METHODS["DetectAnomalies"].path),
    (":authority", "localhost"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
]


class RawClient:
    """One connection, that reads nothing unless it is told to."""

    def __init__(self, path: Path, *, window: int = DEFAULT_WINDOW) -> None:
        """Connect, and let the agent send `window` bytes of answers."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))
        self._socket.sendall(PREFACE + settings_frame({Setting.INITIAL_WINDOW_SIZE: window}))
        if window > DEFAULT_WINDOW:
            self._socket.sendall(word_frame(Frame.WINDOW_UPDATE, 0, window - DEFAULT_WINDOW))
        self._encoder = hpack.Encoder()
        self._headers = _HEADERS
        self._stream = -1
        self._unsent = b""

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def call(self, path: str, message: bytes, count: int = 1) -> None:
        """Send a call of another method, or several at once."""
        self._headers = [(name, path if name == ":path" else value) for name, value in _HEADERS]
        self._socket.sendall(b"".join(self._call(message) for _ in range(count)))
        self._headers = _HEADERS

    def detect(self, message: bytes, count: int = 1) -> None:
        """Send a DetectAnomalies call, or several at once."""
        self._socket.sendall(b"".join(self._call(message) for _ in range(count)))

    def can_send(self, message: bytes) -> bool:
        """Send as much of a call as the socket takes at once, and tell whether that was all of it."""
        self._unsent = self._unsent or self._call(message)
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent[self._socket.send(self._unsent, socket.MSG_DONTWAIT) :]
        return not self._unsent

    def flood(self, message: bytes, count: int) -> Iterator[tuple[int, bytes]]:
        """Make so many DetectAnomalies calls, as many at once as the agent takes; give each one's code and message.

        Unlike gRPC's library it needs next to nothing of the processor, of which a flood should take the agent's part.
        """
        received, messages = b"", dict[int, bytes]()
        sent = ended = 0
        while ended < count:
            more = min(count - sent, MAX_STREAMS - (sent - ended))
            if more:
                self.detect(message, more)
                sent += more
            received += self._socket.recv(1 << 20)
            position = 0
            while position + HEADER_BYTES <= len(received):
                length, kind, flags, stream = read_head(received, position)
                end = position + HEADER_BYTES + length
                if end > len(received):
                    break
                payload, position = received[position + HEADER_BYTES : end], end
                if kind == Frame.DATA:
                    messages[stream] = payload[5:]
                elif kind == Frame.HEADERS and flags & END_STREAM:
                    ended += 1
                    yield int(payload.partition(b"grpc-status")[2][1:2]), messages.pop(stream, b"")
            received = received[position:]

    def detect_compressed(self, message: bytes, count: int) -> None:
        """Send so many DetectAnomalies calls at once with a message that is compressed by gzip already."""
        self._socket.sendall(b"".join(self._call(message, b"\1", ("grpc-encoding", "gzip")) for _ in range(count)))

    def announce(self, size: int) -> None:
        """Begin a DetectAnomalies call with a message of so many bytes, and send none of them."""
        self._stream += 2
        prefix = b"\0" + size.to_bytes(4, "big")
        block = self._encoder.encode(_HEADERS, huffman=False)
        self._socket.sendall(
            headers_frame(self._stream, block) + frame_head(Frame.DATA, 0, self._stream, len(prefix)) + prefix
        )

    def _call(self, message: bytes, compressed: bytes = b"\0", *headers: tuple[str, str]) -> bytes:
        self._stream += 2
        data = compressed + len(message).to_bytes(4, "big") + message
        block = self._encoder.encode([*self._headers, *headers], huffman=False)
        return headers_frame(self._stream, block) + frame_head(Frame.DATA, END_STREAM, self._stream, len(data)) + data

    def received(self) -> bytes:
        """Read what has arrived."""
        with contextlib.suppress(BlockingIOError):
            return self._socket.recv(1 << 20, socket.MSG_DONTWAIT)
        return b""

    def close(self) -> None:
        """Go away without a word."""
        self._socket.close()
