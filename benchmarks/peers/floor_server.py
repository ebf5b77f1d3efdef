"""A server that does nothing: `python -m benchmarks.peers.floor_server SOCKET WIDTH HEIGHT`.

What a client needs for a call to it, with its own gRPC library, no server can be faster than. It reads frames without
looking at what they say, and answers the end of a call with bytes that are ready: a verdict, and a white mask behind it
where a picture came in the message. It speaks as much of HTTP/2 as the measuring client does, one thread a client.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
from collections.abc import Sequence

from edge_agent.serving.http2.frames import (
    ACK,
    DEFAULT_MAX_FRAME,
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
from edge_agent.serving.http2.receiving import MAX_FRAME
from edge_agent.serving.rpc import edge_agent_pb2 as pb2

_WINDOW = 1 << 30
#: what is read at once; it stays in the cache, and nobody looks at it
_READ = 1 << 18
_SEND_BUFFER = 1 << 22
#: from so many bytes of data on there was a picture in the message
_PICTURE = 1 << 16


def _literal(name: bytes, value: bytes) -> bytes:
    """Encode a header that is in no table: RFC 7541, 6.2.2."""
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


_HEADERS = b"\x88" + _literal(b"content-type", b"application/grpc")  # :status 200 is number 8 of the static table
_TRAILERS = _literal(b"grpc-status", b"0")


def answer(mask: bytes) -> bytes:
    """Return an answer as it stands in a call's data: one message behind its prefix of five bytes."""
    result = pb2.DetectAnomalyResult(is_anomalous=False, confidence=1.0)
    if mask:
        result.anomaly_mask.byte_data = mask
    message = pb2.DetectAnomaliesResponse(detect_anomaly_result=result).SerializeToString()
    return struct.pack(">BI", 0, len(message)) + message


class Floor:
    """One client, whose calls come one after the other."""

    def __init__(self, peer: socket.socket, small: bytes, large: bytes) -> None:
        """Answer with `large` where much was sent, and with `small` otherwise."""
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._peer, self._small, self._large = peer, small, memoryview(large)
        self._buffer = bytearray(_READ)
        self._view = memoryview(self._buffer)
        self._kept = self._skip = 0  # bytes in the buffer that are no whole frame; bytes of data that are to come
        self._taken = self._since = 0  # of this call, and since the client's window was replenished
        self._ends = 0  # the stream that ends with the data that is to come
        self._window, self._initial, self._max_frame = DEFAULT_WINDOW, DEFAULT_WINDOW, DEFAULT_MAX_FRAME
        self._room = DEFAULT_WINDOW  # what the client takes on the stream under way
        self._done: list[int] = []

    def run(self) -> None:
        """Serve until the client goes."""
        settings = {Setting.INITIAL_WINDOW_SIZE: _WINDOW, Setting.MAX_FRAME_SIZE: MAX_FRAME}
        self._peer.sendall(settings_frame(settings) + word_frame(Frame.WINDOW_UPDATE, 0, _WINDOW - DEFAULT_WINDOW))
        self._skip = len(PREFACE)
        while self._read():
            while self._done:
                self._answer(self._done.pop(0))

    def _read(self) -> bool:
        count = self._peer.recv_into(self._view[self._kept :])
        if not count:
            return False
        position, size = 0, self._kept + count
        while True:
            used = min(self._skip, size - position)
            self._skip -= used
            position += used
            if self._skip:
                break
            if self._ends:
                self._done.append(self._ends)
                self._ends = 0
            if size - position < HEADER_BYTES:
                break
            length, kind, flags, stream = read_head(self._buffer, position)
            if kind != Frame.DATA and size - position < HEADER_BYTES + length:
                break
            position += HEADER_BYTES
            if kind == Frame.DATA:
                self._skip = length
                self._taken += length
                self._ends = stream if flags & END_STREAM else 0
                continue
            self._heed(kind, flags, stream, self._view[position : position + length])
            position += length
        self._kept = size - position
        self._buffer[: self._kept] = self._buffer[position:size]
        return True

    def _heed(self, kind: int, flags: int, stream: int, payload: memoryview) -> None:
        if kind == Frame.SETTINGS and not flags & ACK:
            for key, value in struct.iter_unpack(">HI", payload):
                if key == Setting.INITIAL_WINDOW_SIZE:
                    self._room += value - self._initial
                    self._initial = value
                elif key == Setting.MAX_FRAME_SIZE:
                    self._max_frame = value
            self._peer.sendall(frame_head(Frame.SETTINGS, ACK, 0, 0))
        elif kind == Frame.HEADERS:
            self._room = self._initial
        elif kind == Frame.PING and not flags & ACK:
            self._peer.sendall(frame_head(Frame.PING, ACK, 0, 8) + bytes(payload))
        elif kind == Frame.WINDOW_UPDATE and stream:
            self._room += int.from_bytes(payload, "big")
        elif kind == Frame.WINDOW_UPDATE:
            self._window += int.from_bytes(payload, "big")

    def _answer(self, stream: int) -> None:
        much = self._taken > _PICTURE
        self._since += self._taken
        self._taken = 0
        head = headers_frame(stream, _HEADERS)
        if self._since > _WINDOW // 4:
            head = word_frame(Frame.WINDOW_UPDATE, 0, self._since) + head
            self._since = 0
        end = headers_frame(stream, _TRAILERS, END_STREAM)
        if not much:
            self._window -= len(self._small)
            self._peer.sendall(head + frame_head(Frame.DATA, 0, stream, len(self._small)) + self._small + end)
            return
        left, parts = self._large, [memoryview(head)]
        while left:
            size = min(len(left), self._room, self._window, self._max_frame)
            if size <= 0:
                self._send(parts)
                parts = []
                if not self._read():
                    return
                continue
            self._room -= size
            self._window -= size
            parts += [memoryview(frame_head(Frame.DATA, 0, stream, size)), left[:size]]
            left = left[size:]
        self._send([*parts, memoryview(end)])

    def _send(self, parts: Sequence[memoryview]) -> None:
        while parts:
            sent = os.writev(self._peer.fileno(), parts[:256])
            rest = list(parts)
            while rest and sent >= len(rest[0]):
                sent -= len(rest.pop(0))
            if rest:
                rest[0] = rest[0][sent:]
            parts = rest


def main() -> None:
    """Entry point of the process; it says that it listens with a line on standard output."""
    path, width, height = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    small, large = answer(b""), answer(b"\xff" * (width * height * 3))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("listens", flush=True)
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=Floor(peer, small, large).run, daemon=True).start()


if __name__ == "__main__":
    main()
