"""Buffers arrive whole and in order, however slowly the other side reads, and are kept until they have gone."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from edge_agent.serving.http2.outbox import Outbox, Told

LARGE = os.urandom(3_000_000)


class _Wire:
    """An outbox at one end of a socket, and what it told."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.ours.setblocking(False)
        self.theirs.setblocking(False)
        self.told: list[str] = []
        told = [lambda word=word: self.told.append(word) for word in ("blocked", "drained", "broken")]
        self.outbox = Outbox(self.ours.fileno(), Told(*told))

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110  the loop itself is what is waited for
            await asyncio.sleep(0)

    async def read(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            received += await asyncio.get_running_loop().sock_recv(self.theirs, 1 << 16)
        return bytes(received)


def _run(scenario: Callable[[_Wire], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        wire = _Wire()
        try:
            await asyncio.wait_for(scenario(wire), 60)
        finally:
            wire.outbox.close()
            wire.ours.close()
            wire.theirs.close()

    asyncio.run(main())


def test_small_writes_go_at_once() -> None:
    async def scenario(wire: _Wire) -> None:
        wire.outbox.write(b"one", memoryview(b"two"), b"")
        wire.outbox.then(lambda: wire.told.append("gone"))
        assert wire.outbox.is_empty
        assert wire.told == ["gone"]
        assert await wire.read(6) == b"onetwo"

    _run(scenario)


def test_large_buffers_arrive_whole_and_in_order() -> None:
    async def scenario(wire: _Wire) -> None:
        parts = [LARGE[start : start + 9_000] for start in range(0, len(LARGE), 9_000)]
        wire.outbox.write(*parts[:200])
        wire.outbox.then(lambda: wire.told.append("first"))
        wire.outbox.write(b"", *parts[200:])
        wire.outbox.write(b"end")
        wire.outbox.then(lambda: wire.told.append("last"))
        assert wire.told == ["blocked"]
        assert not wire.outbox.is_empty
        assert await wire.read(len(LARGE) + 3) == LARGE + b"end"
        await wire.until(lambda: wire.outbox.is_empty)
        assert wire.told == ["blocked", "first", "last", "drained"]
        wire.outbox.write(b"more")
        assert await wire.read(4) == b"more"

    _run(scenario)


def test_a_client_that_goes_away_is_told_of_once_and_nothing_is_waited_for() -> None:
    async def scenario(wire: _Wire) -> None:
        wire.outbox.write(LARGE)
        wire.outbox.then(lambda: wire.told.append("gone"))
        wire.theirs.close()
        await wire.until(lambda: "broken" in wire.told)
        wire.outbox.write(b"in vain")
        wire.outbox.then(lambda: wire.told.append("gone"))
        wire.outbox.close()
        assert wire.told == ["blocked", "gone", "broken", "gone"], (
            "what was lent for sending is given back all the same"
        )

    _run(scenario)


def test_without_a_file_descriptor_to_wait_with_the_client_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def dup(descriptor: int) -> int:
        raise OSError(24, "Too many open files")

    async def scenario(wire: _Wire) -> None:
        monkeypatch.setattr(os, "dup", dup)
        wire.outbox.write(LARGE)
        assert wire.told == ["blocked"]
        assert await wire.read(len(LARGE)) == LARGE
        await wire.until(lambda: wire.outbox.is_empty)
        assert wire.told == ["blocked", "drained"]

    _run(scenario)
