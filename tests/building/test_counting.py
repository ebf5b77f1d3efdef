"""Progress that several threads tell."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from edge_agent.building.counting import count_up

_ALL = 200


def test_each_number_is_told_once_and_in_order_whoever_tells_it() -> None:
    told: list[tuple[int, int]] = []
    one_more = count_up(lambda done, total: told.append((done, total)), _ALL)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: one_more(), range(_ALL)))
    assert told == [(number, _ALL) for number in range(1, _ALL + 1)]


def test_a_thread_that_is_slow_to_tell_is_not_overtaken() -> None:
    told: list[int] = []
    is_telling, may_go_on = Event(), Event()

    def progress(done: int, total: int) -> None:
        if done == 1:
            is_telling.set()
            assert may_go_on.wait(60)
        told.append(done)

    one_more = count_up(progress, 2)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(one_more)
        assert is_telling.wait(60)
        second = pool.submit(one_more)
        may_go_on.set()
        first.result()
        second.result()
    assert told == [1, 2]
