"""Which lines there are, and how they stand, as others see it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.children.living import is_alive, process_start
from edge_agent.errors import EdgeAgentError
from edge_agent.line.outputs.pins import Pins
from edge_agent.line.outputs.shown import Shown, read_pins
from edge_agent.line.running import known_lines
from edge_agent.line.status import PICTURE_NAME, LastPart, Status
from edge_agent.line.tables.outputs import Pin
from tests.support.daemon import wait_until

_FILE = 'name = "{name}"\n[source]\nkind = "http"\nport = 8080\n[model]\nname = "echo"\n'


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    folder = tmp_path / "lines of the device"
    folder.mkdir()
    for name in ("flange", "lid"):
        (folder / f"{name}.toml").write_text(_FILE.format(name=name))
    (folder / "broken.toml").write_text("cycle = 1")
    (folder / "notes.txt").write_text("no line")
    return folder


def _written(state: Path, name: str, **values: object) -> Status:
    status = Status(name=name, able=True, problem="", **values)  # type: ignore[arg-type]
    status.decided(LastPart("a.png", "reject", "anomalous", 0.0, 12.5, 0.9, "anomalous"))
    status.write(state / "lines" / name)
    return status


def test_lines_that_run_have_run_or_are_configured(tmp_path: Path, lines: Path) -> None:
    state = tmp_path / "state"
    _written(state, "flange", cycle_ms=10.0, picture=True)
    (state / "lines" / "flange" / PICTURE_NAME).write_bytes(b"jpeg")
    # a number that another process has by now
    _written(state, "gone", process=os.getpid(), process_started=1, supervisor=os.getppid(), supervisor_started=1)
    found = {line.name: line for line in known_lines(lines, [state])}
    assert [(line.name, line.state, line.is_configured) for line in found.values()] == [
        ("broken", "stopped", True), ("flange", "able", True), ("gone", "stopped", False), ("lid", "stopped", True),
    ]  # fmt: skip
    flange = found["flange"]
    assert flange.file == str(lines / "flange.toml")
    assert flange.picture == state / "lines" / "flange" / PICTURE_NAME
    assert flange.status is not None
    assert (flange.status.rejected, flange.status.late, flange.status.longest_ms) == (1, 1, 12.5)
    assert flange.status.last is not None
    assert flange.status.last.part == "a.png"
    gone = found["gone"].status
    assert gone is not None
    assert not gone.able
    assert gone.problem.startswith("not running")
    assert "cycle is not a key" in found["broken"].problem
    assert "name is missing" in found["broken"].problem
    assert found["lid"].status is None
    (state / "lines" / "flange" / "status.json").write_text("{")
    assert "can't be read" in next(line.problem for line in known_lines(lines, [state]) if line.name == "flange")
    assert known_lines(tmp_path / "none", [tmp_path / "none"]) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_that_may_not_be_looked_at_is_said(tmp_path: Path, lines: Path) -> None:
    lines.chmod(0o700)
    os.seteuid(65534)
    try:
        with pytest.raises(EdgeAgentError, match="can't be looked at: Permission denied for user 'nobody'"):
            known_lines(lines, [tmp_path / "none"])
    finally:
        os.seteuid(0)


def test_what_the_pins_say_is_written_for_others(tmp_path: Path) -> None:
    table = (Pin(on="able", path=str(tmp_path / "able")), Pin(on="reject", path=str(tmp_path / "no" / "pin"), safe=1))
    pins = Pins(table)
    shown = Shown(pins, tmp_path / "shown")

    def said() -> list[tuple[str, str, int | None]]:
        return [(pin.on, pin.place, pin.value) for pin in read_pins(tmp_path / "shown").pins]

    reject = ("reject", str(tmp_path / "no" / "pin"), None)
    pins.able()
    wait_until(lambda: said() == [("able", str(tmp_path / "able"), 1), reject], "the pins are shown")
    (tmp_path / "no").mkdir()
    pins.close()
    shown.close()
    assert said() == [("able", str(tmp_path / "able"), 0), (*reject[:2], 1)], "also how they were left"
    assert read_pins(tmp_path / "none").pins == ()


def test_a_process_is_known_by_its_start() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        started = process_start(child.pid)
        assert is_alive(child.pid, started)
        assert not is_alive(child.pid, started + 1)
        child.kill()
        wait_until(lambda: not is_alive(child.pid, started), "one that nobody has asked for counts as none")
    finally:
        child.kill()
        child.communicate()
    assert process_start(child.pid) == 0
    assert not is_alive(child.pid, 0)
