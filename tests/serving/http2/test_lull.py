"""A wait in the place of the event loop: it ends with whatever the loop would be woken by, and soon in any case."""

from __future__ import annotations

import asyncio
import os
import selectors
import time
from collections.abc import Callable

import pytest

from edge_agent.serving.http2.lull import Lull


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which stands still: a turn's millisecond is soon over where the processor is somebody else's."""
    now = [5.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def _in_loop(scenario: Callable[[Lull, int, int], None], selector: selectors.BaseSelector | None = None) -> None:
    """Run in a turn of an event loop that waits for a pipe, of which both ends are given."""
    loop = asyncio.SelectorEventLoop(selector)
    reading, writing = os.pipe()

    async def run() -> None:
        loop.add_reader(reading, lambda: None)
        await asyncio.sleep(0)
        scenario(Lull(loop), reading, writing)
        loop.remove_reader(reading)

    try:
        loop.run_until_complete(run())
    finally:
        loop.close()
        os.close(reading)
        os.close(writing)


def test_whatever_the_loop_waits_for_ends_it_until_that_is_dealt_with() -> None:
    def scenario(lull: Lull, reading: int, writing: int) -> None:
        lull.begin()
        os.write(writing, b"x")
        assert lull.wait()
        assert lull.wait(), "nobody has read it yet"
        os.read(reading, 1)
        lull.begin()
        assert not lull.wait()

    _in_loop(scenario)


def test_a_turn_waits_for_a_millisecond_and_no_more(now: list[float]) -> None:
    def scenario(lull: Lull, reading: int, writing: int) -> None:
        os.write(writing, b"x")
        lull.begin()
        assert lull.wait()
        now[0] += 0.0011
        assert not lull.wait(), "however much there would be"
        lull.begin()
        assert lull.wait()

    _in_loop(scenario)


def test_a_loop_that_can_not_be_waited_for_has_no_lulls() -> None:
    def scenario(lull: Lull, reading: int, writing: int) -> None:
        os.write(writing, b"x")
        lull.begin()
        assert not lull.wait()

    _in_loop(scenario, selectors.SelectSelector())


def test_what_the_loop_has_to_do_already_is_not_kept_waiting() -> None:
    def scenario(lull: Lull, reading: int, writing: int) -> None:
        os.write(writing, b"x")
        lull.begin()
        assert lull.wait()
        asyncio.get_running_loop().call_soon(lambda: None)
        assert not lull.wait()

    _in_loop(scenario)
