"""Where metrics are asked for: GET /metrics over HTTP/1.1, in the daemon's own event loop.

It answers nothing else, takes a request of a few kilobytes and no body, and gives a client seconds. Whoever may connect
costs the daemon one exposition at a time: those who ask during one share the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from edge_agent.serving.observing.exposition import Exposition

log = logging.getLogger(__name__)

_MOST_REQUEST = 1 << 14  # bytes of a request's head
_MOST_CLIENTS = 16
_SECONDS = 10.0  # for a request to come, and for its answer to be taken

Render = Callable[[str], Awaitable[Exposition]]


class MetricsPage:
    """Answers whoever connects."""

    def __init__(self, render: Render) -> None:
        """`render` makes the answer, in the format that a request's header Accept prefers."""
        self._render = render
        self._clients: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    def protocol(self) -> asyncio.BaseProtocol:
        """Make what serves a connection."""
        loop = asyncio.get_running_loop()
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(_MOST_REQUEST, loop), self._greet, loop)

    def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= _MOST_CLIENTS:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _SECONDS)
            writer.write(await self._answer(head.decode("latin-1")))
            await asyncio.wait_for(writer.drain(), _SECONDS)
        except asyncio.LimitOverrunError:
            writer.write(_response("431 Request Header Fields Too Large", "text/plain", b"the request is too long\n"))
        except (asyncio.TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            pass
        except Exception:
            log.exception("metrics can't be written")
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), _SECONDS)
            writer.transport.abort()

    async def _answer(self, head: str) -> bytes:
        request, *lines = head.split("\r\n")
        method, _, target = request.partition(" ")
        if method not in ("GET", "HEAD"):
            return _response("405 Method Not Allowed", "text/plain", b"expected GET /metrics\n", "Allow: GET, HEAD\r\n")
        if target.partition(" ")[0].partition("?")[0] != "/metrics":
            return _response("404 Not Found", "text/plain", b"there is only /metrics\n")
        headers = dict(_header(line) for line in lines if line)
        async with self._turn:
            exposition = await self._render(headers.get("accept", ""))
        return _response("200 OK", exposition.content_type, exposition.body, with_body=method == "GET")

    async def close(self) -> None:
        """Answer nobody any more; closing twice is harmless."""
        for task in list(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _response(status: str, content_type: str, body: bytes, more: str = "", *, with_body: bool = True) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more}"
    return f"{head}Connection: close\r\n\r\n".encode("latin-1") + (body if with_body else b"")
