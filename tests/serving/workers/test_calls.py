"""The line in which calls wait: bounded, in order, and without those that nobody waits for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edge_agent.access.peer import own_peer
from edge_agent.errors import CallExpired, Overloaded, WorkerDied
from edge_agent.inference.imaging.bitmap import Place
from edge_agent.inference.verdict import decide
from edge_agent.serving.workers.calls import Call, Enclosed, WaitingLine
from edge_agent.serving.workers.parcels import ParcelShelf

PLACE = Place("/s", 9, 0)
PEER = own_peer()
ERRORS: list[tuple[Call, Exception]] = []


def _call(size: int | None = None, deadline: float | None = None) -> Call:
    pixels = PLACE if size is None else Enclosed(memoryview(bytes(size)))
    call = Call(pixels, None, deadline, PEER, lambda verdict, mask: None, lambda error: ERRORS.append((call, error)))
    return call


def _error(call: Call) -> Exception:
    return next(error for failed, error in ERRORS if failed is call)


def _join(line: WaitingLine, call: Call, **changes: Any) -> None:
    line.join(call, **({"free": False, "workers": 1, "now": 0.0} | changes))


def test_first_come_first_served() -> None:
    line = WaitingLine("m", 3, 1000)
    calls = [_call() for _ in range(3)]
    for call in calls:
        _join(line, call)
    assert [line.next(0.0) for _ in range(4)] == [*calls, None]


def test_it_is_bounded_in_calls_and_bytes() -> None:
    line = WaitingLine("m", 2, 100)
    _join(line, _call(60))
    with pytest.raises(Overloaded, match="has 60 bytes of pictures waiting, its queue takes 100"):
        _join(line, _call(60))
    _join(line, _call(40))
    with pytest.raises(Overloaded, match="model 'm' has 2 calls waiting, its queue takes 2"):
        _join(line, _call())
    line.next(0.0)
    _join(line, _call(60))


def test_one_picture_larger_than_the_bound_may_wait() -> None:
    line = WaitingLine("m", 2, 100)
    _join(line, _call(500))


def test_a_free_worker_takes_a_call_whatever_the_bounds() -> None:
    line = WaitingLine("m", 0, 0)
    _join(line, _call(10), free=True)
    assert line.next(0.0) is not None


def test_cancelled_calls_make_room() -> None:
    line = WaitingLine("m", 2, 1000)
    gone, stays = _call(), _call()
    for call in (gone, stays):
        _join(line, call)
    gone.cancel()
    _join(line, _call())
    assert line.next(0.0) is stays


def test_expired_calls_are_not_given_to_a_worker() -> None:
    line = WaitingLine("m", 9, 1000)
    late, early = _call(deadline=1.0), _call(deadline=3.0)
    _join(line, late)
    _join(line, early)
    assert line.next(2.0) is early
    assert isinstance(_error(late), CallExpired)


def test_a_deadline_that_can_not_be_met_is_refused_at_once() -> None:
    line = WaitingLine("m", 9, 1000)
    line.observe(0.1)
    for _ in range(4):
        _join(line, _call())
    with pytest.raises(Overloaded, match=r"the deadline in 300 ms can't be met: the calls that wait .* take 400 ms"):
        _join(line, _call(deadline=0.3))
    _join(line, _call(deadline=0.3), workers=2)
    _join(line, _call(deadline=0.6))


def test_a_long_call_does_not_shut_out_short_deadlines_for_ever() -> None:
    line = WaitingLine("m", 9, 1000)
    line.observe(1000.0)
    _join(line, _call(deadline=0.001))


def test_the_end_of_the_workers_ends_every_call() -> None:
    line = WaitingLine("m", 9, 1000)
    calls = [_call(10), _call(10)]
    for call in calls:
        _join(line, call)
    line.fail_all(WorkerDied("gone"))
    assert all(isinstance(_error(call), WorkerDied) for call in calls)
    assert line.next(0.0) is None


def test_a_call_ends_once() -> None:
    told: list[object] = []
    call = Call(PLACE, None, None, PEER, lambda verdict, mask: told.append(verdict), told.append)
    verdict = decide(0.2, 0.5)
    call.answer(verdict, None)
    call.fail(WorkerDied("gone"))
    call.cancel()
    assert told == [verdict]


def test_a_mask_that_nobody_takes_goes_back_to_its_shelf() -> None:
    async def scenario() -> None:
        shelf = ParcelShelf()
        told: list[Call] = []
        call = _call()
        call.on_cancel = told.append
        call.cancel()
        assert told == [call]
        call.answer(decide(0.2, 0.5), shelf.get(10))
        assert len(shelf) == 1
        shelf.close()

    asyncio.run(scenario())
