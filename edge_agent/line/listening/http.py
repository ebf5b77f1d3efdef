"""An address at which a line is told of parts by HTTP POST; the answer is the decision, as JSON."""

from __future__ import annotations

import hmac
import http.server
import socketserver
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec

from edge_agent.access.rights import describe_refusal
from edge_agent.line.sources.source import Answer, SourceFailed
from edge_agent.line.tables.basics import Listens
from edge_agent.line.trying import Trying

#: a part's id, what was sent, and who wants to know what was decided
Posted = Callable[[str, bytes, Answer], None]
#: who asks waits for the decision at most so long
_ANSWER_SECONDS = 60.0
_SEND_SECONDS = 30.0
_MOST_AT_ONCE = 64
#: bytes of bodies that are read or wait at once; a single one may be larger
_MOST_HELD = 256 << 20
#: bytes of a body that is refused, and read to its end all the same
_MOST_DROPPED = 64 << 20
_STATUS = {"early": 429, "failed": 503}
_POLL_SECONDS = 0.5


class HttpDoor:
    """Listens until it is closed."""

    def __init__(self, table: Listens, posted: Posted, most_bytes: int) -> None:
        self._table, self._posted, self.most_bytes = table, posted, most_bytes
        self._lock = threading.Lock()
        self._inside = self._held = 0
        self._server: _Server | None = None
        self._trying = Trying(self._listen, self._name)
        self._trying.start()

    @property
    def problem(self) -> str:
        """Why nobody can post; "" when they can."""
        return self._trying.problem

    @property
    def _name(self) -> str:
        return f"http://{self._table.host}:{self._table.port}{self._table.path}"

    def _listen(self) -> None:
        try:
            token = Path(self._table.token_file).read_text().strip() if self._table.token_file else ""
        except OSError as error:
            raise SourceFailed(
                f"{self._table.token_file} can't be read: {describe_refusal(error, Path(self._table.token_file))}"
            ) from None
        try:
            server = _Server(self, (self._table.host, self._table.port), token, self._table.path)
        except (OSError, OverflowError) as error:
            raise SourceFailed(f"{self._name} can't be listened at: {getattr(error, 'strerror', error)}") from None
        self._server = server
        with server:
            self._trying.well()
            server.serve_forever(_POLL_SECONDS)

    def enter(self, length: int) -> str:
        """Take a place for a post of so many bytes, until `leave`; say why there is none, or "".

        Taken before its body is read: whoever floods the line must not fill its memory.
        """
        with self._lock:
            if self._inside >= _MOST_AT_ONCE:
                return f"{_MOST_AT_ONCE} others wait for their answers"
            if self._inside and self._held + length > _MOST_HELD:
                return f"others are sending {self._held} bytes, expected {_MOST_HELD} at once at most"
            self._inside += 1
            self._held += length
        return ""

    def leave(self, length: int) -> None:
        """Give the place back."""
        with self._lock:
            self._inside -= 1
            self._held -= length

    def post(self, name: str, body: bytes) -> tuple[int, Mapping[str, object]]:
        """Take what was posted, and wait for what is decided."""
        told = threading.Event()
        found: dict[str, object] = {}

        def answer(said: Mapping[str, object]) -> None:
            found.update(said)
            told.set()

        self._posted(name, body, answer)
        if not told.wait(_ANSWER_SECONDS):
            return 504, {"error": f"no decision within {_ANSWER_SECONDS:g} s; it will be told by the events"}
        return _STATUS.get(str(found["outcome"]), 200), found

    def close(self) -> None:
        """Listen no longer."""
        self._trying.ending.set()
        if self._server is not None:
            self._server.shutdown()
        self._trying.close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, door: HttpDoor, address: tuple[str, int], token: str, path: str) -> None:
        self.door, self.token, self.path = door, token, path
        if ":" in address[0]:
            self.address_family = socketserver.socket.AF_INET6  # type: ignore[attr-defined]
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked has gone: its part is inspected all the same."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _SEND_SECONDS

    def do_POST(self) -> None:
        address = urlsplit(self.path)
        length = self.headers.get("Content-Length", "")
        most = self.server.door.most_bytes
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.server.token and not hmac.compare_digest(given.encode(), self.server.token.encode()):
            self._refuse(401, "expected 'Authorization: Bearer WORD' with the word of token_file")
        elif not self.server.token and "Origin" in self.headers:
            self._refuse(403, "pages in a browser may not post here without a token_file")
        elif address.path != self.server.path:
            self._refuse(404, f"{address.path} is not here, expected {self.server.path}")
        elif not length.isdigit():
            self._refuse(411, "expected a Content-Length")
        elif int(length) > most:
            self._refuse(413, f"{length} bytes, expected {most} at most")
        elif why := self.server.door.enter(int(length)):
            self._refuse(503, why)
        else:
            try:
                self._take(int(length), parse_qs(address.query).get("part", [""])[0])
            finally:
                self.server.door.leave(int(length))

    def _take(self, length: int, name: str) -> None:
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        self._send(*self.server.door.post(name, body))

    def _refuse(self, status: int, text: str) -> None:
        self.close_connection = True
        length = self.headers.get("Content-Length", "")
        left = min(int(length), _MOST_DROPPED) if length.isdigit() else 0
        while left and (piece := self.rfile.read(min(left, 1 << 16))):  # who still sends would not read the answer
            left -= len(piece)
        self._send(status, {"error": text})

    def _send(self, status: int, said: Mapping[str, object]) -> None:
        body = msgspec.json.encode(said) + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "edge-agent"

    def log_message(self, *_: object) -> None:
        """Events tell of parts."""
