"""A shadow begins when the worker is still, and on a line that never is, now and then."""

from __future__ import annotations

import pytest

from edge_agent.records.pictures.stillness import LONGEST_SECONDS, LOOK_SECONDS, wait_for_stillness


@pytest.mark.parametrize(
    ("busy", "looks"),
    [
        ([0, 0], 2),
        ([1, 1, 0, 0], 4),
        ([0, 1, 0, 1, 0, 0], 6),  # the moment between two calls is none
    ],
)
def test_it_begins_when_two_looks_in_a_row_find_no_call(busy: list[int], looks: int) -> None:
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    answers = iter(busy)
    wait_for_stillness(lambda: next(answers), lambda: now, sleep)
    assert now == pytest.approx(looks * LOOK_SECONDS)


def test_on_a_line_that_is_never_still_it_begins_after_a_second() -> None:
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    wait_for_stillness(lambda: 1, lambda: now, sleep)
    assert LONGEST_SECONDS - LOOK_SECONDS < now < LONGEST_SECONDS + 2 * LOOK_SECONDS
