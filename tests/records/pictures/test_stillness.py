"""A shadow begins when the worker is still, and on a line that never is, now and then."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge_agent.records.pictures.slots import Slot
from edge_agent.records.pictures.stillness import (
    HEAD_BYTES,
    LONGEST_SECONDS,
    LOOK_SECONDS,
    has_call,
    wait_for_stillness,
)


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


def test_a_worker_that_is_killed_in_a_call_has_none_any_more() -> None:
    """Its last pictures are not encoded as slowly as on a line that is never still."""
    slot = Slot("picture", 4096, 1)
    assert not has_call(slot.memory[:HEAD_BYTES])
    slot.begin(1.0)
    assert has_call(slot.memory[:HEAD_BYTES])
    program = (
        "import signal; from edge_agent.records.pictures.slots import Slot; slot = Slot('picture', 4096, 1); "
        "slot.begin(1.0); print(slot.memory[:64].hex(), flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        head = bytes.fromhex(worker.stdout.readline().decode())[:HEAD_BYTES]
        assert has_call(head)
        worker.kill()
    assert not has_call(head)
