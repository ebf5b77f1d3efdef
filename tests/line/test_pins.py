"""Pins: outcomes with delay and pulse, and the safe state."""

from __future__ import annotations

from pathlib import Path

from edge_agent.line.outputs.pins import Pins
from edge_agent.line.tables.outputs import Pin
from tests.support.daemon import wait_until


def test_outcomes_pulses_and_the_safe_state(tmp_path: Path) -> None:
    def value(name: str) -> str:
        return (tmp_path / name).read_text().strip()

    def pin(name: str, on: str, **changes: object) -> Pin:
        return Pin(on=on, path=str(tmp_path / name), **changes)  # type: ignore[arg-type]

    pins = Pins([pin("able", "able"), pin("gate", "reject", safe=1), pin("lamp", "look", pulse_ms=100, delay_ms=200)])
    pins.safe()
    assert [value(name) for name in ("able", "gate", "lamp")] == ["0", "1", "0"]
    pins.able()
    assert [value(name) for name in ("able", "gate", "lamp")] == ["1", "0", "0"]
    pins.outcome("reject")
    assert [value(name) for name in ("able", "gate", "lamp")] == ["1", "1", "0"]
    pins.outcome("look")
    assert [value(name) for name in ("able", "gate", "lamp")] == ["1", "0", "0"], "its delay has not passed"
    wait_until(lambda: pins.turn() is not None and value("lamp") == "1", "the lamp is set")
    wait_until(lambda: pins.turn() is None and value("lamp") == "0", "its pulse is over")
    pins.outcome("look")
    pins.safe()
    assert pins.turn() is None, "what was to come is forgotten"
    assert value("gate") == "1"
    pins.close()


def test_pins_that_wait_for_their_part_to_come_by(tmp_path: Path) -> None:
    """Two parts are on their way to the gate at once."""

    def value(name: str) -> str:
        return (tmp_path / name).read_text().strip()

    gate = Pin(on="reject", path=str(tmp_path / "gate"), delay_pulses=100, pulse_ms=200)
    lamp = Pin(on="look", path=str(tmp_path / "lamp"), delay_pulses=50)
    pins = Pins([gate, lamp])
    pins.safe()
    pins.pulses(10)
    assert pins.outcome("reject", 10) == 0
    pins.pulses(60)
    assert pins.outcome("look", 40) == 0
    pins.pulses(89)
    assert (value("gate"), value("lamp")) == ("0", "0")
    pins.pulses(90)
    assert (value("gate"), value("lamp")) == ("0", "1")
    pins.pulses(110)
    assert value("gate") == "1"
    wait_until(lambda: pins.turn() is None and value("gate") == "0", "its pulse is over")
    assert pins.outcome("reject", 5) == 5, "the part has gone by"
    assert value("gate") == "0"
    pins.outcome("reject", 110)
    pins.safe()
    pins.pulses(999)
    assert value("gate") == "0", "what was to come is forgotten"


def test_failed_and_early_leave_the_other_pins_alone(tmp_path: Path) -> None:
    pins = Pins([Pin(on="reject", path=str(tmp_path / "gate"), safe=1), Pin(on="early", path=str(tmp_path / "early"))])
    pins.safe()
    pins.mark("early")
    assert (tmp_path / "early").read_text() == "1\n"
    assert (tmp_path / "gate").read_text() == "1\n"
