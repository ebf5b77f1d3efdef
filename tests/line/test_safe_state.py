"""What a line promises: whatever fails, its pins are safe before a cycle is over."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from edge_agent.children.command import child_command
from tests.support.daemon import PATIENCE, Daemon, running_daemon, suspend, wait_until
from tests.support.fakes import write_echo
from tests.support.line import Line

pytestmark = pytest.mark.long

#: long enough that a busy machine gives the supervisor its turn, and no shorter than the line promises
CYCLE_MS = 5000


def _safe_within_the_cycle(line: Line, since: float, said: int) -> None:
    """Wait until the pins are safe, and look when the line said so: when they had been written."""

    def reports() -> list[str]:
        return [text for text in line.log().splitlines() if "is at its safe state" in text]

    wait_until(lambda: len(reports()) > said, f"the safe state is told: {line.log()}")
    line.wait_safe()
    report = reports()[said]
    moment = datetime.strptime(" ".join(report.split()[:2]), "%Y-%m-%d %H:%M:%S,%f").timestamp()
    assert -0.001 <= moment - since <= CYCLE_MS / 1000, report


def test_whatever_fails_the_pins_are_safe_within_the_cycle(tmp_path: Path, make: Callable[..., Line]) -> None:
    write_echo(tmp_path / "agent" / "models")
    with running_daemon(tmp_path / "agent") as daemon:
        wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
        line = make(daemon.socket, cycle_ms=CYCLE_MS)
        line.start()
        (graph,) = daemon.models.rglob("model.onnx")

        def kill_inspecting() -> None:
            line.file.rename(tmp_path / "line.toml")  # so that no other takes its place before anybody has looked
            line.inspecting().kill()

        def inspecting_back() -> None:
            (tmp_path / "line.toml").rename(line.file)

        def kill_model() -> None:
            graph.rename(tmp_path / "model.onnx")  # so that its worker does not come back at once
            for worker in daemon.workers("echo"):
                worker.kill()

        def model_back() -> None:
            (tmp_path / "model.onnx").rename(graph)

        def kill_agent() -> None:
            daemon.process.kill()
            daemon.process.wait()

        stopped = psutil.Process(daemon.process.pid)
        failures: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
            ("the inspecting process is killed", kill_inspecting, inspecting_back),
            ("it hangs", lambda: suspend(line.inspecting()), lambda: line.inspecting().resume()),
            ("the model's worker is killed", kill_model, model_back),
            ("the agent hangs", lambda: suspend(stopped), stopped.resume),
            ("the camera has gone", lambda: line.pictures.rename(tmp_path / "away"),
             lambda: (tmp_path / "away").rename(line.pictures)),
            ("the agent is killed", kill_agent, daemon.restart),
        ]  # fmt: skip
        for number, (_, fail, mend) in enumerate(failures):
            line.wait_able()
            since = time.time()
            fail()
            _safe_within_the_cycle(line, since, number)
            mend()
        line.wait_able()
        assert line.process is not None
        since = time.time()
        line.process.send_signal(signal.SIGKILL)
        _safe_within_the_cycle(line, since, len(failures))


def test_a_supervisor_that_is_killed_while_it_is_told_something(agent: Daemon, make: Callable[..., Line]) -> None:
    """Its end of our output closes before its end of our input: writing fails first, and the pins are still unsafe."""
    line = make(agent.socket)
    with _inspecting_alone(line) as process:
        assert process.stdin is not None and process.stdout is not None
        (line.folder / "able").write_text("1")
        process.stdout.close()
        wait_until(lambda: "listens no more" in line.log() or process.poll() is not None, "it has noticed")
        assert process.poll() is None, f"nobody would make the pins safe: {line.log()}"
        process.stdin.close()
        assert process.wait(PATIENCE) == 1
    assert (line.pin("able"), line.pin("reject")) == ("0", "1"), line.log()
    assert "line 'flange' is at its safe state: its supervisor has ended" in line.log()


def test_pins_that_can_not_be_made_safe_without_a_supervisor_are_told(
    agent: Daemon, make: Callable[..., Line], tmp_path: Path
) -> None:
    line = make(agent.socket, f'[[pin]]\non = "look"\npath = "{tmp_path}/gone/pin"\n')
    (tmp_path / "gone").mkdir()
    with _inspecting_alone(line) as process:
        assert process.stdin is not None
        (tmp_path / "gone").rmdir()
        process.stdin.close()
        assert process.wait(PATIENCE) == 1
    assert "line 'flange': 1 of its pins can't be made safe, and its supervisor has ended" in line.log()
    assert "is at its safe state" not in line.log()
    assert (line.pin("able"), line.pin("reject")) == ("0", "1"), "the others are safe"


@contextlib.contextmanager
def _inspecting_alone(line: Line) -> Iterator[subprocess.Popen[bytes]]:
    """Have the process that inspects at work, and be its supervisor."""
    command = child_command("edge_agent.line.process", str(line.file), "0")
    with (line.folder / "log").open("ab") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=line.environment
        )
    try:
        assert process.stdout is not None
        assert process.stdout.readline(), f"it is at work: {line.log()}"
        yield process
    finally:
        process.kill()
        process.wait()
        for end in (process.stdin, process.stdout):
            assert end is not None
            end.close()


def test_a_pin_that_can_not_be_set_is_the_safe_state(agent: Daemon, make: Callable[..., Line]) -> None:
    line = make(agent.socket)
    line.start()
    line.wait_able()
    reject = line.folder / "reject"
    reject.rename(line.folder / "kept")
    reject.mkdir()  # what is there can't be written to
    line.put("bad", 220)
    assert line.event_of("bad")["outcome"] == "reject"
    wait_until(lambda: line.pin("able") == "0", f"the line is not able: {line.log()}")
    assert "is at its safe state: a pin can't be set" in line.log()

    def told() -> str:
        return line.command("status", line.file).stdout

    wait_until(lambda: f"can not inspect: pin 'reject' ({reject}) can't be set" in told(), "the status says so")
    line.put("next", 220)
    line.event_of("next")
    assert line.pin("able") == "0"
    reject.rmdir()
    (line.folder / "kept").rename(reject)
    line.wait_able()
