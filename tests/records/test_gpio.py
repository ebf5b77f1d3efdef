"""Events on a digital output: pulses at the pin, none for parts that have gone by."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge_agent.errors import SettingsError
from edge_agent.records.events.delivery import Delivery
from edge_agent.records.events.event import Event, payload_of
from edge_agent.records.events.outbox import Outbox, line_states
from edge_agent.records.events.rules import parse_events
from tests.support.daemon import bytes_request, running_daemon, wait_until
from tests.support.fakes import picture, write_echo
from tests.support.gpio import MISSING, Chip
from tests.support.records import record

needs_chip = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture
def chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chip:
    made = Chip(tmp_path / "gpio")
    for name in ("LD_PRELOAD", "STAND_IN_GPIO"):
        monkeypatch.setenv(name, made.environment[name])
    return made


@needs_chip
def test_an_anomalous_verdict_is_a_pulse_and_the_line_is_left_as_it_was_asked_for(tmp_path: Path, chip: Chip) -> None:
    write_echo(tmp_path / "models", "echo")
    config = tmp_path / "config.toml"
    config.write_text(
        f'[[event]]\nname = "reject"\nsender = "gpio"\nverdicts = "anomalous"\nchip = "{chip.path}"\nline = "REJECT"\n'
        'pulse_ms = 40\nactive_low = true\nat_end = "active"\n'
    )
    with running_daemon(tmp_path, "--config", str(config)) as daemon:
        wait_until(lambda: chip.highs(5) == [True], "inactive from the start")
        daemon.stub.start("echo")
        for brightness in (10, 250, 20):
            daemon.stub("DetectAnomalies", bytes_request("echo", picture(brightness)))
        wait_until(lambda: len(chip.levels(5)) == 3, "a pulse")
        wait_until(lambda: not line_states(tmp_path / "state" / "records")[0].waiting, "it is taken out")
    _, begun, ended, *rest = chip.levels(5)
    assert (begun.high, ended.high) == (False, True)
    assert ended.at - begun.at >= 0.04
    assert [level.high for level in rest] == [False]  # active at the end


@needs_chip
def test_between_two_pulses_there_is_a_pause(chip: Chip) -> None:
    program = """
import sys
from edge_agent.records.events.event import Event
from edge_agent.records.events.rules import parse_events
from edge_agent.records.events.sender import sender_of
(rule,) = parse_events([dict(name="a", sender="gpio", chip=sys.argv[1], line=1, pulse_ms=5, pause_ms=60)])
sender = sender_of(rule, "d")
sender.idle()
sender.send([Event(1, b"{}"), Event(2, b"{}")])
sender.send([Event(3, b"{}")])
sender.close()
"""
    subprocess.run([sys.executable, "-c", program, chip.path], check=True)
    levels = chip.levels(1)
    assert [level.high for level in levels] == [False, True, False, True, False, True, False, False]
    for end, begin in ((2, 3), (4, 5)):
        assert levels[begin].at - levels[end].at >= 0.06


@pytest.mark.skipif("not installed" in MISSING, reason=MISSING)
def test_what_is_wrong_with_a_table_is_said_at_the_start() -> None:
    fields = {"name": "a", "sender": "gpio", "chip": "/dev/gpiochip0", "line": 1}
    for changes, said in (
        ({"chip": "gpiochip0"}, "chip 'gpiochip0' does not begin with /"),
        ({"line": -1}, "at key 'line'"),
        ({"pulse_ms": 2000}, "Expected 'float' <= 1000.0 at key 'pulse_ms'"),
        ({"at_end": "high"}, 'at_end is \'high\', expected one of "inactive", "active"'),
    ):
        with pytest.raises(SettingsError, match=said):
            parse_events([fields | changes])


def test_an_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.records.events.rules.is_installed", lambda _: False)
    with pytest.raises(SettingsError, match=r"need the package gpiod: pip install 'edge-agent\[gpio\]'"):
        parse_events([{"name": "a", "sender": "gpio", "chip": "/dev/gpiochip0", "line": 1}])


class Collecting:
    """A sender that remembers what it was given."""

    def __init__(self) -> None:
        self.sent: list[Event] = []

    def send(self, events: list[Event]) -> None:
        self.sent += events

    def idle(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_an_event_that_has_become_too_old_is_dropped_and_counted(tmp_path: Path) -> None:
    rules = parse_events([{"name": "line", "sender": "file", "path": "/x", "late_seconds": 60}])
    outbox, sender, ending = Outbox(tmp_path, rules), Collecting(), threading.Event()
    now = time.time_ns() // 1000
    ages = (300, 61, 59, 0)
    outbox.put({"line": [payload_of(record(now - age * 1_000_000), "d") for age in ages]})
    delivery = Delivery(rules[0], outbox, sender, ending.wait, lambda: now / 1e6)
    wait_until(lambda: not line_states(tmp_path)[0].waiting, "all are taken out")
    delivery.end()
    outbox.wake()
    delivery.join(180)
    outbox.close()
    assert [event.fields["id"] for event in sender.sent] == [now - 59_000_000, now]
    assert [(state.sent, state.dropped) for state in line_states(tmp_path)] == [(2, 2)]
