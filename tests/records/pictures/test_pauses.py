"""Whoever encodes pictures works between calls: it is told when one has ended, and looks at none meanwhile."""

from __future__ import annotations

import array
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_agent.inference.imaging.resize import ArrayPixels
from edge_agent.records.pictures.pauses import Pauses, wait_for_end
from edge_agent.records.pictures.slots import Slots

REST = 0.0001
ANSWER = 0.001
PIECE = 0.0002  # longer than what needs no rest behind it
BEGUN = 10_000.0


class Line:
    """A worker that has passed a picture on, and whoever took it, in a time of their own in which calls come."""

    def __init__(self, folder: Path) -> None:
        self.now = BEGUN
        #: by how much whoever rests hears late that a call has ended
        self.late = 0.0
        self.slept: list[float] = []
        self._looks = 0
        self._coming: deque[tuple[float, Callable[[], None]]] = deque()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(str(folder / "taker.sock"))
            self.slots = Slots(folder, "taker.sock", "picture", size=12, pictures=2, most=2, clock=lambda: self.now)
            assert self.slots.copy(ArrayPixels(np.zeros((2, 2, 3), np.uint8)), None, b"picture")
            self.slots.settle()
            assert listener.recv(100) == b""  # whether anybody is there
            _, rights, _, _ = listener.recvmsg(100, 100)
        self.descriptors = list(array.array("i", rights[0][2]))
        self.pauses = Pauses(self.descriptors[0], self.descriptors[1], self._clock, self._sleep, self._wait)

    def go_on(self, seconds: float) -> None:
        """Let time pass, with what comes in it."""
        until = self.now + seconds
        while self._coming and self._coming[0][0] <= until:
            self.now, happens = self._coming.popleft()
            happens()
        self.now = until

    def _clock(self) -> float:
        self._looks += 1
        assert self._looks < 10_000, "it never ends"
        return self.now

    def _sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.go_on(seconds)

    def _wait(self, event: int, seconds: float) -> bool:
        until = self.now + seconds
        while not wait_for_end(event, 0):
            if not self._coming or self._coming[0][0] > until:
                self.now = until
                return False
            self.go_on(self._coming[0][0] - self.now)
        self.go_on(self.late)
        return True

    def expect(self, pause: float, count: int = 1, *, long: float = 0.0) -> None:
        """Have calls come, so many seconds after each other's end, that take so long."""
        at = self._coming[-1][0] if self._coming else self.now
        for _ in range(count):
            self._coming.append((at + pause, self.slots.begin))
            self._coming.append((at + pause + long, self.slots.end))
            at += pause + long

    def calls(self, pause: float, count: int = 9) -> None:
        """Have calls of no time, so many seconds after each other."""
        for _ in range(count):
            self.now += pause
            self.slots.begin()
            self.slots.end()

    def rest(self) -> float:
        """Rest when a piece of work has been done; returns for how long."""
        self.go_on(PIECE)
        begun = self.now
        self.pauses.rest()
        return round(self.now - begun, 6)

    def close(self) -> None:
        self.pauses.close()
        self.slots.forget()
        for descriptor in self.descriptors:
            os.close(descriptor)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path)
    yield made
    made.close()


def test_while_there_is_no_call_it_only_lets_others_have_the_processor(line: Line) -> None:
    line.rest()
    assert line.slept == [REST]


def test_what_takes_no_time_needs_no_rest(line: Line) -> None:
    for _ in range(10):
        line.pauses.rest()
    assert line.slept == []


def test_an_answer_gets_to_its_client_before_work_goes_on(line: Line) -> None:
    line.calls(0.02)
    assert line.rest() == pytest.approx(REST + ANSWER)
    assert line.rest() == REST


def test_a_call_is_waited_for(line: Line) -> None:
    line.calls(0.02)
    line.expect(0.02, long=0.03)
    line.go_on(0.02)
    assert line.rest() == pytest.approx(0.03 - PIECE + ANSWER)


@pytest.mark.parametrize(("at", "rests"), [(0.0159, REST), (0.0161, 0.02 - 0.0161 + REST + ANSWER)])
def test_no_work_is_begun_in_the_last_fifth_of_a_pause(line: Line, at: float, rests: float) -> None:
    line.calls(0.02)
    line.expect(0.02)
    line.go_on(at - PIECE - REST)
    assert line.rest() == pytest.approx(rests)


def test_when_the_next_call_does_not_come_work_goes_on(line: Line) -> None:
    line.calls(0.02)
    line.go_on(0.018 - PIECE)
    assert line.rest() == pytest.approx(0.02 + 0.05 - 0.018)
    line.go_on(3600.0)
    assert line.rest() == REST


@pytest.mark.parametrize(("pause", "rests"), [(0.0041, REST), (0.0039, 8 * 0.0039 - PIECE)])
def test_on_a_line_that_is_never_still_there_is_a_piece_of_work_behind_a_call_now_and_then(
    line: Line, pause: float, rests: float
) -> None:
    """A line is never still where its pauses are shorter than 4 ms; now and then is after 30."""
    line.calls(pause, 40)
    line.rest()
    line.expect(pause, 60)
    assert line.rest() == pytest.approx(rests)


def test_a_call_of_long_is_not_waited_for(line: Line) -> None:
    line.slots.begin()
    assert line.rest() == pytest.approx(REST + 0.05)


def test_a_worker_tells_nobody_who_has_done(line: Line) -> None:
    line.calls(0.02)
    line.pauses.close()
    assert wait_for_end(line.descriptors[1], 0)
    os.eventfd_read(line.descriptors[1])
    line.calls(0.02)
    assert not wait_for_end(line.descriptors[1], 0)


def test_whatever_calls_come_there_is_a_piece_of_work_now_and_then(line: Line) -> None:
    """As where this process always hears late that a call has ended."""
    line.calls(0.001)
    line.late = 0.0005
    line.expect(0.001, 1000)
    assert 0.25 <= line.rest() < 0.252


def test_a_slot_that_is_made_in_a_call_says_that_there_is_one(tmp_path: Path) -> None:
    """As when several pictures come in one call: the second one's answer is still to be sent."""
    made = Line(tmp_path)
    made.calls(0.02)
    made.go_on(0.02)
    made.slots.begin()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        (tmp_path / "taker.sock").unlink()
        listener.bind(str(tmp_path / "taker.sock"))
        made.slots.forget()
        assert made.slots.copy(ArrayPixels(np.zeros((2, 2, 3), np.uint8)), None, b"picture")
        made.slots.settle()
        listener.recv(100)
        _, rights, _, _ = listener.recvmsg(100, 100)
    memory, ended = array.array("i", rights[0][2])
    slept: list[float] = []
    waited: list[float] = []

    def wait(_: int, seconds: float) -> bool:
        waited.append(seconds)
        return False

    pauses = Pauses(memory, ended, lambda: made.now, slept.append, wait)
    pauses.rest()
    assert waited == [0.05], "a call's end is waited for, for as long as for any"
    made.slots.end()
    made.now += 0.01
    pauses.rest()
    assert waited == [0.05], "the pause between calls is known"
    pauses.close()
    os.close(memory)
    os.close(ended)
    made.close()
