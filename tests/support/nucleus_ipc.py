"""The nucleus' side of Greengrass IPC, as far as publishing goes: event-stream RPC on a Unix socket, for the real SDK.

Messages: lengths, headers, payload and checksums of the event-stream encoding
(https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream describes it); what
is said in them is what aws-c-event-stream and the SDK say and expect. No claim that a nucleus says no more.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

_APPLICATION, _CONNECT, _CONNECT_ACK = 0, 4, 5
_ACCEPTED, _TERMINATE = 1, 2
_ERROR = 1


class Nucleus:
    """Takes what is published; `refusing` names an error to answer with instead."""

    def __init__(self, path: Path, token: str = "a token") -> None:
        self.token, self.refusing = token, ""
        self.published: list[tuple[str, dict[str, Any]]] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        serving = []
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                break
            self._connections.append(connection)
            serving.append(threading.Thread(target=self._serve, args=(connection,)))
            serving[-1].start()
        for thread in serving:
            thread.join()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while (message := _read(connection)) is not None:
                headers, payload = message
                if headers[":message-type"] == _CONNECT:
                    is_known = json.loads(payload)["authToken"] == self.token
                    connection.sendall(_write(_CONNECT_ACK, _ACCEPTED if is_known else 0, 0, {}, b""))
                    continue
                name = headers["operation"]
                stream = headers[":stream-id"]
                if self.refusing:
                    told = {
                        ":content-type": "application/json",
                        "service-model-type": f"aws.greengrass#{self.refusing}",
                    }
                    body = json.dumps({"message": "not allowed"}).encode()
                    connection.sendall(_write(_ERROR, _TERMINATE, stream, told, body))
                    continue
                self.published.append((name, json.loads(payload)))
                told = {":content-type": "application/json", "service-model-type": f"{name}Response"}
                connection.sendall(_write(_APPLICATION, _TERMINATE, stream, told, b"{}"))

    def hang_up(self) -> None:
        """End all connections, as a nucleus that is restarted does."""
        for connection in self._connections:
            with contextlib.suppress(OSError):  # the other side was faster
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        self._thread.join()


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        try:
            part = connection.recv(size - len(data))
        except OSError:
            return None
        if not part:
            return None
        data += part
    return data


def _read(connection: socket.socket) -> tuple[dict[str, Any], bytes] | None:
    prelude = _exactly(connection, 12)
    if prelude is None:
        return None
    total, size, crc = struct.unpack(">III", prelude)
    assert zlib.crc32(prelude[:8]) == crc
    rest = _exactly(connection, total - 12)
    if rest is None:
        return None
    assert struct.unpack(">I", rest[-4:])[0] == zlib.crc32(prelude + rest[:-4])
    headers: dict[str, Any] = {}
    at = 0
    while at < size:
        length = rest[at]
        name = rest[at + 1 : at + 1 + length].decode()
        at += 1 + length
        kind = rest[at]
        at += 1
        if kind == 4:
            (headers[name],) = struct.unpack(">i", rest[at : at + 4])
            at += 4
        else:
            assert kind == 7, kind
            (length,) = struct.unpack(">H", rest[at : at + 2])
            headers[name] = rest[at + 2 : at + 2 + length].decode()
            at += 2 + length
    return headers, rest[size:-4]


def _write(kind: int, flags: int, stream: int, texts: dict[str, str], payload: bytes) -> bytes:
    headers = b""
    for name, number in ((":message-type", kind), (":message-flags", flags), (":stream-id", stream)):
        headers += bytes([len(name)]) + name.encode() + b"\x04" + struct.pack(">i", number)
    for name, text in texts.items():
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(text)) + text.encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    message = prelude + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))
