"""The sender of HTTP POSTs, each with up to 100 events and a signature.

The signature is the hexadecimal HMAC-SHA256 (RFC 2104) of the header X-Edge-Agent-Time, a full stop, and the body.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import io
import socket
import ssl
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from edge_agent.records.events.event import Event
from edge_agent.records.events.rules import Webhook
from edge_agent.records.events.sender import SendFailed, foreign
from edge_agent.version import __version__

_MOST_ANSWER = 1 << 16  # bytes that are read so that the connection can be used again


class WebhookSender:
    """Posts events."""

    def __init__(self, rule: Webhook, device: str) -> None:
        self._rule = rule
        self._url = urlsplit(rule.url)
        self._connection: http.client.HTTPConnection | None = None

    def send(self, events: list[Event]) -> None:
        if self._post(events):
            return
        # Too large: in two parts, in order. What the server takes of a first part counts as taken when all is.
        middle = len(events) // 2
        self.send(events[:middle])
        self.send(events[middle:])

    def _post(self, events: list[Event]) -> bool:
        """Post events; False when they are too many for the server."""
        body = b'{"events":[' + b",".join(event.payload for event in events) + b"]}"
        target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        connection = self._connect()
        with _Limit(connection, self._rule.seconds) as limit:
            too_late = f"{self._rule.url} has not answered within {self._rule.seconds:g} s"
            try:
                connection.request("POST", target, body, self._headers(body))
                answer = connection.getresponse()
            except (http.client.HTTPException, OSError) as error:
                if limit.is_over or isinstance(error, TimeoutError):
                    raise SendFailed(too_late) from None
                said = str(error) if isinstance(error, _Broken) else getattr(error, "strerror", "")
                said = foreign(said or f"{type(error).__name__} {error}".rstrip())
                raise SendFailed(f"{self._rule.url}: {said}") from None
            if answer.status == http.client.REQUEST_ENTITY_TOO_LARGE and len(events) > 1:
                self.close()
                return False
            if not 200 <= answer.status < 300:
                raise SendFailed(f"{self._rule.url} answered {answer.status} {foreign(answer.reason)}")
            # They are taken. What else the server has to say is of no interest, and must not delay the next.
            is_short = answer.length is not None and answer.length <= _MOST_ANSWER
            try:
                if is_short:
                    answer.read()
            except (http.client.HTTPException, OSError):
                is_short = False
        if answer.will_close or not is_short or limit.is_over:
            self.close()
        return True

    def _headers(self, body: bytes) -> dict[str, str]:
        now = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"edge-agent/{__version__}",
            "X-Edge-Agent-Time": now,
        }
        if self._rule.secret_file:
            key = Path(self._rule.secret_file).read_bytes().strip()
            digest = hmac.new(key, now.encode() + b"." + body, hashlib.sha256).hexdigest()
            headers["X-Edge-Agent-Signature"] = f"sha256={digest}"
        return headers

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection = connection_of(self._rule, self._rule.seconds)
        return self._connection

    def idle(self) -> None:
        """Nothing is held open for long."""
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Broken(http.client.HTTPException):
    """An answer that ends too early; the text is all that there is to say."""


class _WholeHead(http.client.HTTPResponse):
    """An answer whose head has come to its end: http.client takes one that the server broke off in the middle.

    Who closes then may have died of the events, or of the moment before it stored them.
    """

    def begin(self) -> None:
        stream = self.fp
        self.fp = _Lines(stream)  # type: ignore[assignment]  # has what is asked for until the head has been read
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = stream


class _Lines:
    """The lines of a stream, which must not end before they do."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream
        self.close = stream.close

    def readline(self, limit: int) -> bytes:
        line = self._stream.readline(limit)
        if len(line) < limit and not line.endswith(b"\n"):
            raise _Broken("the server closed the connection before its answer was whole")
        return line


class _Limit:
    """Cuts a connection when an answer takes longer than it may: a server may send a byte now and then, for ever."""

    def __init__(self, connection: http.client.HTTPConnection, seconds: float) -> None:
        self._connection = connection
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        #: whether it was cut
        self.is_over = False

    def _cut(self) -> None:
        self.is_over = True
        sock = self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> _Limit:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def connection_of(rule: Webhook, seconds: float) -> http.client.HTTPConnection:
    """Make the connection to a rule's server, not yet open."""
    url = urlsplit(rule.url)
    made: http.client.HTTPConnection
    if url.scheme == "https":
        context = ssl.create_default_context(cafile=rule.ca_file or None)
        made = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=seconds, context=context)
    else:
        made = http.client.HTTPConnection(url.hostname or "", url.port, timeout=seconds)
    made.response_class = _WholeHead
    return made
