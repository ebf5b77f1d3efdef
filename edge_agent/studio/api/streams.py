"""Answers that go on: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from edge_agent.studio.api.call import Events

#: how long somebody may take an event: who takes longer has gone, and asks again if not
_TAKE_SECONDS = 10.0


class EventStream(Response):
    """Sends events until there are no more, or nobody takes them."""

    media_type = "text/event-stream"

    def __init__(self, events: Events) -> None:
        super().__init__(headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, asyncio.TimeoutError, OSError):
                    await task
            await self._events.events.aclose()  # type: ignore[attr-defined]  # a generator: its viewer has gone

    async def _send(self, send: Send) -> None:
        head = f"event: {self._events.name}\ndata: ".encode()
        await send({"type": "http.response.body", "body": b"retry: 1000\n\n", "more_body": True})
        async for event in self._events.events:
            message = {"type": "http.response.body", "body": head + event + b"\n\n", "more_body": True}
            await asyncio.wait_for(send(message), _TAKE_SECONDS)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
