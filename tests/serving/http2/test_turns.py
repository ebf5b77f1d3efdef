"""A client's calls begin a few at a time, and others have their turn in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edge_agent.serving.http2.turns import Turns


def _at_once(begun: list[int]) -> Callable[[int], bool]:
    def begin(call: int) -> bool:
        begun.append(call)
        return False

    return begin


def test_a_call_that_comes_alone_begins_at_once() -> None:
    async def scenario() -> None:
        begun: list[int] = []
        turns = Turns(_at_once(begun))
        for call in range(100):
            turns.renew()
            turns.take(call)
            assert begun[-1] == call

    asyncio.run(scenario())


def test_calls_that_come_together_begin_in_order_and_leave_room_for_others() -> None:
    async def scenario() -> None:
        begun: list[int] = []
        turns = Turns(_at_once(begun))
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


def test_a_call_that_takes_several_turns_leaves_room_for_others_after_each() -> None:
    async def scenario() -> None:
        left = {"large": 5, "small": 1, "last": 1}
        done: list[str] = []

        def begin(call: str) -> bool:
            left[call] -= 1
            done.append(call)
            return left[call] > 0

        turns = Turns(begin)
        turns.renew()
        for call in left:
            turns.take(call)
        for turn in range(1, 5):
            assert done == ["large"] * turn
            await asyncio.sleep(0)
        assert done == ["large"] * 5 + ["small", "last"]

    asyncio.run(scenario())
