"""A client's calls begin a few at a time, and others have their turn in between."""

from __future__ import annotations

import asyncio

from edge_agent.serving.http2.turns import Turns


def test_a_call_that_comes_alone_begins_at_once() -> None:
    async def scenario() -> None:
        begun: list[int] = []
        turns = Turns(begun.append)
        for call in range(100):
            turns.renew()
            turns.take(call)
            assert begun[-1] == call

    asyncio.run(scenario())


def test_calls_that_come_together_begin_in_order_and_leave_room_for_others() -> None:
    async def scenario() -> None:
        begun: list[int] = []
        turns = Turns(begun.append)
        turns.renew()
        for call in range(50):
            turns.take(call)
        most, before = len(begun), len(begun)
        while len(begun) < 50:
            await asyncio.sleep(0)  # another's turn
            if len(begun) == 24:
                turns.renew()
                turns.take(50)  # behind those that wait
            most, before = max(most, len(begun) - before), len(begun)
        await asyncio.sleep(0)
        assert begun == list(range(51))
        assert most == 8

    asyncio.run(scenario())
