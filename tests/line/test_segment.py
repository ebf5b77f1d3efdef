"""Another program's segment of shared memory as a source: with a counter, and with a trigger."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.line.listening.command import trigger
from edge_agent.line.outputs.telling import line_folder
from edge_agent.line.sources.opening import open_source
from edge_agent.line.sources.source import Part, Source, SourceFailed
from edge_agent.line.tables.models import Model
from edge_agent.line.tables.sources import Pixels, Segment
from edge_agent.line.tables.triggers import Command
from edge_agent.line.tables.whole import Line
from tests.support.daemon import PATIENCE, wait_until
from tests.support.line import next_part, trouble_of

PIXELS = Pixels(format="Mono8", width=4, height=2, stride=8)
OFFSET, SIZE = 64, 64 + 8 + 4


class Writer:
    """The other program."""

    def __init__(self, size: int = SIZE) -> None:
        self.name = f"edge-agent-test-{os.getpid()}"
        self.path = Path("/dev/shm") / self.name
        self.path.write_bytes(bytes(size))
        self.count = 0

    def write(self, grey: int, counts: int = 1) -> None:
        with self.path.open("r+b", buffering=0) as file:
            os.pwrite(file.fileno(), bytes([grey]) * (SIZE - OFFSET), OFFSET)
            self.count += counts
            os.pwrite(file.fileno(), self.count.to_bytes(8, "little"), 8)


@pytest.fixture
def writer() -> Iterator[Writer]:
    made = Writer()
    yield made
    made.path.unlink(missing_ok=True)


@pytest.fixture
def opened() -> Iterator[Callable[..., Source]]:
    made: list[Source] = []

    def open_(line: Line) -> Source:
        made.append(open_source(line))
        return made[-1]

    yield open_
    for source in made:
        source.close()


def _line(name: str, counter_at: int | None = 8, **more: Any) -> Line:
    table = Segment(
        kind="segment", name=f"/{name}", pixels=PIXELS, offset=OFFSET, counter_at=counter_at, poll_ms=0.5, **more
    )
    trigger = Command(kind="command") if counter_at is None else None
    return Line(name="flange", source=table, model=(Model(name="echo"),), trigger=trigger, cycle_ms=1000)


def test_each_number_is_a_part_and_what_lay_there_is_none(writer: Writer, opened: Callable[..., Source]) -> None:
    writer.write(70)
    source = opened(_line(writer.name, queue=4, odd_while_writing=True))
    wait_until(lambda: not trouble_of(source), "it is open")
    seen: list[int] = []
    for grey in (80, 90, 100):
        writer.write(grey, counts=1 if writer.count % 2 else 2)  # the number is even: it is whole
        part = next_part(source)
        assert part.pixels is not None
        assert part.pixels.shape == (2, 4, 3)
        seen.append(int(part.pixels[1, 3, 2]))
    assert seen == [80, 90, 100]
    writer.write(110, counts=1)
    assert source.next(0.02) is None, "the number is odd: it is being written"


def test_a_program_that_is_away_says_it_and_comes_back(writer: Writer, opened: Callable[..., Source]) -> None:
    writer.path.unlink()
    source = opened(_line(writer.name, silent_seconds=0.2))
    wait_until(lambda: f"/{writer.name} can't be opened: No such file" in trouble_of(source), "it is missed")
    writer.path.write_bytes(bytes(20))
    wait_until(lambda: f"has 20 bytes, expected at least {SIZE}" in trouble_of(source), "it is too small")
    writer.path.write_bytes(bytes(SIZE))

    def back() -> Part | None:
        writer.write(50 + writer.count % 100)
        try:
            return source.next(0.05)
        except SourceFailed:
            return None

    assert wait_until(back, "it is back").pixels is not None
    wait_until(lambda: "has given nothing for" in trouble_of(source), "its silence is said")


def test_a_command_takes_what_lies_there(
    writer: Writer, opened: Callable[..., Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    line = _line(writer.name, None, frozen_frames=1)
    source = opened(line)
    told: list[dict[str, object]] = []
    wait_until((line_folder(line) / "trigger.sock").exists, "it listens")
    writer.write(90)
    asking = threading.Thread(target=lambda: told.append(trigger(line_folder(line), "4711")))
    asking.start()
    part = next_part(source)
    assert part.name == "4711"
    assert part.pixels is not None
    assert int(part.pixels[0, 0, 0]) == 90
    assert part.answer is not None
    part.answer({"outcome": "pass"})
    asking.join(PATIENCE)
    assert told == [{"outcome": "pass"}]
    # The same picture again: nothing was written for this part.
    asking = threading.Thread(target=lambda: told.append(trigger(line_folder(line), "4712")))
    asking.start()

    (lost,) = wait_until(source.left_out, "it is left out")
    assert (lost.name, lost.is_early) == ("4712", False)
    assert "no picture within the cycle" in lost.problem
    assert "is frozen" in lost.problem
    assert lost.answer is not None
    lost.answer({"outcome": "failed"})
    asking.join(PATIENCE)
    assert [one["outcome"] for one in told] == ["pass", "failed"]
