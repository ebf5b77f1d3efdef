"""Answers that go on, and somebody who does not read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from edge_agent.studio.api import streams
from edge_agent.studio.api.call import Events
from edge_agent.studio.api.streams import EventStream
from tests.support.daemon import PATIENCE


def test_a_viewer_that_reads_nothing_is_left_and_nothing_piles_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_TAKE_SECONDS", 0.05)
    made = 0
    is_closed = False

    async def events() -> AsyncIterator[bytes]:
        nonlocal made, is_closed
        try:
            while True:
                made += 1
                yield b"x" * 1000
        finally:
            is_closed = True

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: Any) -> None:
        if b"x" in message.get("body", b""):  # the connection takes no more
            await asyncio.Event().wait()

    stream = EventStream(Events("line", events()))
    asyncio.run(asyncio.wait_for(stream({"type": "http"}, receive, send), PATIENCE))
    assert (made, is_closed) == (1, True)
