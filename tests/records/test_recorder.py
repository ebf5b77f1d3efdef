"""The daemon's side: it never waits for the process that writes, which may be stopped, killed, or slow."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from edge_agent.inference.verdict import Area, Verdict
from edge_agent.records import child, outgoing
from edge_agent.records.record import Origin
from edge_agent.records.recorder import Recorder
from tests.support.daemon import PATIENCE
from tests.support.records import options, rows

_VERDICT = Verdict(True, 0.9, 0.9, 0.5, (Area("background", "#FFFFFF", 0.9), Area("crack", "#23A436", 0.1)))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(child, "_FIRST_RESTART", 0.01)
    monkeypatch.setattr(child, "_LONGEST_RESTART", 0.01)


def _note(recorder: Recorder, part: str = "", verdict: Verdict = _VERDICT) -> int:
    """Have a verdict noted, and return its id."""
    answered: list[Verdict] = []
    note = recorder.noting(
        lambda verdict, _: answered.append(verdict), model="echo", version="1.0.0", size=(64, 48),
        origin=Origin(1000, 42, "line", part, "station 1"),
    )  # fmt: skip
    note(verdict, None)
    assert answered == [verdict]
    return recorder._last_id


async def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def test_a_verdict_is_written_with_its_origin(tmp_path: Path) -> None:
    async def run() -> int:
        recorder = Recorder(options(tmp_path))
        recorder.open()
        number = _note(recorder, "part 7")
        await _until(lambda: recorder.state.written == 1)
        await recorder.close()
        await recorder.close()
        return number

    number = asyncio.run(run())
    assert rows(tmp_path, "SELECT id, confidence, areas, uid, pid, program, part, station FROM records") == [
        (number, 0.9, '{"crack":0.1}', 1000, 42, "line", "part 7", "station 1")
    ]


def test_verdicts_of_as_many_and_as_long_labels_as_there_can_be_are_written(tmp_path: Path) -> None:
    labels = tuple(Area(f"{number:03}{'𝄞' * 61}", "#23A436", 1 / 255) for number in range(255))
    verdict = Verdict(True, 0.9, 0.9, 0.5, (Area("background", "#FFFFFF", 0.0), *labels))

    async def run() -> None:
        recorder = Recorder(options(tmp_path))
        recorder.open()
        for number in range(40):
            _note(recorder, verdict=verdict if number % 8 == 7 else _VERDICT)
        await _until(lambda: recorder.state.written == 40)
        await recorder.close()

    asyncio.run(run())
    assert rows(tmp_path, "SELECT length(areas) > 16000, count(*) FROM records GROUP BY 1") == [(0, 35), (1, 5)]


def test_what_was_sent_before_the_end_is_written(tmp_path: Path) -> None:
    async def run() -> list[int]:
        recorder = Recorder(options(tmp_path))
        recorder.open()
        numbers = [_note(recorder) for _ in range(100)]
        await recorder.close()
        return numbers

    numbers = asyncio.run(run())
    assert [number for (number,) in rows(tmp_path, "SELECT id FROM records ORDER BY id")] == numbers


def test_verdicts_go_together_and_none_waits_for_more(tmp_path: Path) -> None:
    async def run() -> None:
        recorder = Recorder(options(tmp_path))
        recorder.open()
        numbers = [_note(recorder) for _ in range(33)]
        await _until(lambda: recorder.state.last_id == numbers[-1])
        assert recorder.state.written == 33
        recorder.kill()
        await recorder.close()

    asyncio.run(run())


def test_records_with_very_many_labels_go_in_more_packets(tmp_path: Path) -> None:
    areas = [Area("background", "#FFFFFF", 0.0)] + [Area(f"{n:064}", "#23A436", 1 / 254) for n in range(254)]
    verdict = Verdict(True, 0.9, 0.9, 0.5, tuple(areas))

    async def run() -> None:
        recorder = Recorder(options(tmp_path))
        recorder.open()
        for _ in range(40):
            recorder.noting(
                lambda *_: None, model="echo", version="1.0.0", size=(64, 48), origin=Origin()
            )(verdict, None)  # fmt: skip
        await _until(lambda: recorder.state.written == 40)
        await recorder.close()

    asyncio.run(run())
    assert rows(tmp_path, "SELECT count(*), min(length(areas)) > 16000 FROM records") == [(40, 1)]


def test_ids_go_on_after_those_of_another_day_with_a_later_clock(tmp_path: Path) -> None:
    async def run(recorder: Recorder) -> int:
        recorder.open()
        await _until(lambda: recorder.state.last_id or not tmp_path.exists() or recorder.pid)
        first = _note(recorder)
        await _until(lambda: recorder.state.written == 1)
        await recorder.close()
        return first

    late = Recorder(options(tmp_path))
    late._last_id = 1 << 52
    first = asyncio.run(run(late))
    assert first == (1 << 52) + 1

    async def again() -> int:
        recorder = Recorder(options(tmp_path))
        recorder.open()
        await _until(lambda: recorder.state.last_id == first)
        number = _note(recorder)
        await recorder.close()
        return number

    assert asyncio.run(again()) == first + 1


def test_a_process_that_does_not_read_costs_records_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "_MOST_WAITING", 64)

    async def run() -> tuple[int, int]:
        recorder = Recorder(options(tmp_path))
        recorder.open()
        _note(recorder)
        await _until(lambda: recorder.state.written == 1)
        os.kill(recorder.pid, signal.SIGSTOP)
        noted = 1
        while not recorder.dropped:
            _note(recorder)
            noted += 1
            assert noted < 100_000
        assert recorder.waiting == 64
        os.kill(recorder.pid, signal.SIGCONT)
        await _until(lambda: recorder.waiting == 0)
        _note(recorder)
        noted += 1
        await _until(lambda: recorder.state.written == noted - 32)
        assert recorder.state.lost == 32
        await recorder.close()
        return noted, recorder.dropped

    noted, dropped = asyncio.run(run())
    assert rows(tmp_path, "SELECT count(*) FROM records") == [(noted - dropped,)]
    assert rows(tmp_path, "SELECT why, records FROM losses") == [("the daemon had no room for them", 32)]


def _children() -> set[psutil.Process]:
    return {child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.timeout(600)
def test_kill_9_loses_the_last_second_at_most_and_never_the_file(tmp_path: Path, kills: int) -> None:
    noted: dict[int, float] = {}
    killed: list[float] = []
    #: ids that the process has told to be written, and how long after it was noted
    told: dict[int, float] = {}
    before = _children()

    async def run() -> None:
        recorder = Recorder(options(tmp_path))
        recorder.open()

        async def note_on() -> None:
            while len(killed) < kills:
                noted[_note(recorder)] = time.monotonic()
                if (last := recorder.state.last_id) in noted and last not in told:
                    told[last] = time.monotonic() - noted[last]
                await asyncio.sleep(0.002)

        noting = asyncio.ensure_future(note_on())
        for round_ in range(kills):
            written = recorder.state.written
            await _until(lambda: recorder.pid and recorder.state.written not in (0, written))  # noqa: B023
            await asyncio.sleep(0.003 * (round_ % 7))  # in the middle of whatever it does then
            pid = recorder.pid
            os.kill(pid, signal.SIGKILL)
            killed.append(time.monotonic())
            await _until(lambda: recorder.pid not in (0, pid))  # noqa: B023
        await noting
        await recorder.close()

    asyncio.run(run())
    found = {number for (number,) in rows(tmp_path, "SELECT id FROM records")}
    lost = [at for number, at in noted.items() if number not in found]
    # A busy machine, or a slow disk, may take longer than a second until something is written at all.
    most = 1.0 + max(told.values())
    ages = [min((kill - at for kill in killed if kill >= at), default=-1.0) for at in lost]
    assert not [age for age in ages if not 0 <= age < most]
    assert told.keys() <= found, "what was told to be written is there"
    assert len(found) > kills
    assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(tmp_path, "SELECT sum(total) FROM quarters") == [(len(found),)]
    assert _children() <= before
