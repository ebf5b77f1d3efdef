"""Whoever encodes pictures works between calls: it is told when one has ended, and looks at none meanwhile."""

from __future__ import annotations

import array
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edge_agent.inference.imaging.resize import ArrayPixels
from edge_agent.records.pictures.pauses import Pauses
from edge_agent.records.pictures.slots import Slots

REST = 0.0001
PIECE = 0.0002  # longer than what needs no rest behind it


class Line:
    """A worker that has passed a picture on, and whoever took it, in a time of its own."""

    def __init__(self, folder: Path) -> None:
        self.now = 10_000.0
        #: by how much whoever rests is behind
        self.late = 0.0
        self.slept: list[float] = []
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(str(folder / "taker.sock"))
            self.slots = Slots(folder, "taker.sock", "picture", size=12, pictures=2, most=2, clock=lambda: self.now)
            assert self.slots.copy(ArrayPixels(np.zeros((2, 2, 3), np.uint8)), None, b"picture")
            self.slots.settle()
            assert listener.recv(100) == b""  # whether anybody is there
            _, rights, _, _ = listener.recvmsg(100, 100)
        self.descriptors = list(array.array("i", rights[0][2]))
        self.pauses = Pauses(self.descriptors[0], self.descriptors[1], lambda: self.now + self.late, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds

    def calls(self, pause: float, count: int = 9) -> None:
        """Have calls of no time, so many seconds after each other."""
        for _ in range(count):
            self.now += pause
            self.slots.begin()
            self.slots.end()

    def rest(self) -> None:
        """Rest when a piece of work has been done."""
        self.now += PIECE
        self.pauses.rest()

    @contextmanager
    def resting(self) -> Iterator[threading.Thread]:
        """Rest in another thread, which has ended then."""
        resting = threading.Thread(target=self.rest, daemon=True)
        resting.start()
        while not self.slept:
            os.sched_yield()
        yield resting
        resting.join(60)
        assert not resting.is_alive()

    def close(self) -> None:
        self.pauses.close()
        self.slots.forget()
        for descriptor in self.descriptors:
            os.close(descriptor)


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setattr("edge_agent.records.pictures.pauses._LONGEST_SECONDS", 600.0)  # a machine may be slow
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
    line.rest()
    assert line.slept == [REST, 0.001]
    line.rest()
    assert line.slept[2:] == [REST]


def test_a_call_is_waited_for(line: Line) -> None:
    line.calls(0.02)
    line.now += 0.02
    line.slots.begin()
    with line.resting() as resting:
        assert resting.is_alive()
        line.slots.end()
    assert line.slept == [REST, 0.001]


def test_no_work_is_begun_when_the_next_call_is_due(line: Line) -> None:
    line.calls(0.02)
    line.now += 0.015
    line.rest()
    line.slept.clear()
    line.now += 0.002
    with line.resting() as resting:
        assert resting.is_alive()
        line.calls(0.003, 1)
    assert len(line.slept) == 2


def test_when_the_next_call_does_not_come_work_goes_on(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.calls(0.02)
    monkeypatch.setattr("edge_agent.records.pictures.pauses._LONGEST_SECONDS", 0.01)
    line.now += 0.018
    line.rest()  # returns
    line.now += 3600.0
    line.rest()
    assert line.slept == [REST, REST]


def test_on_a_line_that_is_never_still_there_is_a_piece_of_work_behind_a_call_now_and_then(line: Line) -> None:
    line.calls(0.001, 40)
    line.rest()  # returns
    line.slept.clear()
    with line.resting() as resting:
        line.calls(0.001, 20)  # 30 ms have not passed
        assert resting.is_alive()
        line.calls(0.001, 10)
    assert line.slept == [REST]


def test_a_call_of_long_is_not_waited_for(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.records.pictures.pauses._LONGEST_SECONDS", 0.01)
    line.slots.begin()
    line.rest()  # returns
    assert line.slept == [REST]


def test_a_worker_tells_nobody_who_has_done(line: Line) -> None:
    line.calls(0.02)
    line.pauses.close()
    os.eventfd_read(line.descriptors[1])
    line.calls(0.02)
    with pytest.raises(BlockingIOError):
        os.eventfd_read(line.descriptors[1])


def test_whatever_calls_come_there_is_a_piece_of_work_now_and_then(line: Line) -> None:
    """As where this process always hears late that a call has ended."""
    line.calls(0.001)
    line.late = 0.0005
    with line.resting() as resting:
        line.calls(0.001, 100)
        assert resting.is_alive()
        while resting.is_alive() and line.now < 10_100.0:
            line.calls(0.001, 1)
    assert line.now < 10_100.0
