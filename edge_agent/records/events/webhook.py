"""The sender of HTTP POSTs, each with up to 100 events and a signature.

The signature is the hexadecimal HMAC-SHA256 (RFC 2104) of the header X-Edge-Agent-Time, a full stop, and the body.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

from edge_agent.records.events.event import Event
from edge_agent.records.events.rules import Webhook
from edge_agent.records.events.sender import SendFailed
from edge_agent.version import __version__


class WebhookSender:
    """Posts events."""

    def __init__(self, rule: Webhook, device: str) -> None:
        self._rule = rule
        self._url = urlsplit(rule.url)
        self._connection: http.client.HTTPConnection | None = None

    def send(self, events: list[Event]) -> None:
        body = b'{"events":[' + b",".join(event.payload for event in events) + b"]}"
        target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        try:
            connection = self._connect()
            connection.request("POST", target, body, self._headers(body))
            answer = connection.getresponse()
            answer.read(1 << 16)
        except http.client.HTTPException as error:
            raise SendFailed(f"{self._rule.url}: {type(error).__name__} {error}".rstrip()) from None
        if not 200 <= answer.status < 300:
            raise SendFailed(f"{self._rule.url} answered {answer.status} {answer.reason}")
        if answer.will_close:
            self.close()

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


def connection_of(rule: Webhook, seconds: float) -> http.client.HTTPConnection:
    """Make the connection to a rule's server, not yet open."""
    url = urlsplit(rule.url)
    if url.scheme == "https":
        context = ssl.create_default_context(cafile=rule.ca_file or None)
        return http.client.HTTPSConnection(url.hostname or "", url.port, timeout=seconds, context=context)
    return http.client.HTTPConnection(url.hostname or "", url.port, timeout=seconds)
