"""Any number of clients in one process that do for a call what HTTP/2 needs, and nothing else.

A client in Python with gRPC's library gives its core up some hundred times a second while it waits for its answer, and
with 64 of them that is most of what the machine does: `benchmarks/scheduling.py` shows it. These have their messages
ready and look at the answer's frames alone, so that what is measured is the agent.
"""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import struct
import time
from collections.abc import Sequence

from hpack import Encoder

from edge_agent.client.segment import OwnedSegment
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import METHODS

# RFC 9113, 6: types of frames and their flags
_DATA, _HEADERS, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_WINDOW = (1 << 31) - 1 - 65535


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


class LightClient:
    """One connection, whose pictures and masks are in segments of its own, `pairs` of them that it uses in turn."""

    def __init__(self, address: str, model: str, width: int, height: int, pixels: bytes, pairs: int = 1) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(address.removeprefix("unix://"))
        self._segments: list[OwnedSegment] = []
        messages = [self._message(model, width, height, pixels) for _ in range(pairs)]
        self._messages = itertools.cycle(messages)
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", METHODS["DetectAnomalies"].path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ]
        encoder = Encoder()
        encoder.header_table_size = 0  # the same bytes for every call
        self._headers = encoder.encode(headers)
        self._socket.sendall(
            _PREFACE + _frame(_SETTINGS, 0, 0, b"") + _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW))
        )
        self._stream = -1
        self._rest = b""
        self._answered = False

    def _message(self, model: str, width: int, height: int, pixels: bytes) -> bytes:
        segments = [OwnedSegment("bench-in"), OwnedSegment("bench-out")]
        self._segments += segments
        for segment in segments:
            segment.buffer(len(pixels))[:] = pixels
        bitmap, mask = (pb2.SharedMemoryHandle(name=segment.name, size=len(pixels)) for segment in segments)
        request = pb2.DetectAnomaliesRequest(
            model_component=model, bitmap=pb2.Bitmap(width=width, height=height, shared_memory_handle=bitmap)
        )
        request.anomaly_mask_params.shared_memory_handle.CopyFrom(mask)
        message = request.SerializeToString()
        return b"\0" + struct.pack(">I", len(message)) + message

    def fileno(self) -> int:
        """For select(2)."""
        return self._socket.fileno()

    def call(self) -> None:
        """Send the next request."""
        self._stream += 2
        self._answered = False
        self._socket.sendall(
            _frame(_HEADERS, _END_HEADERS, self._stream, self._headers)
            + _frame(_DATA, _END_STREAM, self._stream, next(self._messages))
        )

    def read(self) -> bool | None:
        """Take what has come: None while the answer isn't whole, then whether the call was served."""
        received = self._socket.recv(65536)
        if not received:
            raise ConnectionError("the agent has closed the connection")
        content, position, ended = self._rest + received, 0, None
        while len(content) - position >= 9:
            length = int.from_bytes(content[position : position + 3], "big")
            kind, flags, stream = struct.unpack_from(">BBI", content, position + 3)
            if len(content) - position < 9 + length:
                break
            if kind == _GOAWAY:
                raise ConnectionError("the agent ends the connection")
            if kind in (_SETTINGS, _PING) and not flags & _ACK:
                payload = content[position + 9 : position + 9 + length]
                self._socket.sendall(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
            if stream == self._stream and kind == _DATA and length > 5:
                self._answered = True
            if stream == self._stream and kind == _HEADERS and flags & _END_STREAM:
                ended = self._answered  # a refusal has trailers and no message
            position += 9 + length
        self._rest = content[position:]
        return ended

    def close(self) -> None:
        """Close the connection and unlink the segments."""
        self._socket.close()
        for segment in self._segments:
            segment.close()


def call_at_once(clients: Sequence[LightClient], seconds: float) -> tuple[list[float], int]:
    """Have each client call again when it is answered, for so long.

    Returns what the calls took, in seconds, and how many were refused.
    """
    poll = select.epoll()
    by_number = {client.fileno(): client for client in clients}
    begun: dict[int, float] = {}
    taken: list[float] = []
    refused = 0
    with contextlib.closing(poll):
        for number, client in by_number.items():
            poll.register(number, select.EPOLLIN)
            begun[number] = time.monotonic()
            client.call()
        end = time.monotonic() + seconds
        while begun:
            for number, _ in poll.poll():
                client = by_number[number]
                served = client.read()
                if served is None:
                    continue
                now = time.monotonic()
                if served:
                    taken.append(now - begun[number])
                else:
                    refused += 1
                if now < end:
                    begun[number] = now
                    client.call()
                else:
                    del begun[number]
    return taken, refused
